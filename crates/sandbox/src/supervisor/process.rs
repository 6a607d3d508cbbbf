//! One process by identity: pid, start time and boot, so that a reused pid is another process.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process that was seen running; a later process with the same pid compares unequal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// Field 22 of `/proc/<pid>/stat`: clock ticks between boot and the process's start.
    pub started_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`: start times begin anew with every boot.
    pub boot: String,
}

impl Process {
    /// The process that has this pid now; `None` when there is none or it is a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started_ticks) = parse_stat(&stat)?;
        if matches!(state, 'Z' | 'X' | 'x') {
            return None;
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        Some(Self { pid, started_ticks, boot })
    }

    /// This very process.
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still runs; a zombie does not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// The process group it belongs to; `None` when it is gone.
    pub(super) fn leader(&self) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // After the name come state, parent and process group.
        let group = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().nth(2)?;
        group.parse().ok().filter(|_| self.is_alive())
    }

    /// Sends a signal to this process and to no other; `false` when it is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // The handle holds one process; only now is it sure that the pid is still ours.
        self.is_alive() && pidfd_send_signal(handle, signal).is_ok()
    }
}

/// State letter and start time of a line of `/proc/<pid>/stat`; the name may hold any character.
fn parse_stat(line: &str) -> Option<(char, u64)> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // After the state come fields 4 to 22; the start time is the nineteenth of them.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = "12 (a) S 9) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_stat(line), Some(('R', 4242)));
        assert_eq!(parse_stat("12 (a) R 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_process_with_another_start_time_is_another_process() {
        let me = Process::current().unwrap();
        assert!(me.is_alive());
        let other = Process { started_ticks: me.started_ticks + 1, ..me };
        assert!(!other.is_alive());
        assert!(!other.signal(Signal::TERM));
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        let mut gone = false;
        for _ in 0..200 {
            gone = Process::of(pid).is_none();
            if gone {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        child.wait().unwrap();
        assert!(gone, "still counted as running");
    }
}

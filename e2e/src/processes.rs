//! Processes by what they are: control group and start time. Never by name.

use std::fs;
use std::process::Command;

use anyhow::ensure;

/// One process; another with the same pid has another start time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid on the host.
    pub pid: u32,
    /// Clock ticks between the machine's start and its own.
    pub started: u64,
    /// Its control group, as the first hierarchy names it that puts it into one of ours.
    pub group: String,
    /// Its program's name; for people only.
    pub name: String,
}

impl Process {
    /// The process with this pid if it is in a group of an installation; zombies are none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        // The state is field 3, the start time field 22.
        let started = fields.nth(18)?.parse().ok()?;
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let group = groups
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .find(|group| group.starts_with("/catalyst"))?;
        Some(Self { pid, started, group: group.to_owned(), name: name.to_owned() })
    }

    /// The folder that belongs to one installation or Sovereign: `/catalyst/<role>-<hash>` or
    /// `/catalyst-<name>-<hash>`.
    pub fn owner(&self) -> &str {
        let depth = if self.group.starts_with("/catalyst/") { 3 } else { 2 };
        let end =
            self.group.match_indices('/').nth(depth - 1).map_or(self.group.len(), |(at, _)| at);
        &self.group[..end]
    }

    /// The process with the number `inner` in the PID namespace whose process 1 is `init`.
    pub fn inside(init: u32, inner: u64) -> Option<Self> {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let wanted = namespace(init)?;
        processes_in(|one| namespace(one.pid).as_ref() == Some(&wanted)).into_iter().find(|one| {
            let status = fs::read_to_string(format!("/proc/{}/status", one.pid));
            let status = status.unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("NSpid:")).unwrap_or_default();
            line.split_whitespace().last() == Some(inner.to_string().as_str())
        })
    }

    /// Whether this very process still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }
}

/// Every process in a control group that `wanted` says yes to, of whatever installation.
pub fn processes_in(wanted: impl Fn(&Process) -> bool) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<_> = pids.filter_map(Process::of).filter(|p| wanted(p)).collect();
    found.sort();
    found
}

/// `kill -9`, of this very process and no other.
///
/// # Errors
/// When it is gone already.
pub fn kill(process: &Process) -> anyhow::Result<()> {
    ensure!(process.is_alive(), "{} ({}) is gone already", process.name, process.pid);
    let status = Command::new("kill").args(["-9", &process.pid.to_string()]).status()?;
    ensure!(status.success(), "kill -9 {}", process.pid);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_folder_of_one_role_or_sovereign() {
        let of = |group: &str| {
            let process = Process { pid: 1, started: 1, group: group.into(), name: String::new() };
            process.owner().to_owned()
        };
        assert_eq!(of("/catalyst/outside-1a2b"), "/catalyst/outside-1a2b");
        assert_eq!(of("/catalyst/outside-1a2b/x/y"), "/catalyst/outside-1a2b");
        assert_eq!(of("/catalyst-sov1-1a2b/kubepods/a/b"), "/catalyst-sov1-1a2b");
    }
}

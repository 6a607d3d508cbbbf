//! The end of the Pods when a node ends: each container is asked, as kubelet would ask it.
//!
//! Kubelet itself ends at once and leaves the containers running; without this they would be killed
//! in the middle of whatever they write. Containers are known by their control group: the node's PID 1
//! sees every process of its Sovereign in `/proc`.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The part of a control group's path that only Pods have.
const PODS: &str = "/kubepods";

/// Asks the first process of every container to end.
pub(super) fn ask() {
    for pid in members().filter(|pid| is_first(*pid)) {
        if let Some(pid) = Pid::from_raw(pid) {
            // It may have ended a moment ago.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// How many processes of containers run.
pub(super) fn alive() -> usize {
    members().count()
}

fn members() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.contains(PODS) && !status(*pid).lines().any(is_zombie)
    })
}

fn status(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn is_zombie(line: &str) -> bool {
    line.strip_prefix("State:").is_some_and(|state| state.trim_start().starts_with('Z'))
}

fn is_first(pid: i32) -> bool {
    first_in_its_namespace(&status(pid))
}

/// Whether the last number of `NSpid`, the one in the innermost namespace, is 1.
fn first_in_its_namespace(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.and_then(|numbers| numbers.split_whitespace().last()) == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_container_is_asked() {
        assert!(first_in_its_namespace("Name:\tgitea\nNSpid:\t4242\t77\t1\n"));
        assert!(!first_in_its_namespace("Name:\tbash\nNSpid:\t4243\t78\t12\n"));
        assert!(!first_in_its_namespace(""));
    }

    #[test]
    fn the_dead_are_not_waited_for() {
        assert!(is_zombie("State:\tZ (zombie)"));
        assert!(!is_zombie("State:\tS (sleeping)"));
        assert!(!is_zombie("Name:\tZ"));
    }
}

//! What a supervisor says about its children: `status.json`, written on every change.

use serde::{Deserialize, Serialize};

use super::Process;

/// The state of one supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The supervisor; compare with the living to know whether the rest still holds.
    pub supervisor: Process,
    /// In the order of the spec.
    pub children: Vec<ChildStatus>,
}

impl Status {
    /// Whether every child serves.
    pub fn is_ready(&self) -> bool {
        self.children.iter().all(|child| child.phase == Phase::Ready)
    }
}

/// The state of one child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Its name in the spec.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// The running process.
    pub pid: Option<u32>,
    /// How many times it was started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub last_exit: Option<String>,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It runs and does not serve yet, or no longer.
    Starting,
    /// It serves.
    Ready,
    /// It ended and will be started again.
    Waiting,
    /// It was told to end, and did.
    Stopped,
}

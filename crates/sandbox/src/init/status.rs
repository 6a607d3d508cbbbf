//! What PID 1 tells the host about its daemons: one small JSON file, replaced whole.
//!
//! Entry point: [`NodeStatus`].

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::supervisor::{State, Supervisor, Watched};
use crate::node::daemons::Daemon;
use crate::paths::write_public;
use crate::problem::{Result, file};

/// Every daemon of a node at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Whether the node was told to stop.
    pub stopping: bool,
    /// When this was written.
    pub written: Timestamp,
    /// The daemons, in their order of start.
    pub daemons: Vec<DaemonStatus>,
}

/// One daemon at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: DaemonState,
    /// Its pid inside the Sovereign's PID namespace.
    pub pid: Option<i32>,
    /// How often it was started after a failure.
    pub restarts: u32,
    /// When the state began.
    pub since: Timestamp,
    /// How it ended last.
    pub last_end: Option<String>,
}

/// The states a person needs to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonState {
    /// Waits for others to be ready.
    Waiting,
    /// Its process is there and not ready yet.
    Starting,
    /// Ready.
    Ready,
    /// Ended by failure; started again soon.
    Restarting,
    /// Ended for good.
    Ended,
}

impl NodeStatus {
    /// What the supervisor knows, for people.
    pub fn of(daemons: &[Daemon], supervisor: &Supervisor) -> Self {
        let (now, clock) = (Timestamp::now(), Instant::now());
        let entry = |(daemon, watched): (&Daemon, &Watched)| {
            let (state, pid) = match watched.state {
                State::Waiting => (DaemonState::Waiting, None),
                State::Starting { pid } => (DaemonState::Starting, Some(pid)),
                State::Ready { pid } => (DaemonState::Ready, Some(pid)),
                State::Pausing { .. } => (DaemonState::Restarting, None),
                State::Ended => (DaemonState::Ended, None),
            };
            let age = clock.saturating_duration_since(watched.since);
            DaemonStatus {
                name: daemon.name.to_owned(),
                state,
                pid,
                restarts: watched.restarts,
                since: now.checked_sub(age).unwrap_or(now),
                last_end: watched.last_end.clone(),
            }
        };
        Self {
            stopping: supervisor.stopping(),
            written: now,
            daemons: daemons.iter().zip(supervisor.all()).map(entry).collect(),
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| super::INIT.because(error.to_string()).source(error))?;
        write_public(path, &text)
    }

    /// Reads the file; absent when the node never started.
    ///
    /// # Errors
    /// CAT-3000 when it cannot be read, CAT-3240 when it is not a status.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| file("read", path, error))?,
        };
        let read = serde_json::from_slice(&text);
        read.map(Some).map_err(|error| super::INIT.because(error.to_string()).source(error))
    }
}

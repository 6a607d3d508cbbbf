//! What a supervisor is told to run; it is kept as `spec.json` and carries no secrets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Confine, START};
use crate::problem::Result;

/// The name of a set of processes; also the name of their control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role(String);

impl Role {
    /// Checks a role: 1 to 40 lowercase letters, digits and hyphens.
    ///
    /// # Errors
    /// CAT-3141 when it is none; roles are made by us, so this is a mistake of ours.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=40).contains(&name.len()) && name.bytes().all(fine) {
            Ok(Self(name))
        } else {
            Err(START.because(format!("`{}` is not a role", name.escape_default())))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How our own program is called for a hidden verb (`supervise`, `enter`, `front`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launcher {
    /// The program: our own command line.
    pub program: PathBuf,
    /// What stands before the verb, e.g. `sandbox daemon`.
    pub args: Vec<String>,
}

/// Everything a supervisor needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Whose processes these are.
    pub role: Role,
    /// How to call ourselves.
    pub launcher: Launcher,
    /// Changes when the children must be started anew although nothing else here changed.
    pub stamp: String,
    /// What runs, in no order.
    pub children: Vec<Child>,
}

/// One process to keep running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// Its name in status and log files: lowercase letters, digits and hyphens.
    pub name: String,
    /// The program; inside its confinement if it has one.
    pub program: PathBuf,
    /// Its arguments; never a secret.
    pub args: Vec<String>,
    /// Its whole environment; never a secret.
    pub env: BTreeMap<String, String>,
    /// Its working folder; inside its confinement if it has one.
    pub cwd: PathBuf,
    /// Its user and view of the file system; `None` runs it as we are.
    pub confine: Option<Confine>,
    /// How to know that it serves.
    pub ready: Ready,
    /// Between the polite and the hard signal.
    pub stop_within: Duration,
}

/// How to know that a child serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ready {
    /// It runs.
    Running,
    /// It accepts connections here.
    Tcp {
        /// Where it listens.
        address: SocketAddr,
    },
    /// It answers a GET with a status below 500.
    Http {
        /// Where it listens, in plain HTTP.
        address: SocketAddr,
        /// What is asked for.
        path: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_cannot_leave_their_folder() {
        for bad in ["", "..", "a/b", "A", &"a".repeat(41)] {
            assert!(Role::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Role::new("front-sov1").unwrap().as_str(), "front-sov1");
    }
}

//! Why a record could not be kept or read: one variant per failed operation.

use std::{io, path::PathBuf};

use catalyst_model::{DeploymentId, Problem, Trouble};

/// A failed operation on the records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be made or is not ours alone.
    #[error("cannot prepare folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process holds the records.
    #[error("another process uses `{}`", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// A file could not be written; what was there before is unchanged.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A log is damaged in the middle, or its events do not follow each other.
    #[error("the log of deployment {id} is damaged: {why}")]
    Corrupt {
        /// The deployment.
        id: DeploymentId,
        /// What is wrong with it.
        why: String,
    },
    /// A value could not be turned into bytes, or a file's content not into the value it should be.
    #[error("cannot encode or decode {what}")]
    Codec {
        /// What.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// An earlier write failed and could not be undone: nothing more is appended until a restart.
    #[error("the log of deployment {id} is closed after a failed write")]
    Closed {
        /// The deployment.
        id: DeploymentId,
    },
    /// The task that did the work was cut off.
    #[error("the work on the records was cut off")]
    CutOff,
}

impl Error {
    /// The failure as people are told of it, without paths of the machine's own.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Folder { source, .. } | Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Problem::STORE_FULL.plain()
                }
                kind => Problem::STORE_UNWRITABLE.with(kind.to_string()),
            },
            Self::Locked { .. } => Problem::STORE_LOCKED.plain(),
            Self::Corrupt { id, why } => Problem::RECORD_CORRUPT.with(format!("{id}: {why}")),
            Self::Closed { .. } => Problem::STORE_UNWRITABLE.plain(),
            Self::Read { .. } | Self::Codec { .. } | Self::CutOff => Problem::INTERNAL.plain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_its_own_problem() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let e = Error::Write { path: "x".into(), source: full };
        assert_eq!(e.trouble().problem, &Problem::STORE_FULL);
    }
}

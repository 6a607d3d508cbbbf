//! One command at a time per Sovereign, and one at a time that hands out numbers.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::BUSY;
use crate::paths::{Home, NodeName, private_dir};
use crate::problem::{Result, file};

/// How long a command waits for another.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two tries.
const LOOK: Duration = Duration::from_millis(50);

/// Held while it lives; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Held {
    _file: File,
}

/// Waits for the right to hand out a link's number.
pub(super) async fn all(home: &Home) -> Result<Held> {
    hold(&home.sovereigns(), ".lock").await
}

/// Waits for the right to change one Sovereign.
pub(super) async fn one(home: &Home, name: &NodeName) -> Result<Held> {
    hold(&home.sovereigns(), &format!(".{name}.lock")).await
}

async fn hold(folder: &Path, name: &str) -> Result<Held> {
    private_dir(folder)?;
    let path = folder.join(name);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let lock = opened.map_err(|error| file("open", &path, error))?;
    let deadline = Instant::now() + PATIENCE;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > deadline {
            return Err(BUSY.because(format!("`{}` has been held for a minute", path.display())));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Held { _file: lock })
}

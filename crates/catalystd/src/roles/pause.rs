//! `catalystd pause`: holds a Pod's namespaces until it is told to end.
//!
//! Where the Pod's processes share one process namespace this one is its init, so whatever is
//! orphaned there is reaped here.

use anyhow::{Context, Result};
use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) async fn run() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut child = signal(SignalKind::child()).context("listen for SIGCHLD")?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = child.recv() => reap(),
        }
    }
}

/// Signals merge, so one may stand for several children.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

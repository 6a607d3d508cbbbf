//! Black-box suites against a real local Sovereign: they know the command line, the HTTP API and
//! `kubectl`, and nothing of the crates behind them.
//!
//! The suites need root and the tools of `catalyst sandbox tools build`; they run when
//! `CATALYST_E2E=1` is set (`make test` sets it) and say that they were skipped otherwise. `e2e/run`
//! gives them a state folder, ports and a network of their own, so that whatever a person keeps
//! running on this machine is neither seen as ours nor touched.

mod catalyst;
mod chance;
mod health;
mod kubectl;
mod machine;
mod processes;
mod secrets;
mod sockets;

pub use catalyst::Catalyst;
pub use chance::Chance;
pub use health::{Moment, condition, name, releases_ready, runs_since};
pub use kubectl::{Forward, Kubectl};
pub use machine::{Leftovers, snapshot};
pub use processes::{Process, kill, processes_in};
pub use secrets::leaks;
pub use sockets::{Listener, listeners, network_of};

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Whether the suites run; a reason is printed when they do not.
pub fn enabled(suite: &str) -> bool {
    let wanted = std::env::var_os("CATALYST_E2E").is_some_and(|value| value == "1");
    if !wanted {
        say(&format!("skipped: {suite}: set CATALYST_E2E=1 (needs root and built tools)"));
    }
    wanted
}

/// A setting that `e2e/run` makes.
///
/// # Errors
/// When it is not there: the suites are not run by hand.
pub fn setting(name: &str) -> anyhow::Result<PathBuf> {
    std::env::var_os(name).map(Into::into).with_context(|| format!("{name} is set by e2e/run"))
}

/// Shows one fact, with its time.
///
/// # Errors
/// What stood in its way, with the fact's name.
pub fn fact<T>(what: &str, check: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    let outcome = check().with_context(|| format!("not shown: {what}"));
    let mark = if outcome.is_ok() { "ok" } else { "FAILED" };
    say(&format!("fact: {what} ... {mark} ({:.1}s)", started.elapsed().as_secs_f64()));
    outcome
}

/// Looks until `look` is content; its last complaint is the error.
///
/// # Errors
/// The complaint that stood when the time was over.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => bail!("after {limit:?}: {error:#}"),
            Err(_) => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

/// One line of the suite's transcript.
#[expect(clippy::print_stdout, reason = "a suite's transcript is its output")]
pub fn say(line: &str) {
    println!("{line}");
}

//! Starting PID 1 of a Sovereign, and finding it again.
//!
//! [`launch`] is a hidden subcommand: it enters the control group and a session of its own, then
//! becomes `nsenter`, which becomes `unshare`, whose child is PID 1. So everything the Sovereign ever
//! starts is in its group from the first instruction on, without a line of unsafe code.

use std::convert::Infallible;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{NOT_STARTED, group_of, log_tail, modified};
use crate::cgroup::Group;
use crate::netns::Netns;
use crate::node::{Layout, NodeSpec};
use crate::paths::private_dir;
use crate::problem::{Problem, Result, file};

/// How long PID 1 may take to write its first status.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// PID 1 of a Sovereign, seen from the host, held so that its number cannot come to mean another.
#[derive(Debug)]
pub struct InitProcess {
    /// Its pid on the host.
    pub pid: u32,
    handle: OwnedFd,
}

impl InitProcess {
    /// Finds it by what it is: a member of the group that is process 1 of a PID namespace one level
    /// below ours. Pods have such processes too, but deeper.
    pub fn find(group: &Group) -> Option<Self> {
        group.processes().into_iter().find_map(|pid| {
            let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
            let handle = pidfd_open(number, PidfdFlags::empty()).ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let dead = status.lines().any(|line| line.starts_with("State:") && line.contains('Z'));
            let levels = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            let levels: Vec<&str> = levels.split_whitespace().collect();
            (!dead && levels.len() == 2 && levels[1] == "1").then_some(Self { pid, handle })
        })
    }

    /// Asks it to end the node in order.
    pub(super) fn ask_to_stop(&self) {
        // It may have ended a moment ago.
        let _ = pidfd_send_signal(&self.handle, Signal::TERM);
    }
}

/// Starts the node and waits for its first sign of life.
pub(super) async fn start(spec: &NodeSpec, path: &Path, group: &Group) -> Result<()> {
    let layout = spec.layout();
    private_dir(&layout.log())?;
    let log_path = layout.log().join("init.log");
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path);
    let log = opened.map_err(|error| file("open", &log_path, error))?;
    let errors = log.try_clone().map_err(|error| file("open", &log_path, error))?;
    let mut child = tokio::process::Command::new(&spec.tools.catalyst)
        .args(["sandbox", "launch", "--spec"])
        .arg(path)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|error| {
            let program = spec.tools.catalyst.display();
            NOT_STARTED.because(format!("cannot run `{program}`: {error}")).source(error)
        })?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let alive = InitProcess::find(group).is_some();
        if alive && modified(&layout.status()).is_some() {
            return Ok(());
        }
        let gone = child.try_wait().map_err(|error| file("wait for", path, error))?.is_some();
        if gone || Instant::now() > deadline {
            return Err(died(&layout));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The problem of a node that is not there, with the last words of its PID 1.
pub(super) fn died(layout: &Layout) -> Problem {
    let words = log_tail(&layout.log().join("init.log"), 3);
    let words = if words.is_empty() { "it left no word".to_owned() } else { words };
    NOT_STARTED.because(format!("its init has ended: {words}"))
}

/// Becomes the Sovereign's PID 1 (through `nsenter` and `unshare`); returns only on failure.
///
/// # Errors
/// CAT-3210 when the control group cannot be joined, CAT-3202 when `nsenter` cannot be run.
pub fn launch(path: &Path) -> Result<Infallible> {
    let spec = NodeSpec::read(path)?;
    let layout = spec.layout();
    group_of(&layout)?.join(std::process::id())?;
    // The terminal's signals are not for a Sovereign. Fails only for a leader, which is as good.
    let _ = rustix::process::setsid();
    let net = format!("--net={}", Netns::of(&layout).path().display());
    let error = Command::new("nsenter")
        .arg(net)
        .args(["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"])
        .arg("--mount-proc")
        .arg(&spec.tools.catalyst)
        .args(["sandbox", "init", "--spec"])
        .arg(path)
        .exec();
    Err(NOT_STARTED.because(format!("cannot run `nsenter`: {error}")).source(error))
}

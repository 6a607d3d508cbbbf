//! A Sovereign from nothing to running and back to nothing.
//!
//! Entry point: [`Machine`], with one method per step of `infra/sandbox` ([`Machine::host`],
//! [`Machine::link`], [`Machine::node`], [`Machine::control_plane`]), [`Machine::up`] for all of them,
//! and [`Machine::down`]. Each can be repeated and continues where it was cut off. What exists is
//! read from the kernel (control group, namespace, link), never from a pid file; the record only
//! says what was wanted, is written first and removed last.

mod down;
mod launch;
mod lock;
mod record;
mod status;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::cgroup::{Cgroups, Group};
use crate::firewall::Nft;
use crate::first_boot::progress::{Report, StepReport};
use crate::init::status::{DaemonState, NodeStatus};
use crate::link::Link;
use crate::netns::Netns;
use crate::node::{Boot, Layout, NodeSpec, NodeTools};
use crate::paths::{NodeName, Roots};
use crate::problem::{Code, Result, file};

pub use down::Data;
pub use launch::{InitProcess, launch};
pub use record::Record;
pub use status::{Stage, Status};

/// Only root may make namespaces and links.
pub const NOT_ROOT: Code = Code::new(
    3201,
    "a local Sovereign needs root",
    "Run the same command as root, for instance with `sudo`.",
);
/// The node did not start or ended at once.
pub const NOT_STARTED: Code = Code::new(
    3202,
    "the Sovereign's node did not start",
    "`catalyst sandbox logs NAME init` shows why; `catalyst doctor` says what the machine lacks.",
);
/// The API server did not answer in time.
pub const NO_API: Code = Code::new(
    3203,
    "the Sovereign's API server did not answer",
    "`catalyst sandbox logs NAME kube-apiserver` shows why. Running the command again continues.",
);
/// The first boot did not finish in time.
pub const NO_BOOT: Code = Code::new(
    3204,
    "the Sovereign's first boot did not finish",
    "It goes on by itself; `catalyst sandbox status` shows how far it is.",
);
/// No Sovereign of this name was made here.
pub const UNKNOWN: Code = Code::new(
    3205,
    "there is no such Sovereign on this machine",
    "`catalyst sandbox status` lists those that exist; `catalyst sandbox up NAME` makes one.",
);
/// Another command works on the same Sovereign.
pub const BUSY: Code = Code::new(
    3206,
    "another command is at work on this Sovereign",
    "Wait until it has ended, or end it, and run the command again.",
);
/// The record of a Sovereign cannot be used.
pub const RECORD: Code = Code::new(
    3207,
    "the record of the Sovereign cannot be used",
    "The file was damaged. `catalyst sandbox down NAME --purge` removes the Sovereign whatever its record says.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&NOT_ROOT, &NOT_STARTED, &NO_API, &NO_BOOT, &UNKNOWN, &BUSY, &RECORD];

/// How long the API server may take; some seconds on an idle machine.
const API_LIMIT: Duration = Duration::from_secs(240);
/// So many failed starts in a row and the next one will not succeed either.
const API_RESTARTS: u32 = 8;
/// How long the first boot may take.
const BOOT_LIMIT: Duration = Duration::from_secs(900);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// This machine: where things are kept and where the programs are.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The folders.
    pub roots: Roots,
    /// The programs of a node.
    pub tools: NodeTools,
    /// The outside world's CA, when there is an outside world.
    pub outside_ca: Option<PathBuf>,
}

/// What somebody wants a Sovereign to be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Its name.
    pub name: NodeName,
    /// The link's number; the first free one when absent.
    pub index: Option<u8>,
    /// The base of the links' addresses.
    pub prefix: String,
    /// What happens once it runs.
    pub boot: Boot,
}

impl Machine {
    /// Records the Sovereign: its folder, its number. The first step, and it touches nothing else.
    ///
    /// # Errors
    /// CAT-3231 when the number or the subnet is taken, CAT-3201 without root.
    pub async fn host(&self, wish: &Wish) -> Result<Record> {
        refuse_without_root()?;
        let _all = lock::all(&self.roots.home).await?;
        record::settle(&self.roots.home, wish)
    }

    /// Makes the network namespace, the link and the host's rules.
    ///
    /// # Errors
    /// CAT-3205 without [`Machine::host`], CAT-3230 and following for the link.
    pub async fn link(&self, name: &NodeName) -> Result<Link> {
        refuse_without_root()?;
        let _one = lock::one(&self.roots.home, name).await?;
        let link = Record::read(&self.roots.home, name)?.link()?;
        let netns = Netns::of(&self.layout(name));
        netns.create().await?;
        link.create(&netns, &self.nft()).await?;
        Ok(link)
    }

    /// Starts PID 1, unless it runs.
    ///
    /// # Errors
    /// CAT-3202 when it does not start, CAT-3210 for control groups.
    pub async fn node(&self, name: &NodeName, boot: &Boot) -> Result<NodeSpec> {
        refuse_without_root()?;
        let _one = lock::one(&self.roots.home, name).await?;
        let link = Record::read(&self.roots.home, name)?.link()?;
        let spec = NodeSpec {
            name: name.to_string(),
            index: link.index(),
            node_ip: link.node_ip(),
            host_ip: link.host_ip(),
            folder: self.roots.home.sovereign(name),
            cache: self.roots.cache.root().to_owned(),
            tools: self.tools.clone(),
            outside_ca: self.outside_ca.clone(),
            boot: boot.clone(),
        };
        let group = group_of(&spec.layout())?;
        if InitProcess::find(&group).is_none() {
            self.start(&spec, &group).await?;
        }
        Ok(spec)
    }

    async fn start(&self, spec: &NodeSpec, group: &Group) -> Result<()> {
        // What an earlier life left: its processes died with its PID 1, its groups stayed.
        group.kill().await?;
        group.remove_pods().await?;
        group.create()?;
        let layout = spec.layout();
        for stale in [layout.status(), layout.first_boot()] {
            match std::fs::remove_file(&stale) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(file("remove", &stale, error));
                }
                _ => {}
            }
        }
        let path = spec.write()?;
        launch::start(spec, &path, group).await
    }

    /// Waits until the API server says that it is ready.
    ///
    /// # Errors
    /// CAT-3203 with the daemon that holds it up, CAT-3202 when the node ended.
    pub async fn control_plane(&self, name: &NodeName) -> Result<()> {
        let layout = self.layout(name);
        let group = group_of(&layout)?;
        let deadline = Instant::now() + API_LIMIT;
        loop {
            let status = NodeStatus::read(&layout.status())?;
            if status.as_ref().is_some_and(|status| ready(status, "kube-apiserver")) {
                return Ok(());
            }
            if InitProcess::find(&group).is_none() {
                return Err(launch::died(&layout));
            }
            let hopeless = status.as_ref().is_some_and(|status| restarts(status) >= API_RESTARTS);
            if hopeless || Instant::now() > deadline {
                let why = status.map_or_else(
                    || "no daemon was started".into(),
                    |status| laggard(&status, &layout),
                );
                return Err(NO_API.because(why));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the first boot has done all its steps; `tell` hears every change.
    ///
    /// # Errors
    /// CAT-3204 with the step that holds it up, CAT-3202 when the node ended.
    pub async fn booted(&self, name: &NodeName, mut tell: impl FnMut(&StepReport)) -> Result<()> {
        let layout = self.layout(name);
        let group = group_of(&layout)?;
        let deadline = Instant::now() + BOOT_LIMIT;
        let mut told: Vec<StepReport> = Vec::new();
        loop {
            let report = Report::read(&layout.first_boot())?.unwrap_or_default();
            for step in report.steps.iter().filter(|step| !told.contains(step)) {
                tell(step);
            }
            if report.finished.is_some() {
                return Ok(());
            }
            if InitProcess::find(&group).is_none() {
                return Err(launch::died(&layout));
            }
            if Instant::now() > deadline {
                let last = report.failure().or(report.steps.last());
                let why = last.map(|s| {
                    format!("{:?}: {}", s.step, s.message.as_deref().unwrap_or("still working"))
                });
                return Err(NO_BOOT.because(why.unwrap_or_else(|| "no step was begun".into())));
            }
            told = report.steps;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All steps one after the other.
    ///
    /// # Errors
    /// Those of the steps.
    pub async fn up(&self, wish: &Wish, tell: impl FnMut(&StepReport)) -> Result<NodeSpec> {
        self.host(wish).await?;
        self.link(&wish.name).await?;
        let spec = self.node(&wish.name, &wish.boot).await?;
        self.control_plane(&wish.name).await?;
        self.booted(&wish.name, tell).await?;
        Ok(spec)
    }

    /// The administrator's kubeconfig.
    ///
    /// # Errors
    /// CAT-3205 when there is none.
    pub fn kubeconfig(&self, name: &NodeName) -> Result<Vec<u8>> {
        let path = self.layout(name).kubeconfig();
        std::fs::read(&path)
            .map_err(|error| UNKNOWN.because(format!("`{name}` has no kubeconfig")).source(error))
    }

    fn layout(&self, name: &NodeName) -> Layout {
        Layout::at(self.roots.home.sovereign(name))
    }

    fn nft(&self) -> Nft {
        Nft::in_tree(&self.tools.debian)
    }
}

/// The control group of a Sovereign on this machine.
fn group_of(layout: &Layout) -> Result<Group> {
    Ok(Cgroups::detect()?.group(&layout.label()))
}

/// # Errors
/// CAT-3201 without root.
pub(crate) fn refuse_without_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(NOT_ROOT.because("network namespaces, links and mounts are root's to make"))
    }
}

fn ready(status: &NodeStatus, name: &str) -> bool {
    status.daemons.iter().any(|one| one.name == name && one.state == DaemonState::Ready)
}

/// The most restarts of any daemon the API server's start depends on.
fn restarts(status: &NodeStatus) -> u32 {
    let counted =
        status.daemons.iter().filter(|one| matches!(one.name.as_str(), "etcd" | "kube-apiserver"));
    counted.map(|one| one.restarts).max().unwrap_or(0)
}

/// The first daemon in order of start that is not ready, in words.
fn laggard(status: &NodeStatus, layout: &Layout) -> String {
    let slow = status
        .daemons
        .iter()
        .find(|one| !matches!(one.state, DaemonState::Ready | DaemonState::Ended));
    slow.map_or_else(
        || "every daemon runs".into(),
        |one| {
            let end = one.last_end.as_deref().map(|end| format!(", last end: {end}"));
            let words = log_tail(&layout.log().join(format!("{}.log", one.name)), 1);
            let (name, state) = (&one.name, one.state);
            format!("`{name}` is {state:?}{}; its last words: {words}", end.unwrap_or_default())
        },
    )
}

/// The last lines of a log, for an error's cause.
fn log_tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join(" | ")
}

/// The age of a file, for *was this written by the process just started*.
fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|facts| facts.modified()).ok()
}

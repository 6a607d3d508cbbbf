//! PID 1 of one Sovereign: makes the node's own view of the machine, keeps its daemons running,
//! reaps what dies, and ends them all in order when it is told to.
//!
//! Entry point: [`run`], called by the hidden subcommand `catalyst sandbox init` inside fresh
//! network, mount and PID namespaces. `mounts` makes the view, `supervisor` decides (pure),
//! `status` is what the host reads. When this process dies the kernel ends everything it started.

pub mod mounts;
mod pods;
pub mod status;
pub mod supervisor;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use tokio::net::{TcpStream, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::node::daemons::{CONTAINERD, Daemon, KUBELET, Probe, daemons, environment};
use crate::node::{NodeSpec, config};
use crate::problem::{Code, Problem, Result};
use supervisor::{Action, Supervisor};

/// PID 1 could not make the node's surroundings.
pub const INIT: Code = Code::new(
    3240,
    "the Sovereign's init could not start",
    "The Sovereign's `log/init.log` has the details. `catalyst doctor` says what the machine lacks.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&INIT];

/// How long Pods and daemons together get to end before they are killed.
pub const STOP_DEADLINE: Duration = Duration::from_secs(6);
/// How much of it the Pods get; those that write anything need far less.
const PODS_DEADLINE: Duration = Duration::from_secs(4);
/// Kubelet must be gone before Pods are asked, or it starts them again; it ends within milliseconds.
const KUBELET_DEADLINE: Duration = Duration::from_secs(1);
/// Pause between two looks at what has become possible.
const TICK: Duration = Duration::from_millis(100);
/// How long one look at a daemon may take. The API server's own checks take seconds on a busy
/// machine, and a look that gives up early only adds to its load.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
/// A log above this size is put aside when its daemon starts.
const LOG_LIMIT_BYTES: u64 = 32 << 20;

/// Runs the node until it is told to stop; returns after everything has ended.
///
/// # Errors
/// The surroundings could not be made: CAT-3240, CAT-3000 or CAT-3220.
pub async fn run(spec: NodeSpec) -> Result<()> {
    // The files of daemons are readable in the node whatever mask the user's shell has.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // A name of its own for Pods on the node's network; not worth failing for.
    let _ = rustix::system::sethostname(spec.name.as_bytes());
    mounts::private_view(&spec)?;
    config::write_all(&spec)?;
    mounts::private_files(&spec)?;
    kernel_settings();
    let mut init = Init::new(spec)?;
    init.serve().await
}

/// The settings of this network namespace that a node needs; the host's stay as they are.
fn kernel_settings() {
    for (name, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/bridge/bridge-nf-call-iptables", "1"),
        ("net/ipv4/conf/all/route_localnet", "1"),
    ] {
        if let Err(error) = fs::write(Path::new("/proc/sys").join(name), value) {
            tracing::warn!(name, %error, "kernel setting refused");
        }
    }
}

struct Init {
    spec: NodeSpec,
    daemons: Vec<Daemon>,
    supervisor: Supervisor,
    probes: JoinSet<(usize, bool)>,
    api: reqwest::Client,
    /// When the node was told to stop.
    stopping: Option<Instant>,
    pods_asked: bool,
}

impl Init {
    fn new(spec: NodeSpec) -> Result<Self> {
        let daemons = daemons(&spec);
        let supervisor = Supervisor::new(&daemons);
        let ca = spec.layout().pki().cert("ca");
        let broken = |error: reqwest::Error| INIT.because(error.to_string()).source(error);
        let pem = fs::read(&ca).map_err(|error| crate::problem::file("read", &ca, error))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(broken)?;
        let api = reqwest::Client::builder()
            .tls_certs_only(roots)
            .timeout(PROBE_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(broken)?;
        let probes = JoinSet::new();
        Ok(Self { spec, daemons, supervisor, probes, api, stopping: None, pods_asked: false })
    }

    async fn serve(&mut self) -> Result<()> {
        let listen = |kind| {
            signal(kind).map_err(|error| INIT.because(format!("no signals: {error}")).source(error))
        };
        let mut child = listen(SignalKind::child())?;
        let mut term = listen(SignalKind::terminate())?;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                _ = child.recv() => self.reap(),
                _ = term.recv() => self.stop(),
                Some(Ok((which, ready))) = self.probes.join_next() => {
                    self.supervisor.probed(which, ready, Instant::now());
                }
                _ = ticks.tick() => self.reap(),
            }
            self.end_pods();
            for action in self.supervisor.next(Instant::now()) {
                self.perform(action);
            }
            if self.supervisor.changed() {
                let status = status::NodeStatus::of(&self.daemons, &self.supervisor);
                if let Err(error) = status.write(&self.spec.layout().status()) {
                    tracing::warn!(%error, "status not written");
                }
            }
            if self.supervisor.ended() {
                return Ok(());
            }
        }
    }

    fn stop(&mut self) {
        let now = Instant::now();
        self.stopping.get_or_insert(now);
        self.supervisor.stop(now, STOP_DEADLINE);
        if let Some(which) = self.daemons.iter().position(|one| one.name == CONTAINERD) {
            self.supervisor.hold(which);
        }
    }

    /// Once the node stops: Pods end after kubelet and before what carries them.
    fn end_pods(&mut self) {
        let Some(since) = self.stopping else { return };
        let over = |limit| since.elapsed() > limit;
        let kubelet = self.daemons.iter().position(|one| one.name == KUBELET);
        let kubelet_ended = kubelet.is_none_or(|which| self.supervisor.has_ended(which));
        if !self.pods_asked && (kubelet_ended || over(KUBELET_DEADLINE)) {
            pods::ask();
            self.pods_asked = true;
        }
        if self.pods_asked && (over(PODS_DEADLINE) || pods::alive() == 0) {
            self.supervisor.release();
        }
    }

    /// Collects every dead child, ours and the orphans that PID 1 inherits.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let status = ExitStatus::from_raw(status.as_raw());
            let pid = pid.as_raw_nonzero().get();
            if let Some(which) = self.supervisor.exited(pid, status, Instant::now()) {
                tracing::info!(daemon = self.daemons[which].name, pid, %status, "ended");
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start(which) => {
                let daemon = &self.daemons[which];
                match start(&self.spec, daemon) {
                    Ok(pid) => {
                        tracing::info!(daemon = daemon.name, pid, "started");
                        self.supervisor.started(which, pid, Instant::now());
                    }
                    Err(problem) => {
                        tracing::error!(daemon = daemon.name, %problem, "not started");
                        self.supervisor.not_started(which, problem.cause(), Instant::now());
                    }
                }
            }
            Action::Probe(which) => {
                let (probe, api) = (self.daemons[which].probe.clone(), self.api.clone());
                let server = self.spec.api_server();
                self.probes.spawn(async move { (which, look(probe, api, server).await) });
            }
            Action::Signal(pid, signal) => {
                let signal = match signal {
                    supervisor::Stop::Ask => Signal::TERM,
                    supervisor::Stop::Kill => Signal::KILL,
                };
                if let Some(pid) = Pid::from_raw(pid) {
                    // It may have ended a moment ago.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn start(spec: &NodeSpec, daemon: &Daemon) -> Result<i32> {
    let log = open_log(&spec.layout().log().join(format!("{}.log", daemon.name)))?;
    let errors = log.try_clone().map_err(|error| INIT.because(error.to_string()).source(error))?;
    let child = Command::new(&daemon.program)
        .args(&daemon.args)
        .env_clear()
        .envs(environment(spec))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| {
            let cause = format!("cannot start `{}`: {error}", daemon.program.display());
            INIT.because(cause).source(error)
        })?;
    // Not waited for here: PID 1 reaps all children in one place.
    i32::try_from(child.id()).map_err(|error| INIT.because(error.to_string()).source(error))
}

/// Opens a log for appending; a big one is put aside first, and only one of these is kept.
fn open_log(path: &Path) -> Result<File> {
    if fs::metadata(path).is_ok_and(|facts| facts.len() > LOG_LIMIT_BYTES) {
        // Losing an old log is better than not starting the daemon.
        let _ = fs::rename(path, path.with_extension("log.1"));
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| crate::problem::file("open", path, error))
}

async fn look(probe: Probe, api: reqwest::Client, server: String) -> bool {
    let check = async {
        match probe {
            Probe::Alive => true,
            Probe::Tcp(at) => TcpStream::connect(at).await.is_ok(),
            Probe::Unix(at) => UnixStream::connect(at).await.is_ok(),
            Probe::ApiServer => {
                let answer = api.get(format!("{server}/readyz")).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            }
        }
    };
    tokio::time::timeout(PROBE_TIMEOUT, check).await.unwrap_or(false)
}

impl From<mounts::Refused> for Problem {
    fn from(refused: mounts::Refused) -> Self {
        INIT.because(refused.to_string()).source(refused)
    }
}

//! The supervisor process: starts its children, starts them again when they end, says how they are.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, setsid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Child, ChildStatus, Confined, Group, Phase, Process, Ready, START, Spec, Status};
use crate::paths::{private_dir, write_private};
use crate::problem::{self, Result};

/// The first pause before a child is started again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause before a child is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A child that ran this long had not failed to start.
const SETTLED: Duration = Duration::from_secs(30);
/// Between two questions to a child that does not serve yet.
const PROBE_STARTING: Duration = Duration::from_millis(60);
/// Between two questions to a child that serves.
const PROBE_READY: Duration = Duration::from_secs(5);
/// How long a child may take to answer a question.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at the size of the logs.
const LOG_LOOK: Duration = Duration::from_secs(60);
/// A log that is longer becomes `<name>.log.1`, so that a month of running fills no disk.
const LOG_LIMIT_BYTES: u64 = 16 << 20;
/// Reports under way: a few per child and restart, and the receiver only writes a small file.
const REPORTS: usize = 64;

/// Names of the files in a supervisor's folder.
pub(super) mod files {
    /// What to run.
    pub(in crate::supervisor) const SPEC: &str = "spec.json";
    /// How the children are.
    pub(in crate::supervisor) const STATUS: &str = "status.json";
    /// Locked as long as the supervisor lives.
    pub(in crate::supervisor) const LOCK: &str = "supervisor.lock";
    /// One log per child.
    pub(in crate::supervisor) const LOGS: &str = "logs";
    /// One file per confined child.
    pub(in crate::supervisor) const CONFINE: &str = "confine";
}

/// Runs the supervisor of the folder `dir` until it is told to end (SIGTERM or SIGINT).
///
/// # Errors
/// CAT-3141 when the folder is not usable or another supervisor works in it; CAT-3144.
pub async fn run(dir: &Path) -> Result<()> {
    // Fails only when this process leads a session already, which is as good.
    let _ = setsid();
    let _lock = lock(dir)?;
    let spec = read_spec(dir)?;
    let group = Group::of(&spec.role, dir)?;
    group.create()?;
    group.enter(std::process::id())?;
    let me = Process::current().ok_or_else(|| START.because("cannot read our own start time"))?;

    let stop = CancellationToken::new();
    let (report, reports) = mpsc::channel(REPORTS);
    let mut tasks = JoinSet::new();
    for (index, child) in spec.children.iter().enumerate() {
        let keeper = Keeper::new(dir, &spec, child, group.clone())?;
        let reporter = Reporter { index, report: report.clone() };
        tasks.spawn(keeper.keep(reporter, stop.clone()));
    }
    drop(report);
    let status = Status { supervisor: me, children: spec.children.iter().map(waiting).collect() };
    oversee(dir, status, reports, tasks, stop).await?;
    remove(&dir.join(files::STATUS));
    Ok(())
}

fn waiting(child: &Child) -> ChildStatus {
    ChildStatus {
        name: child.name.clone(),
        phase: Phase::Waiting,
        pid: None,
        restarts: 0,
        last_exit: None,
    }
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(files::LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| problem::file("open", &path, error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        START.because(format!("another supervisor works in `{}`", dir.display())).source(error)
    })?;
    Ok(file)
}

fn read_spec(dir: &Path) -> Result<Spec> {
    let path = dir.join(files::SPEC);
    let bytes = fs::read(&path).map_err(|error| problem::file("read", &path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        START.because(format!("cannot understand `{}`: {error}", path.display())).source(error)
    })
}

/// Owns the status until every child has ended after `stop`.
async fn oversee(
    dir: &Path,
    mut status: Status,
    mut reports: mpsc::Receiver<(usize, ChildStatus)>,
    mut tasks: JoinSet<()>,
    stop: CancellationToken,
) -> Result<()> {
    let told = |error| START.because("cannot listen for signals").source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(told)?;
    let mut log_look = tokio::time::interval(LOG_LOOK);
    write_status(dir, &status);
    loop {
        tokio::select! {
            _ = terminate.recv() => stop.cancel(),
            _ = interrupt.recv() => stop.cancel(),
            // A closed terminal is no reason to end.
            _ = hangup.recv() => {}
            _ = log_look.tick() => shorten_logs(&dir.join(files::LOGS)),
            report = reports.recv() => match report {
                Some((index, child)) => {
                    if let Some(known) = status.children.get_mut(index) {
                        *known = child;
                    }
                    write_status(dir, &status);
                }
                None => break,
            },
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn write_status(dir: &Path, status: &Status) {
    let written = serde_json::to_vec_pretty(status)
        .map_err(std::io::Error::other)
        .map_err(|error| problem::file("write", &dir.join(files::STATUS), error))
        .and_then(|bytes| write_private(&dir.join(files::STATUS), &bytes));
    if let Err(problem) = written {
        // The children matter more than the report about them.
        tracing::warn!(%problem, "status not written");
    }
}

fn shorten_logs(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && path.metadata().is_ok_and(|data| data.len() > LOG_LIMIT_BYTES) {
            let mut older = path.clone().into_os_string();
            older.push(".1");
            // The child keeps its handle and appends, so the file is copied and emptied in place.
            let emptied = fs::copy(&path, PathBuf::from(older))
                .and_then(|_| OpenOptions::new().write(true).open(&path))
                .and_then(|file| file.set_len(0));
            if let Err(error) = emptied {
                tracing::warn!(%error, path = %path.display(), "log not shortened");
            }
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "file not removed");
    }
}

/// Sends the state of one child to the owner of the status.
struct Reporter {
    index: usize,
    report: mpsc::Sender<(usize, ChildStatus)>,
}

impl Reporter {
    async fn say(&self, status: &ChildStatus) {
        // The receiver is gone only when the supervisor ends anyway.
        let _ = self.report.send((self.index, status.clone())).await;
    }
}

/// Keeps one child running.
struct Keeper {
    program: PathBuf,
    args: Vec<std::ffi::OsString>,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
    log: PathBuf,
    group: Group,
    child: Child,
}

/// Why a run of a child is over.
enum Over {
    Ended(String),
    Told,
}

impl Keeper {
    fn new(dir: &Path, spec: &Spec, child: &Child, group: Group) -> Result<Self> {
        let logs = dir.join(files::LOGS);
        private_dir(&logs)?;
        let (program, args, cwd) = match &child.confine {
            None => {
                let args = child.args.iter().map(Into::into).collect();
                (child.program.clone(), args, child.cwd.clone())
            }
            Some(confine) => {
                private_dir(&dir.join(files::CONFINE))?;
                let file = dir.join(files::CONFINE).join(format!("{}.json", child.name));
                let confined = Confined {
                    confine: confine.clone(),
                    program: child.program.clone(),
                    args: child.args.clone(),
                    cwd: child.cwd.clone(),
                };
                let bytes = serde_json::to_vec_pretty(&confined)
                    .map_err(|error| START.because("cannot describe a child").source(error))?;
                write_private(&file, &bytes)?;
                let (program, args) = Confined::command(&spec.launcher, &file, &[]);
                (program, args, PathBuf::from("/"))
            }
        };
        let mut env = child.env.clone();
        env.entry("PATH".into()).or_insert_with(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        let log = logs.join(format!("{}.log", child.name));
        Ok(Self { program, args, env, cwd, log, group, child: child.clone() })
    }

    async fn keep(self, reporter: Reporter, stop: CancellationToken) {
        let mut status = waiting(&self.child);
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            match self.run_once(&mut status, &reporter, &stop).await {
                Over::Told => break,
                Over::Ended(how) => {
                    tracing::warn!(child = self.child.name, how, "ended");
                    status.last_exit = Some(how);
                }
            }
            pause = if started.elapsed() > SETTLED { FIRST_PAUSE } else { pause };
            status.phase = Phase::Waiting;
            status.pid = None;
            status.restarts += 1;
            reporter.say(&status).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        status.phase = Phase::Stopped;
        status.pid = None;
        reporter.say(&status).await;
    }

    async fn run_once(
        &self,
        status: &mut ChildStatus,
        reporter: &Reporter,
        stop: &CancellationToken,
    ) -> Over {
        let mut process = match self.spawn() {
            Ok(process) => process,
            Err(error) => return Over::Ended(format!("cannot be started: {error}")),
        };
        status.phase = Phase::Starting;
        status.pid = process.id();
        reporter.say(status).await;
        let leader = process.id().unwrap_or_default();
        let mut pause = PROBE_STARTING;
        let over = loop {
            tokio::select! {
                ended = process.wait() => break Over::Ended(exit_text(ended)),
                () = stop.cancelled() => {
                    self.stop(&mut process).await;
                    break Over::Told;
                }
                () = tokio::time::sleep(pause) => {
                    let phase = if serves(&self.child.ready).await { Phase::Ready } else { Phase::Starting };
                    pause = if phase == Phase::Ready { PROBE_READY } else { PROBE_STARTING };
                    if phase != status.phase {
                        status.phase = phase;
                        reporter.say(status).await;
                    }
                }
            }
        };
        self.sweep(leader);
        over
    }

    fn spawn(&self) -> std::io::Result<tokio::process::Child> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.log)?;
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
    }

    async fn stop(&self, process: &mut tokio::process::Child) {
        if let Some(child) = process.id().and_then(Process::of) {
            child.signal(Signal::TERM);
        }
        if tokio::time::timeout(self.child.stop_within, process.wait()).await.is_err() {
            tracing::warn!(child = self.child.name, "did not end when told; killed");
            let _ = process.kill().await;
        }
    }

    /// Kills what an ended child left of its process group.
    fn sweep(&self, leader: u32) {
        for member in self.group.members() {
            if member.leader() == Some(leader) {
                member.signal(Signal::KILL);
            }
        }
    }
}

fn exit_text(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => format!("lost: {error}"),
    }
}

async fn serves(ready: &Ready) -> bool {
    let question = async {
        match ready {
            Ready::Running => true,
            Ready::Tcp { address } => TcpStream::connect(address).await.is_ok(),
            Ready::Http { address, path } => {
                status_code(*address, path).await.is_some_and(|code| code < 500)
            }
        }
    };
    tokio::time::timeout(PROBE_TIMEOUT, question).await.unwrap_or(false)
}

/// The status code of a GET, asked in the plainest HTTP there is.
async fn status_code(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let question = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await.ok()?;
    // `HTTP/1.1 200` is all that matters.
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.")?.get(2..)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_set_aside_and_emptied_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        log.set_len(LOG_LIMIT_BYTES + 1).unwrap();
        shorten_logs(dir.path());
        assert_eq!(path.metadata().unwrap().len(), 0);
        assert_eq!(dir.path().join("a.log.1").metadata().unwrap().len(), LOG_LIMIT_BYTES + 1);
    }

    #[tokio::test]
    async fn a_server_that_refuses_for_want_of_credentials_serves() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ready = Ready::Http { address: listener.local_addr().unwrap(), path: "/v2/".into() };
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await.unwrap();
        };
        let (serves, ()) = tokio::join!(serves(&ready), answer);
        assert!(serves);
    }
}

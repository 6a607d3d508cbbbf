//! Commands a supervisor from outside: up, down, status. Safe to repeat and to interrupt.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use super::daemon::files;
use super::{CHILD, Group, Phase, Role, START, STOP, Spec, Status};
use crate::paths::{private_dir, write_private};
use crate::problem::{self, Problem, Result};

/// Held by whoever commands; the supervisor itself holds another.
const COMMAND_LOCK: &str = "command.lock";
/// The supervisor's own log, beside those of its children.
const OWN_LOG: &str = "supervisor.log";
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(40);
/// How long a supervisor may take to write its first status.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How many lines of a child's log go into a problem.
const LAST_WORDS: usize = 6;

/// How long a command waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until all children serve.
    pub ready: Duration,
    /// Until all processes have ended by themselves; then they are killed.
    pub stop: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { ready: Duration::from_secs(60), stop: Duration::from_secs(10) }
    }
}

/// The supervisor of one role, kept in one folder.
#[derive(Debug, Clone)]
pub struct Supervisor {
    role: Role,
    dir: PathBuf,
    patience: Patience,
}

impl Supervisor {
    /// Names a supervisor; nothing is started or created.
    pub fn new(role: Role, dir: impl Into<PathBuf>, patience: Patience) -> Self {
        Self { role, dir: dir.into(), patience }
    }

    /// Its folder: spec, status and `logs/`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The control group of everything it runs.
    ///
    /// # Errors
    /// CAT-3144 when no hierarchy is mounted.
    pub fn group(&self) -> Result<Group> {
        Group::of(&self.role, &self.dir)
    }

    /// Makes the running processes those of `spec` and waits until all serve. With the same spec
    /// and a living supervisor it only waits; otherwise whatever runs is ended first.
    ///
    /// # Errors
    /// CAT-3141, CAT-3142, CAT-3143, CAT-3144.
    pub async fn up(&self, spec: &Spec) -> Result<Status> {
        private_dir(&self.dir)?;
        let _lock = self.command_lock().await?;
        let text = serde_json::to_vec_pretty(spec)
            .map_err(|error| START.because("cannot write the spec").source(error))?;
        let path = self.dir.join(files::SPEC);
        let same = fs::read(&path).is_ok_and(|known| known == text);
        if !(same && self.status().is_some()) {
            self.end().await?;
            write_private(&path, &text)?;
            self.launch(spec)?;
        }
        self.wait_ready(spec).await
    }

    /// Ends every process of the role and removes its control group; the folder stays.
    ///
    /// # Errors
    /// CAT-3143.
    pub async fn down(&self) -> Result<()> {
        if !self.dir.exists() {
            return self.end().await;
        }
        let _lock = self.command_lock().await?;
        self.end().await
    }

    /// What a living supervisor says; `None` when there is none.
    pub fn status(&self) -> Option<Status> {
        let bytes = fs::read(self.dir.join(files::STATUS)).ok()?;
        let status: Status = serde_json::from_slice(&bytes).ok()?;
        status.supervisor.is_alive().then_some(status)
    }

    /// The log file of a child.
    pub fn log(&self, child: &str) -> PathBuf {
        self.dir.join(files::LOGS).join(format!("{child}.log"))
    }

    async fn command_lock(&self) -> Result<File> {
        let path = self.dir.join(COMMAND_LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| problem::file("open", &path, error))?;
        let end = Instant::now() + self.patience.ready + self.patience.stop;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if Instant::now() >= end {
                let cause = format!("another command still holds `{}`", path.display());
                return Err(START.because(cause).source(error));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(file)
    }

    async fn end(&self) -> Result<()> {
        let group = self.group()?;
        if let Some(status) = self.status() {
            status.supervisor.signal(Signal::TERM);
            let end = Instant::now() + self.patience.stop;
            while status.supervisor.is_alive() && Instant::now() < end {
                tokio::time::sleep(LOOK).await;
            }
        }
        group.kill_and_remove(self.patience.stop).await?;
        group.remove_older(&self.role);
        match fs::remove_file(self.dir.join(files::STATUS)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(STOP.because("cannot remove the old status").source(error))
            }
            _ => Ok(()),
        }
    }

    fn launch(&self, spec: &Spec) -> Result<()> {
        private_dir(&self.dir.join(files::LOGS))?;
        let path = self.dir.join(files::LOGS).join(OWN_LOG);
        let fail = |error| problem::file("open", &path, error);
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let log = log.map_err(fail)?;
        let second = log.try_clone().map_err(fail)?;
        // Not waited for: it makes a session of its own and outlives us.
        Command::new(&spec.launcher.program)
            .args(&spec.launcher.args)
            .arg("supervise")
            .arg(&self.dir)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            .spawn()
            .map(drop)
            .map_err(|error| {
                let program = spec.launcher.program.display();
                START.because(format!("cannot run `{program}`: {error}")).source(error)
            })
    }

    async fn wait_ready(&self, spec: &Spec) -> Result<Status> {
        let begin = Instant::now();
        loop {
            let waited = begin.elapsed();
            match self.status() {
                Some(status) if status.is_ready() => return Ok(status),
                Some(status) if waited > self.patience.ready => {
                    return Err(self.not_ready(&status, waited));
                }
                None if waited > FIRST_WORD => return Err(self.silent(spec)),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    fn not_ready(&self, status: &Status, waited: Duration) -> Problem {
        let Some(child) = status.children.iter().find(|child| child.phase != Phase::Ready) else {
            return CHILD.because("its state keeps changing");
        };
        let log = self.log(&child.name);
        let mut cause = format!("`{}` does not serve after {} s", child.name, waited.as_secs());
        if let Some(exit) = &child.last_exit {
            cause.push_str(&format!("; it ended with {exit}, {} restarts", child.restarts));
        }
        cause.push_str(&format!("; last words: {}", last_words(&log)));
        CHILD.because(cause).fix(format!("Read `{}`.", log.display()))
    }

    fn silent(&self, spec: &Spec) -> Problem {
        let log = self.dir.join(files::LOGS).join(OWN_LOG);
        let role = spec.role.as_str();
        START
            .because(format!("`{role}` said nothing; last words: {}", last_words(&log)))
            .fix(format!("Read `{}`.", log.display()))
    }
}

fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<_> = text.lines().rev().take(LAST_WORDS).collect();
    lines.reverse();
    if lines.is_empty() { "none".into() } else { lines.join(" | ") }
}

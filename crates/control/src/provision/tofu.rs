//! Running OpenTofu and recording what it says while it says it.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use catalyst_model::{DeploymentEvent, Level, Problem, ResourceState, Trouble};
use tokio::time::Instant;

use super::{
    lines::{self, Line},
    process::{self, Program, Started, Tail},
    workdir,
};
use crate::owner::Handle;

/// How often the output is looked at while the program runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long processes of a run may outlive it before they are made to end.
const OUTLIVE: Duration = Duration::from_secs(30);

/// Bytes of room below which a failed run is laid to the full disk: a state and a plan are larger.
const LEAST_ROOM: u64 = 64 * 1024;

/// Lines of error output that are kept for the failure's text.
const LAST_LINES: usize = 20;

pub(crate) struct Tofu {
    pub(crate) program: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) dir: PathBuf,
    pub(crate) deadline: Duration,
    pub(crate) handle: Handle,
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    success: bool,
    /// Errors it reported: what about, and what.
    errors: Vec<(Option<String>, String)>,
    /// What its plan takes away of what stands.
    undoes: Vec<String>,
    /// The last lines of its error output and of output that was no JSON.
    last: Vec<String>,
    /// The code it ended with, in words.
    code: String,
}

impl Ended {
    /// Whether an error or one of the last lines holds `words`.
    pub(crate) fn says(&self, words: &str) -> bool {
        !self.success
            && (self.errors.iter().any(|(_, e)| e.contains(words))
                || self.last.iter().any(|l| l.contains(words)))
    }

    pub(crate) fn or_problem(&self, problem: &'static Problem) -> Result<(), Trouble> {
        if self.success {
            return Ok(());
        }
        let said: Vec<String> = self
            .errors
            .iter()
            .map(|(about, text)| match about {
                Some(address) => format!("{address}: {text}"),
                None => text.clone(),
            })
            .collect();
        let said = if said.is_empty() { self.last.clone() } else { said };
        let detail = if said.is_empty() { self.code.clone() } else { said.join("\n") };
        Err(problem.with(detail))
    }

    /// Refuses a plan that takes away what stands.
    pub(crate) fn undoes_nothing(&self) -> Result<(), Trouble> {
        if self.undoes.is_empty() {
            return Ok(());
        }
        Err(Problem::TOFU_PLAN_UNDOES.with(self.undoes.join("\n")))
    }

    fn hear(&mut self, line: &Line) {
        match line {
            Line::Diagnostic { level: Level::Error, summary, detail, address } => {
                let rest = lines::essence(detail);
                let failed_command = summary.contains("provisioner error");
                let text = match (failed_command, rest.is_empty()) {
                    (true, false) => rest,
                    (false, false) => format!("{summary}: {rest}"),
                    (_, true) => summary.clone(),
                };
                self.errors.push((address.clone(), text));
            }
            Line::Text(text) => self.remember(text.clone()),
            Line::Undoing { address, replaced } => {
                self.undoes.push(format!("{address} is {}", lines::undoing_words(*replaced)));
            }
            Line::Diagnostic { .. } | Line::Resource { .. } | Line::Quiet => {}
        }
    }

    fn remember(&mut self, line: String) {
        if line.trim().is_empty() {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line);
    }
}

/// Says whether the program is there and can be run.
pub(crate) fn check_program(path: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt;
    let runnable =
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if runnable { Ok(()) } else { Err(Problem::TOFU_MISSING.plain()) }
}

impl Tofu {
    /// Runs `tofu` to its end, and everything it started, recording its lines as they come.
    pub(crate) async fn run(&self, name: &str, args: &[&str]) -> Result<Ended, Trouble> {
        let program = self.program(name, args);
        let mut started = self.start(&program).await?;
        let mut ended = Ended::default();
        let mut out = Tail::open(&program.out_path()).await.map_err(not_read)?;
        let followed = self.follow(&program, &mut started, &mut out, &mut ended).await;
        workdir::close_files(&self.dir).await;
        let status = followed?;
        let forced = started.finish(OUTLIVE).await?;
        // What a child of it said after its end counts as well.
        let mut lines = out.look(true).await.map_err(not_read)?;
        if forced {
            let seconds = OUTLIVE.as_secs();
            lines.push(format!("what `tofu {name}` left running was ended after {seconds} s"));
        }
        self.record(lines, &mut ended).await?;
        (ended.code, ended.success) = (status.to_string(), status.success());
        let mut errors = Tail::open(&program.err_path()).await.map_err(not_read)?;
        for line in errors.look(true).await.map_err(not_read)? {
            ended.remember(line);
        }
        if process::never_ran(status) {
            return Err(Problem::TOFU_NOT_STARTED.with(ended.last.join("\n")));
        }
        if !ended.success {
            self.has_room(name)?;
        }
        Ok(ended)
    }

    /// Runs `tofu` to its end and returns what it printed.
    pub(crate) async fn capture(&self, name: &str, args: &[&str]) -> Result<String, Trouble> {
        let program = self.program(name, args);
        let mut started = self.start(&program).await?;
        let waited = tokio::time::timeout(self.deadline, started.child.wait()).await;
        let Ok(status) = waited else {
            started.end().await?;
            return Err(self.too_long(name));
        };
        started.finish(OUTLIVE).await?;
        let text = std::fs::read_to_string(program.out_path()).map_err(not_read)?;
        let status = status.map_err(not_read)?;
        if status.success() && !text.is_empty() {
            return Ok(text);
        }
        self.has_room(name)?;
        let why = std::fs::read_to_string(program.err_path()).unwrap_or_default();
        let last: Vec<&str> = why.lines().rev().take(LAST_LINES).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        let problem = match process::never_ran(status) {
            true => &Problem::TOFU_NOT_STARTED,
            false => &Problem::TOFU_OUTPUT_INVALID,
        };
        Err(problem.with(last.join("\n")))
    }

    /// Starts a program once nothing of an earlier one is left in the folder.
    async fn start(&self, program: &Program<'_>) -> Result<Started, Trouble> {
        self.settle().await?;
        program.start().await.map_err(not_started)
    }

    /// Waits until nothing of an earlier run is left, and says so if there is something.
    pub(crate) async fn settle(&self) -> Result<(), Trouble> {
        if process::something_runs(&self.dir)? {
            self.warn("an earlier run has not ended: waiting for it").await?;
        }
        process::settle_earlier(&self.dir, self.deadline).await
    }

    /// Records a warning of our own.
    pub(crate) async fn warn(&self, message: &str) -> Result<(), Trouble> {
        let message = message.to_owned();
        let event = DeploymentEvent::ToolLine { level: Level::Warn, message };
        self.handle.record(vec![event]).await.map_err(|e| e.trouble().clone())
    }

    fn program<'a>(&'a self, name: &'a str, args: &'a [&'a str]) -> Program<'a> {
        Program { path: &self.program, args, dir: &self.dir, environment: &self.environment, name }
    }

    async fn follow(
        &self,
        program: &Program<'_>,
        started: &mut Started,
        out: &mut Tail,
        ended: &mut Ended,
    ) -> Result<ExitStatus, Trouble> {
        let until = Instant::now() + self.deadline;
        loop {
            let status = tokio::select! {
                status = started.child.wait() => Some(status.map_err(not_read)?),
                () = tokio::time::sleep(LOOK_EVERY) => None,
            };
            let late = status.is_none() && Instant::now() >= until;
            if late {
                started.end().await?;
            }
            // After the end the output is read once more, to the very last byte.
            let lines = out.look(status.is_some() || late).await.map_err(not_read)?;
            self.record(lines, ended).await?;
            match status {
                Some(status) => return Ok(status),
                None if late => return Err(self.too_long(program.name)),
                None => {}
            }
        }
    }

    async fn record(&self, lines: Vec<String>, ended: &mut Ended) -> Result<(), Trouble> {
        let mut known = self.known_states();
        let mut events = Vec::new();
        for line in lines {
            let line = lines::read(&line);
            ended.hear(&line);
            let Some(event) = line.event() else { continue };
            if let DeploymentEvent::ResourceChanged { address, state, message } = &event {
                let same = known.iter().any(|(a, s)| a == address && s == state);
                if same && message.is_none() {
                    continue;
                }
                known.retain(|(a, _)| a != address);
                known.push((address.clone(), *state));
            }
            events.push(event);
        }
        self.handle.record(events).await.map_err(|e| e.trouble().clone())
    }

    fn known_states(&self) -> Vec<(String, ResourceState)> {
        let deployment = self.handle.deployment();
        let resources = &deployment.infrastructure.resources;
        resources.iter().map(|r| (r.address.clone(), r.state)).collect()
    }

    /// Names a full disk as the cause of a run that failed: where nothing can be written, the run's
    /// own words are cut off.
    fn has_room(&self, name: &str) -> Result<(), Trouble> {
        let disk = rustix::fs::statvfs(&self.dir).map_err(|e| not_read(e.into()))?;
        let left = disk.f_bavail * disk.f_frsize;
        if left >= LEAST_ROOM {
            return Ok(());
        }
        Err(Problem::WORKDIR_FULL
            .with(format!("`tofu {name}` failed with {left} bytes of room left")))
    }

    fn too_long(&self, name: &str) -> Trouble {
        let seconds = self.deadline.as_secs();
        Problem::TOFU_TIMED_OUT.with(format!("`tofu {name}` did not end within {seconds} s"))
    }
}

fn not_started(e: io::Error) -> Trouble {
    match e.kind() {
        io::ErrorKind::StorageFull => Problem::STORE_FULL.plain(),
        kind => Problem::TOFU_NOT_STARTED.with(kind.to_string()),
    }
}

fn not_read(e: io::Error) -> Trouble {
    Problem::WORKDIR_UNWRITABLE.with(e.kind().to_string())
}

//! Running OpenTofu and recording what it says while it says it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use catalyst_model::{DeploymentEvent, Level, Problem, ResourceState, Trouble};
use tokio::time::Instant;

use super::{
    lines::{self, Line},
    process::{Program, Started, Tail},
    workdir,
};
use crate::owner::Handle;

/// How often the output is looked at while the program runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    /// Runs `tofu` to its end, recording its lines as they come.
    pub(crate) async fn run(&self, name: &str, args: &[&str]) -> Result<Ended, Trouble> {
        let program = self.program(name, args);
        let mut started = program.start().map_err(not_started)?;
        let mut ended = Ended::default();
        let followed = self.follow(&program, &mut started, &mut ended).await;
        workdir::close_files(&self.dir).await;
        let success = followed?;
        started.ended();
        ended.success = success;
        let mut errors = Tail::open(&program.err_path()).await.map_err(not_read)?;
        for line in errors.look(true).await.map_err(not_read)? {
            ended.remember(line);
        }
        Ok(ended)
    }

    /// Runs `tofu` to its end and returns what it printed.
    pub(crate) async fn capture(&self, name: &str, args: &[&str]) -> Result<String, Trouble> {
        let program = self.program(name, args);
        let mut started = program.start().map_err(not_started)?;
        let waited = tokio::time::timeout(self.deadline, started.child.wait()).await;
        let Ok(status) = waited else {
            started.end().await;
            return Err(self.too_long(name));
        };
        started.ended();
        let text = std::fs::read_to_string(program.out_path()).map_err(not_read)?;
        if status.map_err(not_read)?.success() {
            Ok(text)
        } else {
            let why = std::fs::read_to_string(program.err_path()).unwrap_or_default();
            let last: Vec<&str> = why.lines().rev().take(LAST_LINES).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            Err(Problem::TOFU_OUTPUT_INVALID.with(last.join("\n")))
        }
    }

    fn program<'a>(&'a self, name: &'a str, args: &'a [&'a str]) -> Program<'a> {
        Program { path: &self.program, args, dir: &self.dir, environment: &self.environment, name }
    }

    async fn follow(
        &self,
        program: &Program<'_>,
        started: &mut Started,
        ended: &mut Ended,
    ) -> Result<bool, Trouble> {
        let until = Instant::now() + self.deadline;
        let mut tail = Tail::open(&program.out_path()).await.map_err(not_read)?;
        loop {
            let status = tokio::select! {
                status = started.child.wait() => Some(status.map_err(not_read)?),
                () = tokio::time::sleep(LOOK_EVERY) => None,
            };
            // After the end the output is read once more, to the very last byte.
            let lines = tail.look(status.is_some()).await.map_err(not_read)?;
            self.record(lines, ended).await?;
            if let Some(status) = status {
                ended.code = status.to_string();
                return Ok(status.success());
            }
            if Instant::now() >= until {
                started.end().await;
                let lines = tail.look(true).await.map_err(not_read)?;
                self.record(lines, ended).await?;
                started.ended();
                return Err(self.too_long(program.name));
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

    fn too_long(&self, name: &str) -> Trouble {
        let seconds = self.deadline.as_secs();
        Problem::TOFU_TIMED_OUT.with(format!("`tofu {name}` did not end within {seconds} s"))
    }
}

fn not_started(e: io::Error) -> Trouble {
    match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Problem::TOFU_MISSING.plain(),
        kind => Problem::WORKDIR_UNWRITABLE.with(kind.to_string()),
    }
}

fn not_read(e: io::Error) -> Trouble {
    Problem::WORKDIR_UNWRITABLE.with(e.kind().to_string())
}

//! Runs one command to its end: stated folder, stated environment, a time-out, and its last words.
//!
//! Entry point: [`Invocation`]. The child gets a process group of its own and the whole group is
//! killed on a time-out or when the future is dropped, so that no `go build` outlives its reader.
//! Secrets go through `stdin` or a file's path, never through arguments: these appear in errors.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::problem::{COMMAND, Problem};

/// How many lines of stderr are kept for the error; enough for a compiler's first complaint.
const TAIL_LINES: usize = 20;
/// Above this a command's standard output is not worth keeping and is an error.
const STDOUT_LIMIT_BYTES: u64 = 64 << 20;
/// The search path of commands whose environment was cleared and not stated.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command to be run once.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: OsString,
    args: Vec<OsString>,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    inherit: Vec<OsString>,
    timeout: Duration,
    stdin: Input,
}

/// What a command reads.
#[derive(Debug, Clone)]
enum Input {
    Nothing,
    Bytes(Vec<u8>),
    File(Arc<File>),
}

impl Invocation {
    /// A command run in `/` with an environment of `PATH` alone and a time-out of 30 s.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            cwd: PathBuf::from("/"),
            env: vec![("PATH".into(), SYSTEM_PATH.into()), ("LC_ALL".into(), "C.UTF-8".into())],
            inherit: Vec::new(),
            timeout: Duration::from_secs(30),
            stdin: Input::Nothing,
        }
    }

    /// Adds one argument; never a secret.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments; never secrets.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// The working directory.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = cwd.into();
        self
    }

    /// States one variable, over the default or an earlier one.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref();
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Passes one variable of our own environment on, if it is set; else an earlier statement holds.
    #[must_use]
    pub fn inherit(mut self, name: impl AsRef<OsStr>) -> Self {
        self.inherit.push(name.as_ref().to_owned());
        self
    }

    /// How long it may take in all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Bytes for its standard input; without this it reads an empty one.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// An open file for its standard input. A lock on that file is held until the command ends, also
    /// when we end first.
    #[must_use]
    pub fn stdin_file(mut self, file: Arc<File>) -> Self {
        self.stdin = Input::File(file);
        self
    }

    /// The command as a person would type it, for messages.
    pub fn shown(&self) -> String {
        let mut words = vec![self.program.to_string_lossy().into_owned()];
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy().into_owned()));
        words.join(" ")
    }

    /// Runs it to its end and returns its standard output.
    ///
    /// Dropping the future kills the command and everything in its process group.
    ///
    /// # Errors
    /// It could not be started, ended with another status than 0, or took too long.
    pub async fn run(&self) -> Result<Output, Failure> {
        let mut guard = self.spawn()?;
        let work = async {
            let (stdin, stdout, stderr) =
                (guard.child.stdin.take(), guard.child.stdout.take(), guard.child.stderr.take());
            let feed = async {
                if let (Some(mut pipe), Input::Bytes(bytes)) = (stdin, &self.stdin) {
                    // A command that does not read its input is judged by its exit status.
                    let _ = pipe.write_all(bytes).await;
                }
            };
            let ((), stdout, tail) = tokio::join!(feed, read_all(stdout), read_tail(stderr));
            let status = guard.child.wait().await;
            (status, stdout, tail)
        };
        let Ok((status, stdout, tail)) = tokio::time::timeout(self.timeout, work).await else {
            return Err(Failure::TimedOut { command: self.shown(), after: self.timeout });
        };
        guard.ended = true;
        let broken = |error| Failure::Start { command: self.shown(), error };
        let status = status.map_err(broken)?;
        let stdout = stdout.map_err(broken)?;
        if status.success() {
            Ok(Output { stdout, stderr_tail: tail })
        } else {
            Err(Failure::Exit { command: self.shown(), status, tail })
        }
    }

    fn spawn(&self) -> Result<Group, Failure> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.cwd).env_clear().kill_on_drop(true);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        for name in &self.inherit {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let broken = |error| Failure::Start { command: self.shown(), error };
        command.stdin(match &self.stdin {
            Input::Nothing => Stdio::null(),
            Input::Bytes(_) => Stdio::piped(),
            Input::File(file) => file.try_clone().map_err(broken)?.into(),
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn().map_err(broken)?;
        Ok(Group { child, ended: false })
    }
}

/// What a successful command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// The last lines it wrote to stderr.
    pub stderr_tail: Vec<String>,
}

impl Output {
    /// Standard output as text, invalid bytes replaced, blanks at its ends removed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

/// How a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is not there, may not be run, or its pipes broke.
    #[error("cannot run `{command}`: {error}")]
    Start {
        /// The command as typed.
        command: String,
        /// The system's word.
        error: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` ended with {status}: {}", tail.join(" | "))]
    Exit {
        /// The command as typed.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its last lines on stderr.
        tail: Vec<String>,
    },
    /// It was killed at its time-out.
    #[error("`{command}` did not end within {} s", after.as_secs())]
    TimedOut {
        /// The command as typed.
        command: String,
        /// The time-out.
        after: Duration,
    },
}

impl Failure {
    /// Whether the program itself was not found.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Start { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }

    /// The last lines of stderr, empty when there are none.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Exit { tail, .. } => tail,
            Self::Start { .. } | Self::TimedOut { .. } => &[],
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        COMMAND.because(failure.to_string()).source(failure)
    }
}

/// A child and the process group it leads.
struct Group {
    child: Child,
    ended: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let (false, Some(leader)) = (self.ended, leader) {
            // Nothing to do if it is already gone.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(STDOUT_LIMIT_BYTES + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > STDOUT_LIMIT_BYTES {
        return Err(std::io::Error::other("more output than expected"));
    }
    Ok(bytes)
}

async fn read_tail(pipe: Option<impl AsyncRead + Unpin>) -> Vec<String> {
    let mut tail = VecDeque::new();
    let Some(pipe) = pipe else { return Vec::new() };
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    tail.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new("/bin/sh").args(["-c", script])
    }

    #[tokio::test]
    async fn a_command_sees_only_the_stated_environment_and_its_input() {
        let output = sh("cat; env").env("A", "1").stdin("hello\n").run().await.unwrap().text();
        assert!(output.starts_with("hello\n"), "{output}");
        assert!(output.contains("A=1"), "{output}");
        assert!(!output.contains("HOME="), "{output}");
    }

    #[tokio::test]
    async fn a_failure_keeps_the_last_lines_of_stderr() {
        let failure =
            sh("for i in $(seq 50); do echo line $i >&2; done; exit 3").run().await.unwrap_err();
        assert_eq!(failure.tail().len(), TAIL_LINES);
        assert_eq!(failure.tail().last().unwrap(), "line 50");
        assert!(failure.to_string().contains("exit status: 3"), "{failure}");
    }

    #[tokio::test]
    async fn a_missing_program_is_told_from_a_failing_one() {
        assert!(Invocation::new("/no/such/program").run().await.unwrap_err().is_missing());
        assert!(!sh("exit 1").run().await.unwrap_err().is_missing());
    }

    #[tokio::test]
    async fn a_time_out_takes_the_grandchildren_too() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", pid_file.display());
        let failure = sh(&script).timeout(Duration::from_millis(300)).run().await.unwrap_err();
        assert!(matches!(failure, Failure::TimedOut { .. }), "{failure}");
        let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
        for _ in 0..100 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the grandchild {pid} is still alive");
    }
}

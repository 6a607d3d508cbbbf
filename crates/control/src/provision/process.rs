//! Running a program so that nothing of it is lost: its own process group, its output in files,
//! and a note by which a later start finds it again.
//!
//! The output goes to files and not to pipes, so the program outlives this process unharmed and
//! its last lines are there whoever reads them.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    time::Duration,
};

use catalyst_model::{Problem, Trouble};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt, process::Child, time::Instant};

/// The note's name in the folder.
const NOTE: &str = "running.json";

/// How often a group that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a program that was asked to end may take before it is made to.
const GRACE: Duration = Duration::from_secs(10);

/// The longest line that is kept whole, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Which process group runs in a folder.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    group: i32,
    /// When the leader started, in the kernel's ticks since boot: tells it from a later process
    /// of the same number.
    started_ticks: u64,
}

/// A program to run.
pub(crate) struct Program<'a> {
    pub(crate) path: &'a Path,
    pub(crate) args: &'a [&'a str],
    pub(crate) dir: &'a Path,
    pub(crate) environment: &'a [(String, String)],
    /// The name its output files begin with.
    pub(crate) name: &'a str,
}

/// A program that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    group: Option<Pid>,
    note: PathBuf,
}

impl Program<'_> {
    pub(crate) fn out_path(&self) -> PathBuf {
        self.dir.join(format!("{}.out", self.name))
    }

    pub(crate) fn err_path(&self) -> PathBuf {
        self.dir.join(format!("{}.err", self.name))
    }

    /// Starts it in a process group of its own, with nothing in its environment but what is given.
    pub(crate) fn start(&self) -> io::Result<Started> {
        let mut command = std::process::Command::new(self.path);
        command
            .args(self.args)
            .current_dir(self.dir)
            .env_clear()
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(std::process::Stdio::null())
            .stdout(private_file(&self.out_path())?)
            .stderr(private_file(&self.err_path())?)
            .process_group(0);
        let child = tokio::process::Command::from(command).kill_on_drop(false).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let note = self.dir.join(NOTE);
        if let Some(pid) = group {
            let raw = pid.as_raw_nonzero().get();
            let started_ticks = stat_of(raw).map_or(0, |s| s.started_ticks);
            let text = serde_json::to_vec(&Note { group: raw, started_ticks })?;
            fs::write(&note, text)?;
        }
        Ok(Started { child, group, note })
    }
}

impl Started {
    /// Forgets the note: the program has ended.
    pub(crate) fn ended(&self) {
        // A note that stays is only waited for in vain for a moment.
        fs::remove_file(&self.note).ok();
    }

    /// Asks the group to end and, after a time of grace, makes it.
    pub(crate) async fn end(&mut self) {
        let Some(group) = self.group else { return };
        kill_process_group(group, Signal::INT).ok();
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            kill_process_group(group, Signal::KILL).ok();
            self.child.wait().await.ok();
        }
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Waits until nothing of an earlier run in `dir` is left.
///
/// # Errors
/// It still runs when `limit` has passed.
pub(crate) async fn wait_for_earlier(dir: &Path, limit: Duration) -> Result<(), Trouble> {
    let note_path = dir.join(NOTE);
    let Ok(text) = fs::read(&note_path) else { return Ok(()) };
    let Ok(note) = serde_json::from_slice::<Note>(&text) else { return Ok(()) };
    let until = Instant::now() + limit;
    while group_lives(&note) {
        if Instant::now() >= until {
            let detail = format!("process group {} still runs", note.group);
            return Err(Problem::TOFU_STILL_RUNNING.with(detail));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    fs::remove_file(&note_path).ok();
    Ok(())
}

struct Stat {
    state: char,
    group: i32,
    started_ticks: u64,
}

fn group_lives(note: &Note) -> bool {
    // The number may belong to somebody else by now: then its leader is younger than the note.
    if stat_of(note.group).is_some_and(|s| s.started_ticks != note.started_ticks) {
        return false;
    }
    let Ok(all) = fs::read_dir("/proc") else { return false };
    all.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(stat_of)
        .any(|s| s.group == note.group && s.state != 'Z')
}

/// The parts of `/proc/<pid>/stat` that matter here. The name in it may hold anything, so the
/// fields are counted from its closing bracket.
fn stat_of(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        started_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// Reads a file that grows, line by line.
pub(crate) struct Tail {
    file: tokio::fs::File,
    rest: Vec<u8>,
}

impl Tail {
    pub(crate) async fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: tokio::fs::File::open(path).await?, rest: Vec::new() })
    }

    /// The lines that were completed since the last look; with `all`, also an unfinished one.
    pub(crate) async fn look(&mut self, all: bool) -> io::Result<Vec<String>> {
        self.file.read_to_end(&mut self.rest).await?;
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if !self.rest.is_empty() && (all || self.rest.len() > MAX_LINE_BYTES) {
            let line = std::mem::take(&mut self.rest);
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        Ok(lines)
    }
}

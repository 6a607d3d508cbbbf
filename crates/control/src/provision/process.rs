//! Running a program so that nothing of it is lost: its own process group, its output in files,
//! and a note by which a later start finds it again.
//!
//! The output goes to files and not to pipes, so the program outlives this process unharmed and
//! its last lines are there whoever reads them. The note is on the disk before the program's first
//! instruction: what is started is a shell that becomes the program once its gate is opened, and
//! ends if whoever holds the gate does. The note goes when the whole group is gone, for a child of
//! the program may live longer than the program.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use catalyst_model::{Problem, Trouble};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::Instant,
};

use super::workdir;

/// The note's name in the folder.
const NOTE: &str = "running.json";

/// What waits for the note: it becomes the program when it reads a line, and ends when there is
/// nobody left who could send one.
const GATE: &str = r#"read -r go || exit 125; exec "$0" "$@" </dev/null"#;

/// How often a group that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a group that was asked to end may take before it is made to, and how long it may take
/// to be gone after that.
const GRACE: Duration = Duration::from_secs(10);

/// The longest line that is kept whole, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Which process group runs in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) group: i32,
    /// When the leader started, in the kernel's ticks since boot: tells it from a later process
    /// of the same number.
    pub(super) started_ticks: u64,
    /// Which boot that was.
    pub(super) boot: String,
}

/// What may still run of an earlier start in a folder.
#[derive(Debug)]
enum Earlier {
    Nothing,
    Group(Note),
    /// There is a note and nobody can read it: whatever works in the folder counts.
    Unknown,
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
    note: Note,
    dir: PathBuf,
}

impl Program<'_> {
    pub(crate) fn out_path(&self) -> PathBuf {
        self.dir.join(format!("{}.out", self.name))
    }

    pub(crate) fn err_path(&self) -> PathBuf {
        self.dir.join(format!("{}.err", self.name))
    }

    /// Starts it in a process group of its own, with nothing in its environment but what is given.
    /// When this fails nothing of the program was run.
    pub(crate) async fn start(&self) -> io::Result<Started> {
        let mut command = std::process::Command::new("/bin/sh");
        command
            .args(["-c", GATE])
            .arg(self.path)
            .args(self.args)
            .current_dir(self.dir)
            .env_clear()
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(private_file(&self.out_path())?)
            .stderr(private_file(&self.err_path())?)
            .process_group(0);
        let mut child = Command::from(command).kill_on_drop(false).spawn()?;
        match self.note_and_open(&mut child).await {
            Ok(note) => Ok(Started { child, note, dir: self.dir.to_owned() }),
            Err(error) => {
                // The gate is shut for good: this is the shell, not the program.
                child.kill().await.ok();
                Err(error)
            }
        }
    }

    async fn note_and_open(&self, child: &mut Child) -> io::Result<Note> {
        let gone = || io::Error::other("the program ended before it began");
        let group = child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(gone)?;
        let started_ticks = stat_of(group).ok_or_else(gone)?.started_ticks;
        let note = Note { group, started_ticks, boot: boot()? };
        let (path, text) = (self.dir.join(NOTE), serde_json::to_vec(&note)?);
        let kept = tokio::task::spawn_blocking(move || workdir::write_private(&path, &text)).await;
        kept.map_err(io::Error::other)??;
        let mut gate = child.stdin.take().ok_or_else(gone)?;
        gate.write_all(b"\n").await?;
        Ok(note)
    }
}

/// Whether the program could not be run at all: what a shell says that cannot become it.
pub(crate) fn never_ran(status: ExitStatus) -> bool {
    matches!(status.code(), Some(125..=127))
}

impl Started {
    /// Waits until nothing of the group is left, makes what stays for longer than `limit` end, and
    /// forgets the note. Returns whether something had to be made to end.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) async fn finish(&self, limit: Duration) -> Result<bool, Trouble> {
        let group = Earlier::Group(self.note.clone());
        let forced = !gone_within(&group, &self.dir, limit).await?;
        if forced {
            end(&self.note, &self.dir).await?;
        }
        workdir::remove(&self.dir, NOTE).await?;
        Ok(forced)
    }

    /// Asks the whole group to end, makes it after a time of grace, and forgets the note.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) async fn end(&mut self) -> Result<(), Trouble> {
        let ended = tokio::join!(end(&self.note, &self.dir), async {
            // The leader stays in the process table until somebody asks how it ended.
            tokio::time::timeout(2 * GRACE, self.child.wait()).await.ok();
        });
        ended.0?;
        workdir::remove(&self.dir, NOTE).await
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Whether something of an earlier run in `dir` may still be there.
///
/// # Errors
/// The process table cannot be read.
pub(crate) fn something_runs(dir: &Path) -> Result<bool, Trouble> {
    Ok(!Earlier::read(dir).members(dir).map_err(blind)?.is_empty())
}

/// Waits until nothing of an earlier run in `dir` is left; what still runs when `limit` has passed
/// is made to end.
///
/// # Errors
/// It does not end, or a note that cannot be read leaves open whose the processes are.
pub(crate) async fn settle_earlier(dir: &Path, limit: Duration) -> Result<(), Trouble> {
    let earlier = Earlier::read(dir);
    match &earlier {
        Earlier::Nothing => return Ok(()),
        Earlier::Group(note) => {
            if !gone_within(&earlier, dir, limit).await? {
                end(note, dir).await?;
            }
        }
        Earlier::Unknown => {
            if !gone_within(&earlier, dir, limit).await? {
                return Err(still_running(&earlier, dir));
            }
        }
    }
    workdir::remove(dir, NOTE).await
}

async fn gone_within(earlier: &Earlier, dir: &Path, limit: Duration) -> Result<bool, Trouble> {
    let until = Instant::now() + limit;
    loop {
        if earlier.members(dir).map_err(blind)?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn end(note: &Note, dir: &Path) -> Result<(), Trouble> {
    let earlier = Earlier::Group(note.clone());
    for signal in [Signal::INT, Signal::KILL] {
        if earlier.members(dir).map_err(blind)?.is_empty() {
            return Ok(());
        }
        if let Some(group) = Pid::from_raw(note.group) {
            // It may have ended in this moment.
            kill_process_group(group, signal).ok();
        }
        if gone_within(&earlier, dir, GRACE).await? {
            return Ok(());
        }
    }
    Err(still_running(&earlier, dir))
}

fn still_running(earlier: &Earlier, dir: &Path) -> Trouble {
    let pids = earlier.members(dir).unwrap_or_default();
    let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
    let which = match earlier {
        Earlier::Unknown => "its note cannot be read; at work in the folder",
        Earlier::Nothing | Earlier::Group(_) => "still there",
    };
    Problem::TOFU_STILL_RUNNING.with(format!("{which}: process {}", pids.join(", ")))
}

fn blind(e: io::Error) -> Trouble {
    Problem::TOFU_STILL_RUNNING.with(format!("the process table cannot be read: {}", e.kind()))
}

impl Earlier {
    fn read(dir: &Path) -> Self {
        match fs::read(dir.join(NOTE)) {
            Ok(text) => serde_json::from_slice(&text).map_or(Self::Unknown, Self::Group),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::Nothing,
            Err(_) => Self::Unknown,
        }
    }

    /// The processes that are left of it; the dead that nobody has asked after do not count.
    fn members(&self, dir: &Path) -> io::Result<Vec<i32>> {
        if matches!(self, Self::Nothing) {
            return Ok(Vec::new());
        }
        if let Self::Group(note) = self {
            // The number may be somebody else's by now: then that one is younger, or the machine
            // was started anew. A group's number is not given out while it has members.
            let reused = stat_of(note.group).is_some_and(|s| s.started_ticks != note.started_ticks);
            if reused || boot()? != note.boot {
                return Ok(Vec::new());
            }
        }
        let dir = fs::canonicalize(dir)?;
        let works_here =
            |pid: i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir);
        let belongs = |pid: i32, stat: &Stat| match self {
            Self::Nothing => false,
            Self::Group(note) => stat.group == note.group,
            Self::Unknown => works_here(pid),
        };
        let all = fs::read_dir("/proc")?;
        let pids = all.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let alive = |pid: &i32| {
            stat_of(*pid).is_some_and(|s| !matches!(s.state, 'Z' | 'X') && belongs(*pid, &s))
        };
        Ok(pids.filter(alive).collect())
    }
}

struct Stat {
    state: char,
    group: i32,
    started_ticks: u64,
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

/// What tells this boot of the machine from others.
pub(super) fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
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

//! Runs a program as a user of its own that sees only the folders it was given, under `/mnt`.
//!
//! State and cache usually lie below a home that other users cannot even traverse. So a confined
//! process gets a mount namespace of its own, where an empty file system covers `/mnt` and holds
//! bind mounts of what it needs; nothing of this is visible on the host and all of it ends with
//! the process. Two steps: [`Confined::command`] asks `unshare` for the namespace and calls us back
//! with the verb `enter`; [`enter`] mounts, drops every privilege and becomes the program.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use serde::{Deserialize, Serialize};

use super::{CONFINE, Launcher};
use crate::problem::{Problem, Result};

/// Where a confined process finds what it was given.
pub(crate) const STAGE: &str = "/mnt";

/// A user and a view of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confine {
    /// Its user id and group id; need not be in `/etc/passwd`.
    pub user: u32,
    /// Capabilities it keeps, in `setpriv`'s spelling, e.g. `net_bind_service`.
    pub capabilities: Vec<String>,
    /// What it sees.
    pub binds: Vec<Bind>,
}

/// One folder or file shown to a confined process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// A relative path below the stage.
    pub target: PathBuf,
    /// Whether it may be written to, as far as its permissions allow.
    pub writable: bool,
}

impl Bind {
    /// Shows `source` as `target` for reading.
    pub fn read(source: impl Into<PathBuf>, target: &str) -> Self {
        Self { source: source.into(), target: target.into(), writable: false }
    }

    /// Shows `source` as `target` for reading and writing.
    pub fn write(source: impl Into<PathBuf>, target: &str) -> Self {
        Self { source: source.into(), target: target.into(), writable: true }
    }
}

/// A program and its confinement, as kept in the file that [`enter`] reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confined {
    /// The confinement.
    pub confine: Confine,
    /// The program, as seen inside.
    pub program: PathBuf,
    /// Its first arguments; `enter` may add more.
    pub args: Vec<String>,
    /// Its working folder, as seen inside.
    pub cwd: PathBuf,
}

impl Confined {
    /// Program and arguments that run what `file` describes, with `more` arguments after its own.
    pub fn command(launcher: &Launcher, file: &Path, more: &[&str]) -> (PathBuf, Vec<OsString>) {
        let mut args: Vec<OsString> =
            ["--mount", "--propagation", "private", "--"].map(OsString::from).to_vec();
        args.push(launcher.program.clone().into());
        args.extend(launcher.args.iter().map(OsString::from));
        args.push("enter".into());
        args.push(file.into());
        args.push("--".into());
        args.extend(more.iter().map(OsString::from));
        (PathBuf::from("unshare"), args)
    }
}

/// Becomes the program described by `file`: mounts, drops privileges, and never returns if all goes
/// well. To be called in a mount namespace of its own, before any secret is read.
pub fn enter(file: &Path, more: &[OsString]) -> Problem {
    match prepare(file) {
        Ok(confined) => become_program(&confined, more),
        Err(problem) => problem,
    }
}

fn prepare(file: &Path) -> Result<Confined> {
    let bytes = fs::read(file).map_err(|error| {
        CONFINE.because(format!("cannot read `{}`", file.display())).source(error)
    })?;
    let confined: Confined = serde_json::from_slice(&bytes).map_err(|error| {
        CONFINE.because(format!("cannot read `{}`", file.display())).source(error)
    })?;
    stage(&confined.confine.binds)?;
    Ok(confined)
}

fn stage(binds: &[Bind]) -> Result<()> {
    // Sources are opened first: one of them may lie under what is about to be covered.
    let sources = binds
        .iter()
        .map(|bind| {
            open(&bind.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| failed("open", &bind.source, error))
        })
        .collect::<Result<Vec<OwnedFd>>>()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("catalyst", STAGE, "tmpfs", flags, Some(c"mode=0755,size=1m"))
        .map_err(|error| failed("mount on", Path::new(STAGE), error))?;
    for (bind, source) in binds.iter().zip(&sources) {
        let target = Path::new(STAGE).join(&bind.target);
        let through = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
        make_target(&target, through.is_dir()).map_err(|error| {
            CONFINE.because(format!("cannot make `{}`", target.display())).source(error)
        })?;
        mount_bind(&through, &target).map_err(|error| failed("mount on", &target, error))?;
        let mut flags = MountFlags::BIND | flags;
        if !bind.writable {
            flags |= MountFlags::RDONLY;
        }
        mount_remount(&target, flags, c"").map_err(|error| failed("remount", &target, error))?;
    }
    Ok(())
}

fn make_target(target: &Path, is_folder: bool) -> std::io::Result<()> {
    let folder = if is_folder { Some(target) } else { target.parent() };
    if let Some(folder) = folder {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    if !is_folder {
        File::create(target)?;
    }
    Ok(())
}

fn become_program(confined: &Confined, more: &[OsString]) -> Problem {
    let Confined { confine, program, args, cwd } = confined;
    let mut kept = String::from("-all");
    for capability in &confine.capabilities {
        kept.push_str(",+");
        kept.push_str(capability);
    }
    let error = Command::new("setpriv")
        .arg(format!("--reuid={}", confine.user))
        .arg(format!("--regid={}", confine.user))
        .args(["--clear-groups", "--no-new-privs"])
        .arg(format!("--inh-caps={kept}"))
        .arg(format!("--ambient-caps={kept}"))
        .arg(format!("--bounding-set={kept}"))
        .arg("--")
        .arg(program)
        .args(args)
        .args(more)
        .current_dir(cwd)
        .exec();
    CONFINE.because(format!("cannot run `setpriv`: {error}")).source(error)
}

fn failed(doing: &str, path: &Path, error: rustix::io::Errno) -> Problem {
    CONFINE.because(format!("cannot {doing} `{}`: {error}", path.display())).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_command_carries_paths_only() {
        let launcher = Launcher { program: "/x/catalyst".into(), args: vec!["daemon".into()] };
        let (program, args) = Confined::command(&launcher, Path::new("/s/a.json"), &["b"]);
        assert_eq!(program, Path::new("unshare"));
        let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(
            args.join(" "),
            "--mount --propagation private -- /x/catalyst daemon enter /s/a.json -- b"
        );
    }
}

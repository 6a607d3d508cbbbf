//! A disk that really is small: a tmpfs in a mount namespace of the test's own.
//!
//! [`small_disk`] runs the test that calls it once more, alone, in a process whose folder is such a
//! disk; what follows the call is done there. Writes then fail as they do on a full machine.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Names the folder in the process that has the disk.
const VARIABLE: &str = "CATALYST_TEST_SMALL_DISK";

/// What the shell ends with when it may not mount.
const NO_MOUNT: i32 = 77;

/// Mounts the disk on `$1` with `$2` KiB and becomes the rest of its arguments.
const SCRIPT: &str =
    "mount -t tmpfs -o size=\"$2\"k,mode=700 small \"$1\" || exit 77; shift 2; exec \"$@\"";

/// Returns the folder of a disk of `kib` KiB, or nothing when there is no more to do: the test, by
/// its full name, has then been run in another process, or cannot be run here and that was said.
///
/// # Panics
/// The test failed in the other process; its output is in the message.
pub fn small_disk(test: &str, kib: u32) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        return Some(folder.into());
    }
    for arguments in [&["--mount"][..], &["--mount", "--map-root-user"]] {
        match run_inside(test, kib, arguments) {
            Ok(Outcome::Ran) => return None,
            Ok(Outcome::NoMount) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let word = format!("SKIPPED: {test} needs to mount a tmpfs, which is not allowed here\n");
    io::stderr().write_all(word.as_bytes()).ok();
    None
}

enum Outcome {
    Ran,
    NoMount,
}

fn run_inside(test: &str, kib: u32, arguments: &[&str]) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir().context("make a folder to mount on")?;
    let this = std::env::current_exe().context("find the test's own program")?;
    let started = Command::new("unshare")
        .args(arguments)
        .args(["--", "/bin/sh", "-c", SCRIPT, "sh"])
        .arg(folder.path())
        .arg(kib.to_string())
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, folder.path())
        .output();
    let output = match started {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::NoMount),
        Err(error) => return Err(error).context("run unshare"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    if output.status.code() == Some(NO_MOUNT) || err.starts_with("unshare:") {
        return Ok(Outcome::NoMount);
    }
    ensure!(output.status.success(), "{test} failed on a small disk:\n{out}{err}");
    ensure!(out.contains("1 passed"), "{test} is not the test's full name:\n{out}");
    Ok(Outcome::Ran)
}

/// Fills the disk of `folder` to the last page; removing the returned file makes room again.
///
/// # Errors
/// The file could not be made, or the disk failed in another way than by being full.
pub fn fill(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("fill");
    let mut file = File::create(&path)?;
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(path),
            Err(error) => return Err(error),
        }
    }
}

/// Takes `pages` of 4 KiB off a file made by [`fill`], so that so much fits and no more.
///
/// # Errors
/// The file is not there.
pub fn make_room(filled: &Path, pages: u64) -> io::Result<()> {
    let file = File::options().write(true).open(filled)?;
    let size = file.metadata()?.len();
    file.set_len(size.saturating_sub(pages * 4096))
}

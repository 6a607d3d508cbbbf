//! The network namespace of one Sovereign, pinned by a file of ours.
//!
//! Entry point: [`Netns`]. The file is made by `unshare` in a folder of our own, not by `ip netns add`
//! in `/run/netns`: that one leaves a bind mount over the folder when the last namespace is gone, and
//! hides whatever was there when somebody else calls it later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

use crate::node::Layout;
use crate::problem::{Code, Result};
use crate::process::Invocation;

/// A network namespace could not be made or removed.
pub const NETNS: Code = Code::new(
    3230,
    "a network namespace could not be used",
    "Run as root on a Linux whose kernel has network namespaces (every usual one has).",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&NETNS];

/// Where the files live, and what is removed with the last of them.
const FOLDER: &str = "/run/catalyst/netns";

/// One named network namespace.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// The namespace of the Sovereign in this folder, called as its label; nothing is made yet.
    pub fn of(layout: &Layout) -> Self {
        Self { name: layout.label() }
    }

    /// A command run inside it, with the host's files.
    pub fn command(&self, program: &str) -> Invocation {
        let net = format!("--net={}", self.path().display());
        Invocation::new("nsenter").arg(net).arg(program)
    }

    /// The file that pins it.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Whether the file is there and a namespace is mounted on it.
    pub fn exists(&self) -> bool {
        let file = self.path();
        mounts_below(Path::new(FOLDER)).contains(&file)
    }

    /// Makes the namespace; harmless when it is there.
    ///
    /// # Errors
    /// CAT-3230, or CAT-3002 when `unshare` fails.
    pub async fn create(&self) -> Result<()> {
        if self.exists() {
            return Ok(());
        }
        let file = self.path();
        let made = fs::create_dir_all(FOLDER).and_then(|()| fs::write(&file, ""));
        made.map_err(|error| {
            NETNS.because(format!("cannot make `{}`: {error}", file.display())).source(error)
        })?;
        let net = format!("--net={}", file.display());
        Invocation::new("unshare").arg(net).arg("true").run().await?;
        Ok(())
    }

    /// Removes it, and the folder when it was the last; harmless when it is not there.
    ///
    /// # Errors
    /// CAT-3230 when the file is in use.
    pub fn remove(&self) -> Result<()> {
        let file = self.path();
        while self.exists() {
            unmount(&file, UnmountFlags::DETACH).map_err(|error| {
                NETNS.because(format!("cannot unmount `{}`: {error}", file.display())).source(error)
            })?;
        }
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let cause = format!("cannot remove `{}`: {error}", file.display());
                return Err(NETNS.because(cause).source(error));
            }
            _ => {}
        }
        // Both fail when something else is there, which is as it should be.
        let _ = fs::remove_dir(FOLDER);
        let _ = Path::new(FOLDER).parent().map(fs::remove_dir);
        Ok(())
    }
}

/// Lets go of every Sovereign's namespace in this process's own mount namespace.
pub(crate) fn forget_all() {
    for file in mounts_below(Path::new(FOLDER)) {
        // Not fatal: the namespace only lives on until this one ends.
        let _ = unmount(&file, UnmountFlags::DETACH);
    }
}

/// The mount points strictly below `folder` in this process's mount table.
fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split_whitespace().nth(4));
    points
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .filter(|point| point.starts_with(folder) && point != folder)
        .collect()
}

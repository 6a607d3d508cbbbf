//! The node's own view of the file system, made in its fresh mount namespace.
//!
//! Entry point: [`private_view`]. Kubernetes' programs write to `/run`, `/var/lib`, `/var/log` and
//! `/opt` in spite of every flag; here these are the Sovereign's own folders, so nothing lands on
//! the user's machine and two nodes never meet. Folders of ours that lie under a covered one (a
//! cache in `/var/lib`, say) are put back where they were.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};

use crate::netns::forget_all;
use crate::node::{NodeSpec, config};

/// A step of making the view failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`: {error}", path.display())]
pub struct Refused {
    doing: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// Makes the view. To be called once, in a mount namespace that nobody else is in.
///
/// # Errors
/// A mount or folder was refused.
pub fn private_view(spec: &NodeSpec) -> Result<(), Refused> {
    let root = Path::new("/");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(root, private).map_err(because("make private", root))?;
    // Other Sovereigns' namespaces must not live on because this one remembers their files.
    forget_all();
    // Pods may share what they mount with the node (and with nobody else).
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change(root, shared).map_err(because("make shared", root))?;
    let keeps = Kept::open(&keep_paths(spec))?;
    cover_with_memory(Path::new("/run"), &keeps)?;
    fs::create_dir_all("/run/netns").map_err(because("make", Path::new("/run/netns")))?;
    for (over, own) in spec.layout().covers() {
        // The host may lack the folder; an empty one changes nothing for it.
        let over = Path::new(over);
        for folder in [over, &own] {
            fs::create_dir_all(folder).map_err(because("make", folder))?;
        }
        // The source is opened before it may be covered itself.
        let own = Kept::open(&[own])?;
        mount_bind_recursive(own.source(0), over).map_err(because("cover", over))?;
        keeps.put_back(over)?;
    }
    let inner = Path::new("/var/lib/catalyst");
    fs::create_dir_all(inner).map_err(because("make", inner))
}

/// Puts the node's resolver and hosts in the place of the machine's; after their files are written.
///
/// # Errors
/// A mount was refused.
pub fn private_files(spec: &NodeSpec) -> Result<(), Refused> {
    for (over, own) in config::private_files(&spec.layout()) {
        let target = real_target(Path::new(over))?;
        mount_bind_recursive(&own, &target).map_err(because("cover", &target))?;
    }
    Ok(())
}

/// The file to cover: where a link leads, made empty when the new `/run` does not have it.
fn real_target(path: &Path) -> Result<PathBuf, Refused> {
    let target = match fs::read_link(path) {
        Ok(to) => path.parent().unwrap_or(Path::new("/")).join(to),
        Err(_) => path.to_owned(),
    };
    if !target.exists() {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(because("make", parent))?;
        }
        fs::write(&target, "").map_err(because("make", &target))?;
    }
    Ok(target)
}

fn cover_with_memory(over: &Path, keeps: &Kept) -> Result<(), Refused> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", over, "tmpfs", flags, c"mode=755").map_err(because("cover", over))?;
    let lock = over.join("lock");
    fs::create_dir_all(&lock).map_err(because("make", &lock))?;
    keeps.put_back(over)
}

/// Everything of ours that a node reads or writes, wherever the user keeps it.
fn keep_paths(spec: &NodeSpec) -> Vec<PathBuf> {
    let files = [&spec.outside_ca, &spec.boot.bearer_file, &spec.boot.ghcr_credentials_file];
    let folders = files.into_iter().flatten().filter_map(|file| file.parent());
    let mut all = vec![spec.folder.clone(), spec.cache.clone()];
    all.extend(folders.map(Path::to_owned));
    all.extend(spec.tools.catalyst.parent().map(Path::to_owned));
    all.retain(|path| path.exists());
    all
}

/// Folders held open, so that they can be reached after something was mounted over them.
struct Kept(Vec<(PathBuf, File)>);

impl Kept {
    fn open(paths: &[PathBuf]) -> Result<Self, Refused> {
        let hold = |path: &PathBuf| {
            let real = fs::canonicalize(path).map_err(because("find", path))?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let handle = open(&real, flags, Mode::empty()).map_err(because("open", &real))?;
            Ok((real, File::from(handle)))
        };
        Ok(Self(paths.iter().map(hold).collect::<Result<_, _>>()?))
    }

    fn source(&self, which: usize) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0[which].1.as_raw_fd()))
    }

    /// Binds the held folders that lie under `covered` to where they were.
    fn put_back(&self, covered: &Path) -> Result<(), Refused> {
        for (which, (path, _)) in self.0.iter().enumerate() {
            if path.starts_with(covered) {
                fs::create_dir_all(path).map_err(because("make", path))?;
                mount_bind_recursive(self.source(which), path)
                    .map_err(because("put back", path))?;
            }
        }
        Ok(())
    }
}

fn because<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Refused {
    let path = path.to_owned();
    move |error| Refused { doing, path, error: error.into() }
}

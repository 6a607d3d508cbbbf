//! Folders of 0700, files of 0600, and replacing a file so that a crash leaves the old or the new.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::Error;

/// Makes `path` and its parents as folders only we can read, with names that survive a crash.
pub(crate) fn private_dir(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Folder { path: path.to_owned(), source };
    let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    for made in missing {
        sync_dir_of(made).map_err(failed)?;
    }
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Fails unless a file can be made, synced and removed in `dir`.
pub(crate) fn probe(dir: &Path) -> Result<(), Error> {
    let path = dir.join(".write-probe");
    replace(&path, b"probe")?;
    fs::remove_file(&path).map_err(|source| Error::Write { path, source })
}

/// Opens a file for writing that only we can read; it must not exist when `fresh`.
pub(crate) fn private_file(path: &Path, fresh: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    if fresh {
        options.create_new(true)
    } else {
        options.create(true).truncate(true)
    };
    options.open(path)
}

/// Replaces the file at `path` as a whole: a temporary file beside it, synced, renamed over it,
/// and the folder synced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary_of(path);
    let done = (|| {
        let mut file = private_file(&temporary, false)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_dir_of(path)
    })();
    done.map_err(|source| {
        // What is left of the temporary file is of no use; its removal is only tidiness.
        fs::remove_file(&temporary).ok();
        Error::Write { path: path.to_owned(), source }
    })
}

/// Makes a rename or a new file in `path`'s folder durable.
pub(crate) fn sync_dir_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// The name a file has until it is whole.
pub(crate) fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Removes what a crash may have left of files that never became whole.
pub(crate) fn remove_leftovers(dir: &Path) -> Result<(), Error> {
    let failed = |source| Error::Read { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            fs::remove_file(entry.path())
                .map_err(|source| Error::Write { path: entry.path(), source })?;
        }
    }
    Ok(())
}

/// Runs disk work away from the tasks that wait for it.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::CutOff)?
}

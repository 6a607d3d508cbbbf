//! Every file operation of the log, behind one trait: the log's order of writes and syncs is then
//! provable on a disk that forgets, tears and reorders ([`RealDisk`] is the one that does not).

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, FlockOperation, fallocate, flock, fstatvfs},
    io::Errno,
};

/// A folder of files, as the log needs it. Names are plain file names.
pub trait Disk: Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// The names of all files.
    ///
    /// # Errors
    /// The folder could not be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file for reading and writing; an old one of that name is emptied.
    ///
    /// # Errors
    /// The file could not be made.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// The file is not there or could not be opened.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, replacing what has it; durable after [`Disk::sync_folder`].
    ///
    /// # Errors
    /// The file could not be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; durable after [`Disk::sync_folder`].
    ///
    /// # Errors
    /// The file could not be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes new names, renames and removals durable.
    ///
    /// # Errors
    /// Nobody knows which of them are.
    fn sync_folder(&self) -> io::Result<()>;

    /// Bytes that can still be written in the folder.
    ///
    /// # Errors
    /// The file system did not say.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// One open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The file system did not say.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// The file system did not say.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Reads up to `into.len()` bytes from `at` on; fewer only at the end.
    ///
    /// # Errors
    /// The bytes could not be read.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `at`; durable after [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// Any part of them may be written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes what was written, and the length, durable.
    ///
    /// # Errors
    /// Nobody knows what is; it must never be tried again.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the file `len` bytes long, its space taken, new bytes zero.
    ///
    /// # Errors
    /// There is no space for it.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// The file could not be cut.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// A folder of this machine, for this process alone as long as the value lives.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    _lock: File,
}

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has it.
    #[error("another process uses the ledger in `{}`", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It could not be made, opened or locked.
    #[error("cannot prepare the ledger's folder `{}`", path.display())]
    Prepare {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RealDisk {
    /// The lock's file.
    pub const LOCK: &'static str = "LOCK";

    /// Makes the folder where it is missing, ours alone (0700), and locks it until the value is
    /// dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// Another process has the folder, or it could not be prepared.
    pub fn lock(dir: &Path) -> Result<Self, DiskError> {
        let prepare = |source| DiskError::Prepare { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(prepare)?;
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(prepare)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join(Self::LOCK))
            .map_err(prepare)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(DiskError::Locked { path: dir.to_owned() }),
            Err(errno) => Err(prepare(errno.into())),
        }
    }
}

impl Disk for RealDisk {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        options.open(self.dir.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.dir.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let system = fstatvfs(&self._lock)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match FileExt::read_at(self, &mut into[read..], at + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(fallocate(self, FallocateFlags::empty(), 0, len)?)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

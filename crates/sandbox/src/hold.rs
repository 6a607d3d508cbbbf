//! One process at a time: an advisory lock on a file, held until dropped or until the process ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::problem::{self, Result};

/// How often the lock of another process is tried.
const POLL: Duration = Duration::from_millis(500);

/// The hold itself. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Hold {
    file: Arc<File>,
}

impl Hold {
    /// Takes the hold at once, or says that another process has it.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => sign(&mut file).map_err(|error| problem::file("write", path, error))?,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(problem::file("lock", path, error)),
        }
        Ok(Some(Self { file: Arc::new(file) }))
    }

    /// The locked file, for a child process that must keep the hold when we are killed.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Waits for the hold. `waiting` is told the holder's process id, if it left one, each time
    /// that another process is found to have it.
    ///
    /// # Errors
    /// CAT-3000.
    pub async fn take(path: &Path, waiting: &(dyn Fn(Option<u32>) + Send + Sync)) -> Result<Self> {
        let mut said = None;
        loop {
            if let Some(hold) = Self::try_take(path)? {
                return Ok(hold);
            }
            let holder = holder(path);
            if said != Some(holder) {
                said = Some(holder);
                waiting(holder);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| problem::file("open", path, error))
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).and_then(|mut file| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::process::Invocation;

    #[tokio::test]
    async fn a_child_with_the_file_keeps_the_hold_after_its_parent_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let hold = Hold::try_take(&path).unwrap().unwrap();
        let child = Invocation::new("/bin/sleep").arg("0.4").stdin_file(hold.file());
        drop(hold);
        let (ended, taken) = tokio::join!(child.run(), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Hold::try_take(&path).unwrap().is_some()
        });
        ended.unwrap();
        assert!(!taken, "the child still had it");
        drop(child);
        assert!(Hold::try_take(&path).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_second_taker_waits_for_the_first_and_is_told_for_whom() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let said = Mutex::new(Vec::new());
        let waiting = |holder| said.lock().unwrap().push(holder);
        let first = Hold::try_take(&path).unwrap().unwrap();
        assert!(Hold::try_take(&path).unwrap().is_none());
        {
            let second = Hold::take(&path, &waiting);
            tokio::pin!(second);
            let soon = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
            assert!(soon.is_err(), "the lock is held");
            drop(first);
            second.await.unwrap();
        }
        assert_eq!(*said.lock().unwrap(), [Some(std::process::id())]);
    }
}

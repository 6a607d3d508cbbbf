//! Answers kept by the hash of everything they depend on.
//!
//! A file is written beside its name and renamed, so that a reader never sees half of one. What
//! cannot be read or written is as good as absent: the cache is a matter of speed alone.

use std::path::{Path, PathBuf};

use super::wire::Answer;

/// A folder of answers.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// A cache in `folder`, which is made when needed.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(super) fn get(&self, key: &str) -> Option<Answer> {
        let bytes = std::fs::read(self.path(key)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn put(&self, key: &str, answer: &Answer) {
        let path = self.path(key);
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder)?;
            let aside = folder.join(format!("{key}.{}", std::process::id()));
            std::fs::write(&aside, serde_json::to_vec(answer)?)?;
            std::fs::rename(aside, &path)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "an answer of the renderer is not kept");
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(format!("{key}.json"))
    }
}

//! The files of a Flux tree, read when asked for and kept.
//!
//! Entry point: [`Tree::open`]. Paths are relative to the tree and use `/`. A link is followed only
//! while it stays inside; nothing is ever written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::render::bounds::normal;
use crate::yaml::{Loaded, load};

/// Bytes of one file that are read; more is refused.
const MAX_FILE: u64 = 100 << 20;
/// Files of one listing; more is a tree that nobody meant.
const MAX_FILES: usize = 100_000;
/// Folders that are never part of a Flux tree.
pub(crate) const SKIPPED: [&str; 3] = [".git", "node_modules", "target"];

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// It is not there.
    #[error("`{0}` is not there")]
    Missing(String),
    /// It is outside of the tree, or a link that leads there.
    #[error("`{0}` leads out of the tree")]
    Escapes(String),
    /// It is too large.
    #[error("`{path}` has {bytes} bytes; more than {MAX_FILE} are not read")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// There are too many files.
    #[error("`{0}` holds more than {MAX_FILES} files")]
    TooMany(String),
    /// The disk refuses.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
}

/// One file.
#[derive(Debug, Default)]
pub struct SourceFile {
    /// Its path in the tree.
    pub path: Arc<str>,
    /// Its content.
    pub bytes: Vec<u8>,
    loaded: OnceLock<Loaded>,
}

impl SourceFile {
    /// Its YAML, read once.
    pub fn yaml(&self) -> &Loaded {
        self.loaded.get_or_init(|| load(&self.bytes))
    }

    /// Its text; what is not UTF-8 is replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// One line, counted from 1, without its end.
    pub fn line(&self, number: u32) -> Option<String> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let line = self.bytes.split(|byte| *byte == b'\n').nth(at)?;
        Some(String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
    }
}

/// A name below a folder; the empty folder is the tree itself.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Every file below, sorted.
    pub files: Vec<String>,
    /// Links that lead out of the tree, sorted.
    pub escapes: Vec<String>,
    /// Links to folders of the tree, sorted; what is in those is not listed.
    pub linked: Vec<String>,
}

/// The files of a repository.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    kept: Mutex<BTreeMap<String, Arc<SourceFile>>>,
}

impl Tree {
    /// Opens the tree at `root`, a folder.
    ///
    /// # Errors
    /// [`TreeError::Missing`] when there is no such folder.
    pub fn open(root: &Path) -> Result<Self, TreeError> {
        let shown = root.display().to_string();
        let root = root.canonicalize().map_err(|_| TreeError::Missing(shown.clone()))?;
        if !root.is_dir() {
            return Err(TreeError::Missing(shown));
        }
        Ok(Self { root, kept: Mutex::default() })
    }

    /// The folder on the disk.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the tree is on the disk.
    pub fn disk(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Reads a file, once.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn file(&self, path: &str) -> Result<Arc<SourceFile>, TreeError> {
        let clean = normal("", path).ok_or_else(|| TreeError::Escapes(path.to_owned()))?;
        if let Some(known) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&clean) {
            return Ok(known.clone());
        }
        let real = self.real(&clean)?;
        let unreadable = |error: std::io::Error| TreeError::Unreadable {
            path: clean.clone(),
            reason: error.to_string(),
        };
        let meta = std::fs::metadata(&real).map_err(unreadable)?;
        if !meta.is_file() {
            return Err(TreeError::Missing(clean));
        }
        if meta.len() > MAX_FILE {
            return Err(TreeError::TooLarge { path: clean, bytes: meta.len() });
        }
        let bytes = std::fs::read(&real).map_err(unreadable)?;
        let file =
            Arc::new(SourceFile { path: clean.as_str().into(), bytes, loaded: OnceLock::new() });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.entry(clean).or_insert(file).clone())
    }

    /// Whether a file is there and inside.
    pub fn has(&self, path: &str) -> bool {
        normal("", path).is_some_and(|clean| self.real(&clean).is_ok_and(|real| real.is_file()))
    }

    /// Lists a folder with everything below it.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn list(&self, folder: &str) -> Result<Listing, TreeError> {
        let clean = normal("", folder).ok_or_else(|| TreeError::Escapes(folder.to_owned()))?;
        let mut listing = Listing::default();
        self.list_into(&clean, 0, &mut listing)?;
        listing.files.sort();
        listing.escapes.sort();
        listing.linked.sort();
        Ok(listing)
    }

    fn list_into(&self, folder: &str, depth: usize, into: &mut Listing) -> Result<(), TreeError> {
        let at = self.real(folder)?;
        let unreadable = |error: std::io::Error| TreeError::Unreadable {
            path: folder.to_owned(),
            reason: error.to_string(),
        };
        for entry in std::fs::read_dir(at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = join(folder, &name);
            let Ok(real) = self.real(&path) else {
                into.escapes.push(path);
                continue;
            };
            if real.is_dir() {
                let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                // A linked folder could hold itself.
                if linked {
                    into.linked.push(path);
                } else if !SKIPPED.contains(&name.as_str()) && depth < 64 {
                    self.list_into(&path, depth + 1, into)?;
                }
            } else {
                into.files.push(path);
            }
            if into.files.len() > MAX_FILES {
                return Err(TreeError::TooMany(folder.to_owned()));
            }
        }
        Ok(())
    }

    /// The real path, if it is inside.
    fn real(&self, clean: &str) -> Result<PathBuf, TreeError> {
        let joined = self.root.join(clean);
        match joined.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => Ok(real),
            Ok(_) => Err(TreeError::Escapes(clean.to_owned())),
            Err(_) if joined.is_symlink() => Err(TreeError::Escapes(clean.to_owned())),
            Err(_) => Err(TreeError::Missing(clean.to_owned())),
        }
    }
}

//! A copy of a tree to try edits on, and the writing of all files or none.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{NamedTempFile, TempDir};

use super::{Changed, Refused};
use crate::tree::{SKIPPED, Tree};

/// A copy of a tree; files that nothing changes are shared with it where the disk can.
pub(super) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Copies a tree.
    pub(super) fn of(tree: &Tree) -> Result<Self, Refused> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| Refused::Copy { path, source }
        };
        let folder = TempDir::with_prefix("catalyst-kit-").map_err(failed(tree.root()))?;
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let from = tree.root().join(&below);
            for entry in std::fs::read_dir(&from).map_err(failed(&from))? {
                let entry = entry.map_err(failed(&from))?;
                let name = below.join(entry.file_name());
                let (from, to) = (entry.path(), folder.path().join(&name));
                let kind = entry.file_type().map_err(failed(&from))?;
                if kind.is_dir() {
                    if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                        std::fs::create_dir(&to).map_err(failed(&from))?;
                        open.push(name);
                    }
                } else if kind.is_symlink() {
                    let target = std::fs::read_link(&from).map_err(failed(&from))?;
                    std::os::unix::fs::symlink(target, &to).map_err(failed(&from))?;
                } else if kind.is_file() && std::fs::hard_link(&from, &to).is_err() {
                    std::fs::copy(&from, &to).map_err(failed(&from))?;
                }
            }
        }
        Ok(Self { folder })
    }

    /// The copy, read anew.
    pub(super) fn tree(&self) -> Result<Arc<Tree>, Refused> {
        Ok(Arc::new(Tree::open(self.folder.path())?))
    }

    /// Puts changed files in.
    pub(super) fn put(&self, files: &[Changed]) -> Result<(), Refused> {
        files.iter().try_for_each(|file| self.replace(&file.path, &file.after))
    }

    /// Puts the files in as they were.
    pub(super) fn take_back(&self, files: &[Changed]) -> Result<(), Refused> {
        files.iter().try_for_each(|file| self.replace(&file.path, &file.before))
    }

    /// Never writes through a link: the file may be the tree's own.
    fn replace(&self, path: &str, text: &str) -> Result<(), Refused> {
        let failed = |source| Refused::Copy { path: path.to_owned(), source };
        let real = self.folder.path().join(path).canonicalize().map_err(failed)?;
        if !real.starts_with(self.folder.path().canonicalize().map_err(failed)?) {
            return Err(failed(std::io::ErrorKind::PermissionDenied.into()));
        }
        std::fs::remove_file(&real).and_then(|()| std::fs::write(&real, text)).map_err(failed)
    }
}

/// Why a plan was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file is not as it was when the plan was made.
    #[error("`{0}` has changed meanwhile; nothing is written")]
    Moved(String),
    /// A file cannot be written.
    #[error("`{path}` cannot be written; nothing is changed")]
    Write {
        /// The file.
        path: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written, and others cannot be put back.
    #[error("`{path}` cannot be written, and these could not be put back: {changed}")]
    Torn {
        /// The file.
        path: String,
        /// Files that stay changed.
        changed: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
}

/// Writes all files or none: each beside its name, and then renamed one after the other; if one
/// cannot be renamed, those before it are put back.
pub(super) fn write(tree: &Tree, files: &[Changed]) -> Result<(), WriteError> {
    let mut ready = Vec::new();
    for file in files {
        let failed = |source| WriteError::Write { path: file.path.clone(), source };
        let real = tree.disk(&file.path).canonicalize().map_err(failed)?;
        if std::fs::read(&real).map_err(failed)? != file.before.as_bytes() {
            return Err(WriteError::Moved(file.path.clone()));
        }
        ready.push((file, beside(&real, &file.after).map_err(failed)?, real));
    }
    let mut done: Vec<(&Changed, PathBuf)> = Vec::new();
    for (file, new, real) in ready {
        if let Err(error) = new.persist(&real) {
            let path = file.path.clone();
            let stuck: Vec<&str> = done
                .iter()
                .filter(|(file, real)| put_back(file, real).is_err())
                .map(|(file, _)| file.path.as_str())
                .collect();
            let source = error.error;
            return Err(if stuck.is_empty() {
                WriteError::Write { path, source }
            } else {
                WriteError::Torn { path, changed: stuck.join(", "), source }
            });
        }
        done.push((file, real));
    }
    Ok(())
}

fn put_back(file: &Changed, real: &Path) -> std::io::Result<()> {
    beside(real, &file.before)?.persist(real).map(drop).map_err(|error| error.error)
}

/// A file with new content in the same folder, with the rights of the one it replaces.
fn beside(real: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let folder = real.parent().unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::with_prefix_in(".catalyst-bump-", folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::metadata(real)?.permissions())?;
    file.as_file().sync_all()?;
    // What the disk holds is what was meant, before anything is renamed.
    let mut held = Vec::new();
    std::fs::File::open(file.path())?.read_to_end(&mut held)?;
    if held != text.as_bytes() {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str, before: &str, after: &str) -> Changed {
        Changed { path: path.into(), before: before.into(), after: after.into() }
    }

    fn tree() -> (TempDir, Tree) {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        for path in ["a", "in/b"] {
            std::fs::write(folder.path().join(path), "1\n").unwrap();
        }
        let tree = Tree::open(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn nothing_is_written_when_one_file_cannot_be() {
        let (folder, tree) = tree();
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
        for bad in [changed("in/b", "other\n", "2\n"), changed("in/none", "1\n", "2\n")] {
            write(&tree, &[changed("a", "1\n", "2\n"), bad]).unwrap_err();
            assert_eq!((read("a"), read("in/b")), ("1\n".to_owned(), "1\n".to_owned()));
        }
        assert_eq!(std::fs::read_dir(folder.path().join("in")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_rights_and_its_link() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, tree) = tree();
        let real = folder.path().join("in/b");
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("in/b", folder.path().join("link")).unwrap();
        write(&tree, &[changed("link", "1\n", "2\n")]).unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "2\n");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o750);
        assert!(folder.path().join("link").is_symlink());
    }

    #[test]
    fn a_copy_never_writes_into_the_tree() {
        let (folder, tree) = tree();
        let stage = Stage::of(&tree).unwrap();
        stage.put(&[changed("a", "1\n", "2\n")]).unwrap();
        assert_eq!(stage.tree().unwrap().file("a").unwrap().bytes, b"2\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("a")).unwrap(), "1\n");
    }
}

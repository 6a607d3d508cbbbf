//! Unpacks a source artifact (a gzipped tar) into a folder, and nowhere else.
//!
//! Entry point: [`unpack`]. Only plain files and folders are accepted: a Flux artifact holds
//! nothing else, so a link or a device in one is a sign of tampering and refused by name.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bounds of what is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Number of entries.
    pub entries: u64,
}

impl Default for Limits {
    /// 256 MiB in 50,000 entries: a kit's repository is two orders of magnitude smaller.
    fn default() -> Self {
        Self { total_bytes: 256 << 20, entries: 50_000 }
    }
}

/// Why an artifact was not unpacked. Files written before the fault stay in the folder.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The digest is not one of SHA-256.
    #[error("the artifact's digest `{0}` is not of the form `sha256:<64 hexadecimal digits>`")]
    DigestForm(String),
    /// The content is not what the digest promises.
    #[error("the artifact's digest is {actual}, but {expected} was announced")]
    DigestMismatch {
        /// The announced digest.
        expected: String,
        /// The digest of the content.
        actual: String,
    },
    /// The stream is not a gzipped tar.
    #[error("the artifact cannot be read as a gzipped tar")]
    Corrupt(#[source] std::io::Error),
    /// An entry would be written outside the folder.
    #[error("entry `{0}` leads out of the folder")]
    Escapes(String),
    /// An entry is neither file nor folder.
    #[error("entry `{0}` is neither a file nor a folder")]
    Kind(String),
    /// The content is larger than allowed.
    #[error("the artifact unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// The artifact has more entries than allowed.
    #[error("the artifact has more than {0} entries")]
    TooMany(u64),
    /// The folder cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
}

/// Checks `bytes` against `digest` (`sha256:<hex>`).
///
/// # Errors
/// [`ArchiveError::DigestForm`] and [`ArchiveError::DigestMismatch`].
pub fn verify(bytes: &[u8], digest: &str) -> Result<(), ArchiveError> {
    let expected = digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        .ok_or_else(|| ArchiveError::DigestForm(digest.chars().take(80).collect()))?;
    let actual = hex::encode(Sha256::digest(bytes));
    if actual.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        let actual = format!("sha256:{actual}");
        Err(ArchiveError::DigestMismatch { expected: digest.to_owned(), actual })
    }
}

/// Unpacks a gzipped tar into `folder`, which must exist and be the caller's own.
///
/// Blocks on files; call it where blocking is allowed.
///
/// # Errors
/// See [`ArchiveError`].
pub fn unpack(bytes: &[u8], folder: &Path, limits: Limits) -> Result<(), ArchiveError> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut room = limits.total_bytes;
    for (number, entry) in (1..).zip(archive.entries().map_err(ArchiveError::Corrupt)?) {
        if number > limits.entries {
            return Err(ArchiveError::TooMany(limits.entries));
        }
        let entry = entry.map_err(ArchiveError::Corrupt)?;
        let name = entry.path().map_err(ArchiveError::Corrupt)?.into_owned();
        let shown = name.display().to_string();
        let target = folder.join(inside(&name).ok_or(ArchiveError::Escapes(shown.clone()))?);
        let write = |source| ArchiveError::Write { path: target.clone(), source };
        match entry.header().entry_type() {
            tar::EntryType::Directory => std::fs::create_dir_all(&target).map_err(write)?,
            tar::EntryType::Regular => {
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent).map_err(write)?;
                }
                let mut file = std::fs::File::create(&target).map_err(write)?;
                let copied = std::io::copy(&mut entry.take(room + 1), &mut file);
                let copied = copied.map_err(ArchiveError::Corrupt)?;
                room =
                    room.checked_sub(copied).ok_or(ArchiveError::TooLarge(limits.total_bytes))?;
            }
            tar::EntryType::XGlobalHeader => {}
            _ => return Err(ArchiveError::Kind(shown)),
        }
    }
    // The checksum stands at the stream's end, behind the archive's own end mark.
    let mut tail = archive.into_inner().take(limits.total_bytes);
    std::io::copy(&mut tail, &mut std::io::sink()).map_err(ArchiveError::Corrupt)?;
    Ok(())
}

/// The path without `.`, or nothing if it is absolute or climbs.
fn inside(path: &Path) -> Option<PathBuf> {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| if let Component::Normal(name) = part { Some(name) } else { None })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&builder.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    #[test]
    fn files_and_folders_arrive() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = packed(|b| file(b, "./clusters/kit/a.yaml", b"a: 1\n"));
        unpack(&bytes, folder.path(), Limits::default()).unwrap();
        let read = std::fs::read_to_string(folder.path().join("clusters/kit/a.yaml")).unwrap();
        assert_eq!(read, "a: 1\n");
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        for name in ["../evil", "a/../../evil", "/evil"] {
            let refused = unpack(&packed(|b| file(b, name, b"x")), &folder, Limits::default());
            assert!(matches!(refused, Err(ArchiveError::Escapes(_))), "{name}: {refused:?}");
        }
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
            let bytes = packed(|b| {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(kind);
                header.set_size(0);
                b.append_link(&mut header, "link", "/etc").unwrap();
            });
            let refused = unpack(&bytes, folder.path(), Limits::default());
            assert!(matches!(refused, Err(ArchiveError::Kind(_))), "{refused:?}");
        }
    }

    #[test]
    fn size_and_number_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = packed(|b| {
            file(b, "a", &[0; 600]);
            file(b, "b", &[0; 600]);
        });
        let small = Limits { total_bytes: 1000, entries: 10 };
        let refused = unpack(&bytes, folder.path(), small);
        assert!(matches!(refused, Err(ArchiveError::TooLarge(1000))), "{refused:?}");
        let few = Limits { total_bytes: 10_000, entries: 1 };
        assert!(matches!(unpack(&bytes, folder.path(), few), Err(ArchiveError::TooMany(1))));
    }

    #[test]
    fn a_torn_or_altered_artifact_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = packed(|b| file(b, "a", &[7; 5000]));
        let torn = unpack(&bytes[..bytes.len() - 10], folder.path(), Limits::default());
        assert!(matches!(torn, Err(ArchiveError::Corrupt(_))), "{torn:?}");
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        verify(&bytes, &digest).unwrap();
        let other = verify(b"other", &digest);
        assert!(matches!(other, Err(ArchiveError::DigestMismatch { .. })), "{other:?}");
        assert!(matches!(verify(b"x", "md5:00"), Err(ArchiveError::DigestForm(_))));
    }
}

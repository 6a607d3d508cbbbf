//! Writes a tree as one layer: USTAR, sorted, no times, gzip with a fixed header.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::tree::{Node, Source, Tree};

/// The gzip header's word for "unknown system", the same everywhere.
const GZIP_UNKNOWN_OS: u8 = 255;

/// A layer on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The compressed file.
    pub(crate) path: PathBuf,
    /// SHA-256 of the compressed bytes, in hexadecimal.
    pub(crate) digest: String,
    /// SHA-256 of the archive inside, in hexadecimal.
    pub(crate) diff_id: String,
    /// Compressed size in bytes.
    pub(crate) size: u64,
}

/// Writes `tree` to `path`.
pub(super) fn write(tree: &Tree, path: &Path) -> io::Result<Layer> {
    let file = Hashing::new(BufWriter::with_capacity(1 << 18, File::create(path)?));
    let gzip = GzBuilder::new().mtime(0).operating_system(GZIP_UNKNOWN_OS);
    // Layers travel over loopback only: speed matters more than size.
    let mut archive = tar::Builder::new(Hashing::new(gzip.write(file, Compression::fast())));
    for (path, node) in tree.iter() {
        append(&mut archive, path, node).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot pack `/{path}`: {error}"))
        })?;
    }
    let (gzip, diff_id, _) = archive.into_inner()?.finish();
    let (mut file, digest, size) = gzip.finish()?.finish();
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(Layer { path: path.to_owned(), digest, diff_id, size })
}

fn append<W: Write>(archive: &mut tar::Builder<W>, path: &str, node: &Node) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mtime(0);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    match node {
        Node::Dir { mode, uid, gid } => {
            header.set_entry_type(EntryType::Directory);
            header.set_path(format!("{path}/"))?;
            header.set_mode(*mode);
            header.set_uid((*uid).into());
            header.set_gid((*gid).into());
            header.set_cksum();
            archive.append(&header, io::empty())
        }
        Node::Link { to } => {
            header.set_entry_type(EntryType::Symlink);
            header.set_path(path)?;
            header.set_link_name(to)?;
            header.set_mode(0o777);
            header.set_cksum();
            archive.append(&header, io::empty())
        }
        Node::File { source, mode } => {
            header.set_entry_type(EntryType::Regular);
            header.set_path(path)?;
            header.set_mode(*mode);
            match source {
                Source::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    header.set_cksum();
                    archive.append(&header, bytes.as_slice())
                }
                Source::Path(from) => {
                    let file = File::open(from)?;
                    let size = file.metadata()?.len();
                    header.set_size(size);
                    header.set_cksum();
                    // A file that grows meanwhile must not spill into the next header.
                    archive.append(&header, file.take(size))
                }
            }
        }
    }
}

/// Counts and hashes what goes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn finish(self) -> (W, String, u64) {
        (self.inner, hex::encode(self.hash.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_reads_back_with_owners_modes_and_no_times() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        tree.file("/a/b", Source::Bytes(b"text".to_vec()), 0o640).unwrap();
        tree.dir("/data", 0o1777, 1000, 1001).unwrap();
        tree.link("/sh", "a/b").unwrap();
        let layer = write(&tree, &dir.path().join("layer")).unwrap();
        let bytes = std::fs::read(&layer.path).unwrap();
        assert_eq!(layer.size, bytes.len() as u64);
        assert_eq!(layer.digest, hex::encode(Sha256::digest(&bytes)));
        assert_eq!(bytes[4..8], [0; 4], "no time in the gzip header");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        assert_eq!(layer.diff_id, hex::encode(Sha256::digest(&plain)));
        let mut archive = tar::Archive::new(plain.as_slice());
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 0);
                assert!(header.as_ustar().is_some());
                format!(
                    "{} {:o} {}:{}",
                    entry.path().unwrap().display(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap()
                )
            })
            .collect();
        assert_eq!(seen, ["a/ 755 0:0", "a/b 640 0:0", "data/ 1777 1000:1001", "sh 777 0:0"]);
    }
}

//! Writes a chart's archive again, without the time of packing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, EntryType, Header};

/// The gzip header's word for "unknown system", the same everywhere.
const GZIP_UNKNOWN_OS: u8 = 255;

/// The archive's files in its own order, owned by root, without times.
pub(super) fn without_times(archive: &Path) -> io::Result<Vec<u8>> {
    let mut source = Archive::new(GzDecoder::new(File::open(archive)?));
    let gzip = GzBuilder::new().mtime(0).operating_system(GZIP_UNKNOWN_OS);
    let mut target = Builder::new(gzip.write(Vec::new(), Compression::best()));
    for entry in source.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(io::Error::other("a chart's archive holds something that is no file"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(entry.path()?)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        target.append(&header, bytes.as_slice())?;
    }
    let mut gzip = target.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

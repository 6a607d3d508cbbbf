//! A segment's name and header: which replica, which epoch, and what came before it.

use crate::id::{Epoch, ReplicaId, Seq};

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 128;

const MAGIC: &[u8; 8] = b"CATLEDG1";
const VERSION: u16 = 1;

/// What the first bytes of a segment say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The segment's number; the first is 1.
    pub(crate) number: u64,
    pub(crate) replica: ReplicaId,
    pub(crate) epoch: Epoch,
    /// The number of the segment's first record.
    pub(crate) first: Seq,
    /// Bytes that the segment before used; 0 for the first.
    pub(crate) previous_used: u64,
    /// CRC-32C of those bytes.
    pub(crate) previous_crc: u32,
    /// How many records at the head repeat what earlier segments said.
    pub(crate) carried: u32,
}

impl Header {
    /// The header's bytes.
    pub(crate) fn write(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let name = self.replica.as_str().as_bytes();
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&(name.len() as u16).to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.first.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.previous_used.to_le_bytes());
        out[48..52].copy_from_slice(&self.previous_crc.to_le_bytes());
        out[52..56].copy_from_slice(&self.carried.to_le_bytes());
        out[64..64 + name.len()].copy_from_slice(name);
        let crc = checksum(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` when the bytes are not exactly one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        if &bytes[..8] != MAGIC || checksum(bytes).to_le_bytes() != bytes[12..16] {
            return None;
        }
        let long = |at: usize| Some(u64::from_le_bytes(bytes[at..at + 8].try_into().ok()?));
        let word = |at: usize| Some(u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?));
        let name_bytes = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
        let name = std::str::from_utf8(bytes.get(64..64 + name_bytes)?).ok()?;
        let header = Self {
            number: long(16)?,
            replica: name.parse().ok()?,
            epoch: Epoch(long(24)?),
            first: Seq(long(32)?),
            previous_used: long(40)?,
            previous_crc: word(48)?,
            carried: word(52)?,
        };
        (u16::from_le_bytes([bytes[8], bytes[9]]) == VERSION).then_some(header)
    }

    /// What the checksum of each of the segment's frames begins with.
    pub(crate) fn salt(bytes: &[u8; HEADER_BYTES]) -> u32 {
        checksum(bytes)
    }
}

fn checksum(bytes: &[u8; HEADER_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// A whole segment's file name.
pub(crate) fn name(number: u64) -> String {
    format!("{number:012}.seg")
}

/// The name of a segment that is not yet whole.
pub(crate) fn unfinished_name(number: u64) -> String {
    format!("{number:012}.tmp")
}

/// The number of the segment a file name is of.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

/// Whether a file is what a crash left of a segment that never became whole.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            number: 3,
            replica: "gateway-0".parse().unwrap(),
            epoch: Epoch(2),
            first: Seq(17),
            previous_used: 4_000,
            previous_crc: 0xDEAD_BEEF,
            carried: 4,
        }
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_no_header() {
        let bytes = header().write();
        assert_eq!(Header::read(&bytes), Some(header()));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn only_a_segments_own_name_is_one() {
        assert_eq!(number_of(&name(7)), Some(7));
        for other in ["7.seg", "LOCK", "000000000007.tmp", "00000000000x.seg", "lost+found"] {
            assert_eq!(number_of(other), None, "{other}");
        }
        assert!(is_unfinished(&unfinished_name(7)));
    }
}

//! How records lie in a segment: frames with length, checksum, number and place in their batch.
//!
//! One batch is one write and one sync, and the next is written only after that. So when a frame
//! is bad, what follows tells why: nothing, or frames of the same batch, mean a write that never
//! finished; a frame of a later batch means that this one was durable once and is damaged.
//!
//! Layout, little endian: `u8` mark, `u8` kind, `u16` payload bytes, `u32` CRC-32C, `u64` number,
//! `u16` place in the batch, `u8` flags, `u8` zero, payload. The checksum begins with the
//! segment's own, so a frame is good in its segment only.

use crate::{
    id::Seq,
    record::{MAX_PAYLOAD_BYTES, Record},
};

/// Bytes before a payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 20;

/// Bytes of the longest frame.
pub(crate) const MAX_FRAME_BYTES: usize = FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES;

/// Records in one batch at most; its places are 16 bits.
pub(crate) const MAX_BATCH_RECORDS: usize = 60_000;

const MARK: u8 = 0xC7;
const CARRIED: u8 = 1;

/// A record with what its frame says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) seq: Seq,
    /// Its place in its batch, from 0.
    pub(crate) place: u16,
    /// Whether it repeats, at the head of a segment, what earlier segments said.
    pub(crate) carried: bool,
    pub(crate) record: Record,
}

impl Frame {
    /// Appends the frame's bytes to `out`.
    pub(crate) fn write(&self, salt: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[MARK, self.record.kind(), 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&self.seq.0.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(&[if self.carried { CARRIED } else { 0 }, 0]);
        self.record.write(out);
        let payload = (out.len() - start - FRAME_HEADER_BYTES) as u16;
        out[start + 2..start + 4].copy_from_slice(&payload.to_le_bytes());
        let crc = checksum(&out[start..], salt);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the frame at the beginning of `bytes` and says where it ends; `None` when there is
    /// none.
    pub(crate) fn read(bytes: &[u8], salt: u32) -> Option<(Self, usize)> {
        if *bytes.first()? != MARK {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let payload_bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if payload_bytes > MAX_PAYLOAD_BYTES || head[18] > CARRIED || head[19] != 0 {
            return None;
        }
        let payload = rest.get(..payload_bytes)?;
        let end = FRAME_HEADER_BYTES + payload_bytes;
        let crc = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if checksum(&bytes[..end], salt) != crc {
            return None;
        }
        let seq = Seq(u64::from_le_bytes(head[8..16].try_into().ok()?));
        let place = u16::from_le_bytes([head[16], head[17]]);
        let record = Record::read(head[1], payload)?;
        Some((Self { seq, place, carried: head[18] == CARRIED, record }, end))
    }

    /// The number of the first record of its batch.
    fn batch(&self) -> Seq {
        Seq(self.seq.0.saturating_sub(u64::from(self.place)))
    }
}

fn checksum(frame: &[u8], salt: u32) -> u32 {
    let crc = crc32c::crc32c_append(salt, &frame[..4]);
    crc32c::crc32c_append(crc, &frame[8..])
}

/// What is wrong, if anything, where the frames of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Only zeros follow: the log ends here.
    Clean,
    /// A batch whose write never finished: nobody was told that it is there.
    Torn,
    /// Something that was durable is no longer what it was.
    Damaged,
}

/// Says what `rest`, which does not begin with the frame numbered `expected`, means.
pub(crate) fn judge(rest: &[u8], expected: Seq, salt: u32) -> Rest {
    let Some(first) = rest.iter().position(|byte| *byte != 0) else { return Rest::Clean };
    for at in first..rest.len() {
        let Some((frame, _)) = Frame::read(&rest[at..], salt) else { continue };
        if frame.batch() > expected || frame.carried {
            return Rest::Damaged;
        }
    }
    Rest::Torn
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::tests::any_record;

    fn frame(seq: u64, place: u16) -> Frame {
        Frame { seq: Seq(seq), place, carried: false, record: Record::Nothing }
    }

    proptest! {
        #[test]
        fn a_frame_with_any_bit_flipped_is_no_frame(record in any_record(), bit: prop::sample::Index) {
            let frame = Frame { seq: Seq(9), place: 3, carried: false, record };
            let mut bytes = Vec::new();
            frame.write(5, &mut bytes);
            prop_assert_eq!(Frame::read(&bytes, 5), Some((frame, bytes.len())));
            prop_assert_eq!(Frame::read(&bytes, 6), None);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Frame::read(&bytes, 5), None);
        }
    }

    #[test]
    fn a_later_batch_tells_damage_from_a_torn_write() {
        let mut same = vec![0xFF; 30];
        frame(8, 1).write(0, &mut same);
        assert_eq!(judge(&same, Seq(7), 0), Rest::Torn);
        let mut later = vec![0xFF; 30];
        frame(8, 0).write(0, &mut later);
        assert_eq!(judge(&later, Seq(7), 0), Rest::Damaged);
        assert_eq!(judge(&[0; 100], Seq(7), 0), Rest::Clean);
        assert_eq!(judge(&[0, 0, 1], Seq(7), 0), Rest::Torn);
    }
}

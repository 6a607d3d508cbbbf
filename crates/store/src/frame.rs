//! The bytes of a log: frames of length, checksum, first event's number and events.
//!
//! One frame is one append, so it is there as a whole or not at all. Layout, little endian:
//! `u32` payload length, `u32` CRC-32 of number and payload, `u64` number of the first event, then
//! the payload: one JSON object per line.

use catalyst_model::{DeploymentEvent, Recorded, Seq};

use crate::Error;

/// The bytes before a payload.
pub(crate) const HEADER_BYTES: usize = 16;

/// The longest payload; far above what one append ever holds.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 16 << 20;

/// What a frame's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_bytes: usize,
    pub(crate) crc: u32,
    pub(crate) first: Seq,
}

impl Header {
    /// Reads a header; `None` when it cannot be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        let payload_bytes = u32::from_le_bytes(word(0)?) as usize;
        let crc = u32::from_le_bytes(word(4)?);
        let first = Seq(u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?));
        let plausible = (1..=MAX_PAYLOAD_BYTES).contains(&payload_bytes) && first != Seq::ZERO;
        plausible.then_some(Self { payload_bytes, crc, first })
    }

    fn fits(&self, payload: &[u8]) -> bool {
        checksum(self.first, payload) == self.crc
    }
}

fn checksum(first: Seq, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first.0.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Writes events as one frame.
pub(crate) fn encode(events: &[Recorded<DeploymentEvent>]) -> Result<Vec<u8>, Error> {
    let mut payload = Vec::new();
    for event in events {
        serde_json::to_writer(&mut payload, event)
            .map_err(|source| Error::Codec { what: "an event", source })?;
        payload.push(b'\n');
    }
    let first = events.first().map_or(Seq::ZERO, |e| e.seq);
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum(first, &payload).to_le_bytes());
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(out)
}

/// Reads a payload's events.
pub(crate) fn decode(payload: &[u8]) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
    payload
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Codec { what: "an event", source })
}

/// What is at some place of a log.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// The end.
    End,
    /// A whole frame.
    Frame {
        /// Its payload.
        payload: &'a [u8],
        /// Where the next one begins.
        next: usize,
    },
    /// Bytes that are no frame, and no frame after them: an append that was cut off.
    Torn,
    /// Bytes that are no frame with a whole frame after them: damage.
    Damaged,
}

/// Looks at the bytes from `at` on.
pub(crate) fn look(bytes: &[u8], at: usize) -> Found<'_> {
    if at == bytes.len() {
        return Found::End;
    }
    if let Some((payload, next)) = whole_frame(bytes, at) {
        return Found::Frame { payload, next };
    }
    // Only in this rare case is the rest searched, byte by byte, for a frame that is whole.
    match (at + 1..bytes.len()).any(|later| whole_frame(bytes, later).is_some()) {
        true => Found::Damaged,
        false => Found::Torn,
    }
}

fn whole_frame(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let header = Header::read(bytes.get(at..)?)?;
    let begin = at + HEADER_BYTES;
    let next = begin.checked_add(header.payload_bytes)?;
    let payload = bytes.get(begin..next)?;
    header.fits(payload).then_some((payload, next))
}

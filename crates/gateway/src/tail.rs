//! Reading the log behind its writer, from any record on: what the book has not yet been told.

use std::sync::Arc;

use crate::{
    disk::{Disk, DiskFile},
    frame::{Frame, MAX_FRAME_BYTES},
    id::Seq,
    log::{Durable, LogError},
    record::Record,
    segment::{self, HEADER_BYTES, Header},
};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// A place in the log and what is read from there on.
#[derive(Debug)]
pub(crate) struct Tail<D: Disk> {
    disk: Arc<D>,
    open: Option<Place<D::File>>,
    /// The last record that was read.
    read: Seq,
}

#[derive(Debug)]
struct Place<F> {
    segment: u64,
    file: F,
    salt: u32,
    offset: u64,
    next: Seq,
}

impl<D: Disk> Tail<D> {
    /// Reads on after `after`.
    pub(crate) fn new(disk: Arc<D>, after: Seq) -> Self {
        Self { disk, open: None, read: after }
    }

    /// The last record that was read.
    pub(crate) fn position(&self) -> Seq {
        self.read
    }

    /// At most `most` durable records after the position, in order. Records that a segment's head
    /// repeats are passed over, and so may be all: then the position moved and nothing is said.
    pub(crate) fn read(
        &mut self,
        durable: &Durable,
        most: usize,
    ) -> Result<Vec<(Seq, Record)>, LogError> {
        let mut records = Vec::new();
        while self.read < durable.seq && records.len() < most {
            let mut place = match self.open.take() {
                Some(place) => place,
                None => self.find(durable)?,
            };
            let more = self.read_some(&mut place, durable, most, &mut records)?;
            if more {
                self.open = Some(place);
            } else {
                self.go_on(&place, durable)?;
            }
        }
        Ok(records)
    }

    /// Leaves `place`, at whose end nothing more is; the next segment must go on from there.
    fn go_on(&self, place: &Place<D::File>, durable: &Durable) -> Result<(), LogError> {
        let follows =
            |(number, first): &(u64, Seq)| *number > place.segment && *first == place.next;
        if durable.segments.iter().any(follows) {
            return Ok(());
        }
        let why = format!("record {} is not there", place.next);
        let file = segment::name(place.segment);
        Err(LogError::Damaged { file, offset: place.offset, why })
    }

    /// Opens the segment in which the record after the position lies.
    fn find(&self, durable: &Durable) -> Result<Place<D::File>, LogError> {
        let wanted = self.read.next();
        let holding = durable.segments.iter().rev().find(|(_, first)| *first <= wanted);
        let Some((number, first)) = holding else {
            let oldest = durable.segments.first().map_or(1, |(number, _)| *number);
            return Err(LogError::Missing { file: segment::name(oldest.saturating_sub(1)) });
        };
        let name = segment::name(*number);
        let failed = |operation, source| LogError::Disk { operation, file: name.clone(), source };
        let file = self.disk.open(&name).map_err(|e| failed("open", e))?;
        let mut head = [0; HEADER_BYTES];
        file.read_at(&mut head, 0).map_err(|e| failed("read", e))?;
        let salt = Header::salt(&head);
        Ok(Place { segment: *number, file, salt, offset: HEADER_BYTES as u64, next: *first })
    }

    /// Reads one piece; whether there was a record in it.
    fn read_some(
        &mut self,
        place: &mut Place<D::File>,
        durable: &Durable,
        most: usize,
        records: &mut Vec<(Seq, Record)>,
    ) -> Result<bool, LogError> {
        let current = place.segment == durable.segment;
        let limit = if current { durable.offset } else { u64::MAX };
        let wanted = usize::try_from(limit.saturating_sub(place.offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; wanted.min(READ_BYTES.max(MAX_FRAME_BYTES))];
        let name = segment::name(place.segment);
        let read = place.file.read_at(&mut bytes, place.offset);
        let length =
            read.map_err(|source| LogError::Disk { operation: "read", file: name, source })?;
        let bytes = &bytes[..length];
        let mut at = 0;
        while let Some((frame, length)) = Frame::read(&bytes[at..], place.salt) {
            if frame.seq != place.next || records.len() == most {
                break;
            }
            at += length;
            place.next = frame.seq.next();
            if frame.seq > self.read {
                self.read = frame.seq;
                if !frame.carried {
                    records.push((frame.seq, frame.record));
                }
            }
        }
        place.offset += at as u64;
        Ok(at > 0)
    }
}

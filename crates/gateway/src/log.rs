//! The log of one replica: segments that are written, synced, checked and removed in order.
//!
//! [`recover`] reads what is there and refuses what is damaged; [`Log::begin`] opens a new segment
//! for a new epoch; [`Log::append`] makes a batch durable. After any failed write or sync the log
//! is stopped for ever: what the kernel did with those pages is unknown, so a second try could
//! report as durable what is not.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    disk::{Disk, DiskFile},
    fold::{Fold, Illegal},
    frame::{self, Frame, MAX_BATCH_RECORDS, MAX_FRAME_BYTES, Rest},
    id::{Epoch, ReplicaId, Seq},
    record::Record,
    segment::{self, HEADER_BYTES, Header},
};

/// Bytes of a segment unless told otherwise: 64 MiB.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Frames for which a new segment has room beside what it carries.
const ROOM_FRAMES: usize = 16;

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed.
    #[error("the ledger's log cannot {operation} `{file}`")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// The file's name in the log's folder.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A segment is not what was once durable.
    #[error("the ledger's log is damaged in `{file}` at byte {offset}: {why}")]
    Damaged {
        /// The segment's file name.
        file: String,
        /// Where.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// A segment between others is not there.
    #[error("the ledger's log lacks `{file}`")]
    Missing {
        /// The segment's file name.
        file: String,
    },
    /// The log is of another replica.
    #[error("the ledger's log is of replica `{found}`, not `{expected}`")]
    OtherReplica {
        /// Whose it is.
        found: ReplicaId,
        /// Who opened it.
        expected: ReplicaId,
    },
    /// A record cannot follow those before it; it was not written.
    #[error("a record was refused")]
    Refused(#[from] Illegal),
    /// An earlier write failed; nothing more is written until a restart.
    #[error("the ledger's log stopped after a failed write")]
    Stopped,
}

/// How far the log is durable, for whoever reads behind the writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Durable {
    /// The segment being written.
    pub(crate) segment: u64,
    /// Its durable bytes.
    pub(crate) offset: u64,
    /// The last durable record.
    pub(crate) seq: Seq,
    /// Every segment there is, with the number of its first record, the oldest first.
    pub(crate) segments: Vec<(u64, Seq)>,
}

/// Where [`Durable`] is kept; the lock is held for a copy only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watermark(Arc<Mutex<Durable>>);

impl Watermark {
    pub(crate) fn get(&self) -> Durable {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last durable record and the segments' count, without copying the list.
    pub(crate) fn seq(&self) -> Seq {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seq
    }

    fn set(&self, change: impl FnOnce(&mut Durable)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Forgets the oldest segment, which was removed.
    pub(crate) fn forget(&self, segment: u64) {
        self.set(|durable| durable.segments.retain(|(number, _)| *number != segment));
    }
}

/// What was found of a log.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) fold: Fold,
    /// The last record; 0 when there is none.
    pub(crate) last: Seq,
    /// The epoch of the last segment; 0 when there is none.
    pub(crate) epoch: Epoch,
    /// Whether a write that never finished was cut off.
    pub(crate) cut: bool,
    segments: Vec<(u64, Seq)>,
    used: u64,
    crc: u32,
}

fn failed<'a>(operation: &'static str, file: &'a str) -> impl FnOnce(io::Error) -> LogError + 'a {
    move |source| LogError::Disk { operation, file: file.to_owned(), source }
}

/// Reads all segments in `disk`. A write that never finished is cut off the last one; anything
/// else that is not as it was written is refused with its place.
pub(crate) fn recover<D: Disk>(disk: &D, replica: &ReplicaId) -> Result<Recovered, LogError> {
    let mut numbers = Vec::new();
    let mut leftovers = Vec::new();
    for name in disk.list().map_err(failed("list", "."))? {
        numbers.extend(segment::number_of(&name));
        if segment::is_unfinished(&name) {
            leftovers.push(name);
        }
    }
    numbers.sort_unstable();
    let mut found = Recovered {
        fold: Fold::default(),
        last: Seq(0),
        epoch: Epoch(0),
        cut: false,
        segments: Vec::new(),
        used: 0,
        crc: 0,
    };
    for (place, number) in numbers.iter().enumerate() {
        if *number != numbers[0] + place as u64 {
            return Err(LogError::Missing { file: segment::name(numbers[0] + place as u64) });
        }
        found.take(disk, replica, *number, place + 1 == numbers.len())?;
    }
    for name in &leftovers {
        disk.remove(name).map_err(failed("remove", name))?;
    }
    Ok(found)
}

impl Recovered {
    fn take<D: Disk>(
        &mut self,
        disk: &D,
        replica: &ReplicaId,
        number: u64,
        is_last: bool,
    ) -> Result<(), LogError> {
        let name = segment::name(number);
        let damaged = |offset: usize, why: &str| LogError::Damaged {
            file: name.clone(),
            offset: offset as u64,
            why: why.to_owned(),
        };
        let file = disk.open(&name).map_err(failed("open", &name))?;
        let bytes = read_all(&file).map_err(failed("read", &name))?;
        let header = Header::read(&bytes).ok_or_else(|| damaged(0, "its header is not whole"))?;
        if header.replica != *replica {
            let (found, expected) = (header.replica, replica.clone());
            return Err(LogError::OtherReplica { found, expected });
        }
        let oldest = self.segments.is_empty();
        let follows = header.first == self.last.next()
            && (header.previous_used, header.previous_crc) == (self.used, self.crc);
        if header.number != number || header.epoch < self.epoch || !(oldest || follows) {
            return Err(damaged(0, "it does not follow the segment before"));
        }
        let salt = bytes.first_chunk().map_or(0, Header::salt);
        let (mut at, mut next, mut count) = (HEADER_BYTES, header.first, 0_u32);
        while let Some((frame, length)) = Frame::read(&bytes[at..], salt) {
            if frame.seq != next || frame.carried != (count < header.carried) {
                break;
            }
            // What the head repeats is news only where the segments before are gone.
            if oldest || !frame.carried {
                self.fold.apply(&frame).map_err(|illegal| damaged(at, &illegal.to_string()))?;
            }
            (at, next, count) = (at + length, next.next(), count + 1);
        }
        if count < header.carried {
            return Err(damaged(at, "its head is not whole"));
        }
        match frame::judge(&bytes[at..], next, salt) {
            Rest::Clean => {}
            Rest::Torn if is_last => {
                file.truncate(at as u64).map_err(failed("cut", &name))?;
                file.sync_data().map_err(failed("sync", &name))?;
                self.cut = true;
            }
            Rest::Torn | Rest::Damaged => return Err(damaged(at, "a record is not whole")),
        }
        self.segments.push((number, header.first));
        self.last = Seq(next.0 - 1);
        (self.epoch, self.used, self.crc) = (header.epoch, at as u64, crc32c::crc32c(&bytes[..at]));
        Ok(())
    }
}

fn read_all<F: DiskFile>(file: &F) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The log as its one writer has it.
#[derive(Debug)]
pub(crate) struct Log<D: Disk> {
    disk: Arc<D>,
    replica: ReplicaId,
    epoch: Epoch,
    segment_bytes: u64,
    number: u64,
    file: Option<D::File>,
    /// Bytes of the segment that are durable.
    used: u64,
    /// The segment's length.
    length: u64,
    crc: u32,
    salt: u32,
    next: Seq,
    fold: Fold,
    buffer: Vec<u8>,
    watermark: Watermark,
    stopped: bool,
}

impl<D: Disk> Log<D> {
    /// Goes on after `recovered` with a new segment of `epoch`, whose head repeats what is open.
    pub(crate) fn begin(
        disk: Arc<D>,
        replica: ReplicaId,
        recovered: Recovered,
        epoch: Epoch,
        segment_bytes: u64,
    ) -> Result<Self, LogError> {
        let watermark = Watermark::default();
        watermark.set(|durable| durable.segments.clone_from(&recovered.segments));
        let mut log = Self {
            disk,
            replica,
            epoch,
            segment_bytes,
            number: recovered.segments.last().map_or(0, |(number, _)| *number),
            file: None,
            used: recovered.used,
            length: recovered.used,
            crc: recovered.crc,
            salt: 0,
            next: recovered.last.next(),
            fold: recovered.fold,
            buffer: Vec::new(),
            watermark,
            stopped: false,
        };
        log.rotate()?;
        Ok(log)
    }

    /// How far the log is durable, for readers.
    pub(crate) fn watermark(&self) -> Watermark {
        self.watermark.clone()
    }

    /// The state of all records appended so far.
    pub(crate) fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The disk it is on.
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    /// Makes `records` durable, in order; says the number of the last.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<Seq, LogError> {
        if self.stopped {
            return Err(LogError::Stopped);
        }
        // Stopped until proved otherwise: an early return below leaves it so.
        self.stopped = true;
        self.append_all(records)?;
        self.stopped = false;
        Ok(Seq(self.next.0 - 1))
    }

    fn append_all(&mut self, records: &[Record]) -> Result<(), LogError> {
        let mut place = 0;
        for record in records {
            let full = self.used + (self.buffer.len() + MAX_FRAME_BYTES) as u64 > self.length;
            if full || place == MAX_BATCH_RECORDS {
                self.flush()?;
                place = 0;
            }
            if full {
                self.rotate()?;
            }
            let frame =
                Frame { seq: self.next, place: place as u16, carried: false, record: *record };
            self.fold.apply(&frame)?;
            frame.write(self.salt, &mut self.buffer);
            self.next = self.next.next();
            place += 1;
        }
        self.flush()
    }

    /// One write, one sync.
    fn flush(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let name = segment::name(self.number);
        let file = self.file.as_ref().ok_or(LogError::Stopped)?;
        file.write_at(&self.buffer, self.used).map_err(failed("write", &name))?;
        file.sync_data().map_err(failed("sync", &name))?;
        self.used += self.buffer.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.buffer.clear();
        let (offset, seq) = (self.used, Seq(self.next.0 - 1));
        self.watermark.set(|durable| (durable.offset, durable.seq) = (offset, seq));
        Ok(())
    }

    /// Opens the next segment: whole and durable under another name first, so that a crash leaves
    /// all of it or nothing.
    fn rotate(&mut self) -> Result<(), LogError> {
        let carry = self.fold.carry();
        let number = self.number + 1;
        let header = Header {
            number,
            replica: self.replica.clone(),
            epoch: self.epoch,
            first: self.next,
            previous_used: self.used,
            previous_crc: self.crc,
            carried: carry.len() as u32,
        };
        let head = header.write();
        let salt = Header::salt(&head);
        let mut bytes = head.to_vec();
        let mut next = self.next;
        for (place, record) in carry.into_iter().enumerate() {
            let place = u16::try_from(place).unwrap_or(u16::MAX);
            Frame { seq: next, place, carried: true, record }.write(salt, &mut bytes);
            next = next.next();
        }
        let needed = (bytes.len() + ROOM_FRAMES * MAX_FRAME_BYTES) as u64;
        let length = self.segment_bytes.max(needed);
        let (unfinished, name) = (segment::unfinished_name(number), segment::name(number));
        let file = self.disk.create(&unfinished).map_err(failed("create", &unfinished))?;
        file.allocate(length).map_err(failed("allocate", &unfinished))?;
        file.write_at(&bytes, 0).map_err(failed("write", &unfinished))?;
        file.sync_data().map_err(failed("sync", &unfinished))?;
        self.disk.rename(&unfinished, &name).map_err(failed("rename", &unfinished))?;
        self.disk.sync_folder().map_err(failed("sync", "."))?;
        let first = self.next;
        (self.number, self.file, self.length, self.salt) = (number, Some(file), length, salt);
        (self.used, self.crc, self.next) = (bytes.len() as u64, crc32c::crc32c(&bytes), next);
        let (offset, seq) = (self.used, Seq(next.0 - 1));
        self.watermark.set(|durable| {
            (durable.segment, durable.offset, durable.seq) = (number, offset, seq);
            durable.segments.push((number, first));
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "log/tests.rs"]
mod tests;

//! One deployment's log: appended to by its owner, read by anybody from any number on.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use catalyst_model::{Deployment, DeploymentEvent, DeploymentId, Recorded, Seq};

use crate::{
    Error, checkpoint, disk,
    frame::{self, HEADER_BYTES, Header},
};

/// The log of one deployment, for the one task that owns it.
#[derive(Debug)]
pub struct DeploymentLog {
    pub(crate) id: DeploymentId,
    pub(crate) dir: Arc<Path>,
    pub(crate) file: Arc<File>,
    pub(crate) bytes: u64,
    pub(crate) last: Seq,
    pub(crate) closed: bool,
}

pub(crate) fn path_of(dir: &Path, id: &DeploymentId) -> PathBuf {
    dir.join(format!("{id}.log"))
}

impl DeploymentLog {
    /// Makes a log whose first event is there or, after a crash, the log is not.
    pub(crate) fn begin(
        dir: &Arc<Path>,
        id: &DeploymentId,
        first: &Recorded<DeploymentEvent>,
    ) -> Result<Self, Error> {
        let path = path_of(dir, id);
        if path.exists() {
            let source = ErrorKind::AlreadyExists.into();
            return Err(Error::Write { path, source });
        }
        let bytes = frame::encode(std::slice::from_ref(first))?;
        disk::replace(&path, &bytes)?;
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| Error::Read { path, source })?;
        Ok(Self {
            id: id.clone(),
            dir: dir.clone(),
            file: Arc::new(file),
            bytes: bytes.len() as u64,
            last: first.seq,
            closed: false,
        })
    }

    /// Appends `events` as one unit: when this is done they are durable, when it fails none is
    /// there.
    ///
    /// # Errors
    /// The events do not follow the last one, or the disk refused them.
    pub async fn append(&mut self, events: Vec<Recorded<DeploymentEvent>>) -> Result<(), Error> {
        let Some(last) = events.last().map(|e| e.seq) else { return Ok(()) };
        if self.closed {
            return Err(Error::Closed { id: self.id.clone() });
        }
        let in_order = events.iter().zip(self.last.0 + 1..).all(|(e, n)| e.seq == Seq(n));
        if !in_order {
            let why = format!("events up to {last} do not follow {}", self.last);
            return Err(Error::Corrupt { id: self.id.clone(), why });
        }
        let (file, at, path) = (self.file.clone(), self.bytes, path_of(&self.dir, &self.id));
        // Should the caller be cut off in the middle, nobody knows what is in the file.
        self.closed = true;
        let written = disk::aside(move || append_frame(&file, at, &events, path)).await?;
        match written {
            Appended::Whole(bytes) => {
                (self.bytes, self.last, self.closed) = (at + bytes, last, false);
                Ok(())
            }
            Appended::Undone(error) => {
                self.closed = false;
                Err(error)
            }
            Appended::Unclear(error) => Err(error),
        }
    }

    /// Writes the checkpoint of `deployment`, which must be this log's fold to its end.
    ///
    /// # Errors
    /// The disk refused it; the log is not affected.
    pub async fn checkpoint(&self, deployment: Deployment) -> Result<(), Error> {
        debug_assert_eq!(deployment.seq, self.last, "a checkpoint is the fold to the log's end");
        let (dir, bytes) = (self.dir.clone(), self.bytes);
        disk::aside(move || checkpoint::write(&dir, deployment, bytes)).await
    }

    /// The number of the last event.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// A way to read the log that outlives this borrow.
    pub fn reader(&self) -> LogReader {
        LogReader { id: self.id.clone(), dir: self.dir.clone() }
    }
}

enum Appended {
    Whole(u64),
    Undone(Error),
    Unclear(Error),
}

fn append_frame(
    file: &File,
    at: u64,
    events: &[Recorded<DeploymentEvent>],
    path: PathBuf,
) -> Result<Appended, Error> {
    let bytes = frame::encode(events)?;
    let Err(source) = file.write_all_at(&bytes, at).and_then(|()| file.sync_data()) else {
        return Ok(Appended::Whole(bytes.len() as u64));
    };
    let undone = file.set_len(at).and_then(|()| file.sync_data());
    let error = Error::Write { path, source };
    Ok(if undone.is_ok() { Appended::Undone(error) } else { Appended::Unclear(error) })
}

/// Reads one deployment's log beside its owner.
#[derive(Debug, Clone)]
pub struct LogReader {
    id: DeploymentId,
    dir: Arc<Path>,
}

impl LogReader {
    /// The events after `after`, up to and including `until`, in order and without a gap.
    ///
    /// # Errors
    /// The log could not be read, or does not reach to `until`.
    pub async fn between(
        &self,
        after: Seq,
        until: Seq,
    ) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
        if after >= until {
            return Ok(Vec::new());
        }
        let reader = self.clone();
        disk::aside(move || reader.read_between(after, until)).await
    }

    fn read_between(
        &self,
        after: Seq,
        until: Seq,
    ) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
        let path = path_of(&self.dir, &self.id);
        let failed = |source| Error::Read { path: path.clone(), source };
        let mut file = File::open(&path).map_err(failed)?;
        let mut events = Vec::new();
        let mut previous: Option<(Header, u64)> = None;
        let mut at = 0;
        loop {
            let mut bytes = [0; HEADER_BYTES];
            let header = match file.read_exact(&mut bytes) {
                Ok(()) => Header::read(&bytes),
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => None,
                Err(e) => return Err(failed(e)),
            };
            // A frame is wanted when the next one begins after `after`: only then is it read.
            let next_first = header.map_or(Seq(u64::MAX), |h| h.first);
            if let Some((wanted, begin)) = previous.filter(|_| next_first > after.next()) {
                let mut payload = vec![0; wanted.payload_bytes];
                file.read_exact_at(&mut payload, begin).map_err(failed)?;
                events.extend(frame::decode(&payload)?);
            }
            let Some(header) = header else { break };
            if header.first > until {
                break;
            }
            at += HEADER_BYTES as u64;
            previous = Some((header, at));
            at += header.payload_bytes as u64;
            file.seek(SeekFrom::Start(at)).map_err(failed)?;
        }
        events.retain(|e| e.seq > after && e.seq <= until);
        let whole = events.iter().zip(after.0 + 1..).all(|(e, n)| e.seq == Seq(n))
            && events.last().is_some_and(|e| e.seq == until);
        if whole {
            Ok(events)
        } else {
            let why = format!("events {after} to {until} are not all there");
            Err(Error::Corrupt { id: self.id.clone(), why })
        }
    }
}

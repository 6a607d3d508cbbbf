//! The folder of all deployments' records: locked, opened as a whole, added to.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use catalyst_model::{Deployment, DeploymentEvent, DeploymentId, Recorded, Seq};

use crate::{
    DeploymentLog, Error, checkpoint, disk,
    frame::{self, Found},
    lock::FolderLock,
    log,
};

/// All deployments' records. Holds the folder's lock as long as it lives.
#[derive(Debug)]
pub struct Records {
    dir: Arc<Path>,
    _lock: FolderLock,
}

/// One deployment as it was kept.
#[derive(Debug)]
pub struct Kept {
    /// Its state: the fold of its log.
    pub deployment: Deployment,
    /// Its log.
    pub log: DeploymentLog,
    /// Bytes of an append that a crash had cut off and that were removed.
    pub torn_bytes: u64,
}

/// A record that cannot be used. It is left as it is.
#[derive(Debug)]
pub struct Damaged {
    /// The deployment.
    pub id: DeploymentId,
    /// What is wrong with it.
    pub error: Error,
    /// Its state as its checkpoint or, without one, its first event has it, if either can be read:
    /// what it holds (a domain, a number) is not free.
    pub last_known: Option<Deployment>,
}

impl Records {
    /// Locks the folder `dir`, proves that it can be written, and reads every record in it.
    /// A damaged record is returned as such and does not keep the others from being read.
    ///
    /// # Errors
    /// The folder is in use, cannot be made, read or written.
    pub async fn open(dir: PathBuf) -> Result<(Self, Vec<Kept>, Vec<Damaged>), Error> {
        disk::aside(move || {
            disk::private_dir(&dir)?;
            let lock = FolderLock::take(&dir)?;
            disk::remove_leftovers(&dir)?;
            disk::probe(&dir)?;
            let dir: Arc<Path> = dir.into();
            let (mut kept, mut damaged) = (Vec::new(), Vec::new());
            for id in ids_in(&dir)? {
                match open_one(&dir, &id) {
                    Ok(one) => kept.push(one),
                    Err(error) => {
                        let last_known = last_known(&dir, &id);
                        damaged.push(Damaged { id, error, last_known });
                    }
                }
            }
            kept.sort_by(|a, b| {
                let key = |k: &Kept| (k.deployment.created_at, k.deployment.id.clone());
                key(a).cmp(&key(b))
            });
            Ok((Self { dir, _lock: lock }, kept, damaged))
        })
        .await
    }

    /// Makes a record with its first event, durable when this is done.
    ///
    /// # Errors
    /// There is such a record, or the disk refused it; then nothing is there.
    pub async fn begin(
        &self,
        id: DeploymentId,
        first: Recorded<DeploymentEvent>,
    ) -> Result<DeploymentLog, Error> {
        let dir = self.dir.clone();
        disk::aside(move || DeploymentLog::begin(&dir, &id, &first)).await
    }

    /// Proves that the folder can still be written.
    ///
    /// # Errors
    /// It cannot.
    pub async fn probe(&self) -> Result<(), Error> {
        let dir = self.dir.clone();
        disk::aside(move || disk::probe(&dir)).await
    }
}

fn ids_in(dir: &Path) -> Result<Vec<DeploymentId>, Error> {
    let failed = |source| Error::Read { path: dir.to_owned(), source };
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(stem) = name.to_str().and_then(|n| n.strip_suffix(".log")) else { continue };
        // Whatever else lies in the folder is not a record and not our business.
        if let Ok(id) = stem.parse() {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

fn open_one(dir: &Arc<Path>, id: &DeploymentId) -> Result<Kept, Error> {
    let path = log::path_of(dir, id);
    let failed = |source| Error::Read { path: path.clone(), source };
    let mut file = File::options().read(true).write(true).open(&path).map_err(failed)?;
    let whole_bytes = file.metadata().map_err(failed)?.len();
    let mut fold = |from: Option<Deployment>, begin: u64| -> Result<(Deployment, u64), Error> {
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(begin)).map_err(failed)?;
        file.read_to_end(&mut tail).map_err(failed)?;
        let (state, good) = fold_tail(from, &tail, id)?;
        Ok((state, begin + good as u64))
    };
    let from_checkpoint = checkpoint::read(dir, id, whole_bytes)
        .and_then(|c| fold(Some(c.deployment), c.log_bytes).ok());
    // A checkpoint that does not fit its log is not the truth: the log alone is.
    let (deployment, bytes) = match from_checkpoint {
        Some(folded) => folded,
        None => fold(None, 0)?,
    };
    if deployment.id != *id {
        let why = format!("it belongs to deployment {}", deployment.id);
        return Err(Error::Corrupt { id: id.clone(), why });
    }
    let torn_bytes = whole_bytes - bytes;
    if torn_bytes > 0 {
        file.set_len(bytes)
            .and_then(|()| file.sync_data())
            .map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    let log = DeploymentLog {
        id: id.clone(),
        dir: dir.clone(),
        file: Arc::new(file),
        bytes,
        last: deployment.seq,
        closed: false,
    };
    Ok(Kept { deployment, log, torn_bytes })
}

/// What a record that cannot be used still says of its deployment.
fn last_known(dir: &Path, id: &DeploymentId) -> Option<Deployment> {
    checkpoint::last_known(dir, id).or_else(|| {
        let bytes = fs::read(log::path_of(dir, id)).ok()?;
        let Found::Frame { payload, .. } = frame::look(&bytes, 0) else { return None };
        let first = frame::decode(payload).ok()?.into_iter().next()?;
        Deployment::open(&first).ok().filter(|d| d.id == *id)
    })
}

/// Folds whole frames into `state`; returns how many bytes of `tail` are good.
fn fold_tail(
    mut state: Option<Deployment>,
    tail: &[u8],
    id: &DeploymentId,
) -> Result<(Deployment, usize), Error> {
    let corrupt = |why: String| Error::Corrupt { id: id.clone(), why };
    let mut at = 0;
    loop {
        match frame::look(tail, at) {
            Found::End | Found::Torn => break,
            Found::Damaged => return Err(corrupt(format!("unreadable bytes at {at}"))),
            Found::Frame { payload, next } => {
                for event in frame::decode(payload)? {
                    fold_one(&mut state, &event).map_err(&corrupt)?;
                }
                at = next;
            }
        }
    }
    let state = state.ok_or_else(|| corrupt("it holds no event".to_owned()))?;
    Ok((state, at))
}

fn fold_one(
    state: &mut Option<Deployment>,
    event: &Recorded<DeploymentEvent>,
) -> Result<(), String> {
    let at = |seq: Seq, why: catalyst_model::Refused| format!("event {seq}: {why}");
    match state {
        Some(s) => s.apply(event).map_err(|e| at(event.seq, e)),
        None => {
            *state = Some(Deployment::open(event).map_err(|e| at(event.seq, e))?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;

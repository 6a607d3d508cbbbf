//! A deployment's checkpoint: the fold of its log up to a number, as one JSON file.
//!
//! The log is the truth. A checkpoint that is missing, unreadable or ahead of its log is ignored.

use std::{
    fs,
    path::{Path, PathBuf},
};

use catalyst_model::{Deployment, DeploymentId, Seq};
use serde::{Deserialize, Serialize};

use crate::{Error, disk};

/// The layout's number; another one is ignored and the log folded from its beginning.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checkpoint {
    format: u32,
    id: DeploymentId,
    status: String,
    pub(crate) seq: Seq,
    pub(crate) log_bytes: u64,
    pub(crate) deployment: Deployment,
}

pub(crate) fn path_of(dir: &Path, id: &DeploymentId) -> PathBuf {
    dir.join(format!("{id}.json"))
}

/// Writes the checkpoint of `deployment`, whose log is `log_bytes` long at this point.
pub(crate) fn write(dir: &Path, deployment: Deployment, log_bytes: u64) -> Result<(), Error> {
    let checkpoint = Checkpoint {
        format: FORMAT,
        id: deployment.id.clone(),
        status: deployment.status().as_str().to_owned(),
        seq: deployment.seq,
        log_bytes,
        deployment,
    };
    let bytes = serde_json::to_vec_pretty(&checkpoint)
        .map_err(|source| Error::Codec { what: "a checkpoint", source })?;
    disk::replace(&path_of(dir, &checkpoint.id), &bytes)
}

/// Reads the checkpoint of `id`, if there is one that can be used with a log of this length.
pub(crate) fn read(dir: &Path, id: &DeploymentId, log_bytes: u64) -> Option<Checkpoint> {
    let checkpoint = parse(dir, id)?;
    let usable = checkpoint.format == FORMAT
        && checkpoint.id == *id
        && checkpoint.deployment.id == *id
        && checkpoint.seq == checkpoint.deployment.seq
        && checkpoint.log_bytes <= log_bytes;
    usable.then_some(checkpoint)
}

/// The state in the checkpoint of `id`, whatever its log says: good enough to know what a damaged
/// deployment still holds.
pub(crate) fn last_known(dir: &Path, id: &DeploymentId) -> Option<Deployment> {
    Some(parse(dir, id)?.deployment).filter(|d| d.id == *id)
}

fn parse(dir: &Path, id: &DeploymentId) -> Option<Checkpoint> {
    serde_json::from_slice(&fs::read(path_of(dir, id)).ok()?).ok()
}

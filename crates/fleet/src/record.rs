//! What a Helm release installed, read from its own record in the cluster.
//!
//! Helm keeps each version of a release in a Secret `sh.helm.release.v1.<name>.v<n>`: JSON, packed
//! with gzip, in Base64, in the Base64 of Secrets. Entry point: [`Record::read`]. Of the JSON only
//! the manifest and the hooks are kept, reduced to what must run; the chart's files and the values
//! are dropped at once.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::flux::{list, number, text};
use crate::workload;

/// Bytes of a record after unpacking. Secrets are bounded at 1 MiB packed.
const LIMIT: u64 = 64 << 20;

/// One version of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Name of the release.
    pub release: String,
    /// Its version number, counted from 1.
    pub version: i64,
    /// Helm's status word, such as `deployed`.
    pub status: String,
    /// When Helm wrote that it began.
    pub since: Option<Timestamp>,
    /// How many objects its manifest and its install and upgrade hooks hold.
    pub objects: u32,
    /// Those of them that run something.
    pub items: Vec<Item>,
    /// Documents that could not be read, in words.
    pub unreadable: Vec<String>,
}

/// Something that the release runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Part of the manifest, or a hook.
    pub part: ItemKind,
}

/// Which part of a release an item belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// The manifest: the live object tells how it is.
    Manifest {
        /// Replicas that the release asks for, where it says so.
        replicas: Option<i64>,
    },
    /// A hook that has been run: Helm tells how it went, for the object may be gone.
    Hook {
        /// The event it ran at, such as `pre-install`.
        event: String,
        /// Helm's word: `Running`, `Succeeded` or `Failed`.
        phase: String,
    },
}

/// Why a Secret is not the record of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Helm record `{secret}` cannot be read: {what}")]
pub struct RecordError {
    /// Name of the Secret.
    pub secret: String,
    /// What is wrong with it.
    pub what: &'static str,
}

#[derive(Deserialize)]
struct Stored {
    name: String,
    #[serde(default)]
    namespace: String,
    version: i64,
    #[serde(default)]
    info: Info,
    #[serde(default)]
    manifest: String,
    #[serde(default)]
    hooks: Option<Vec<Hook>>,
}

#[derive(Deserialize, Default)]
struct Info {
    #[serde(default)]
    status: String,
    #[serde(default)]
    last_deployed: String,
}

#[derive(Deserialize)]
struct Hook {
    #[serde(default)]
    name: String,
    #[serde(default)]
    manifest: String,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    last_run: LastRun,
}

#[derive(Deserialize, Default)]
struct LastRun {
    #[serde(default)]
    phase: String,
}

impl Record {
    /// Reads the record in a Secret.
    ///
    /// # Errors
    /// [`RecordError`] for a Secret that holds something else. Single documents of the manifest
    /// that cannot be read are noted in [`Record::unreadable`] instead.
    pub fn read(secret: &Value) -> Result<Self, RecordError> {
        let name = text(secret, "/metadata/name").unwrap_or_default();
        let failed = |what| RecordError { secret: name.clone(), what };
        let data = secret.pointer("/data/release").and_then(Value::as_str);
        let outer = STANDARD.decode(data.ok_or(failed("it has no member `release`"))?);
        let outer = outer.map_err(|_| failed("its content is not Base64"))?;
        let packed = STANDARD.decode(outer).map_err(|_| failed("its release is not Base64"))?;
        let json = if packed.starts_with(&[0x1f, 0x8b]) {
            let mut json = Vec::new();
            let mut unpacked = GzDecoder::new(packed.as_slice()).take(LIMIT + 1);
            unpacked.read_to_end(&mut json).map_err(|_| failed("its release is torn"))?;
            json
        } else {
            // Helm reads records of its first versions, which were not packed.
            packed
        };
        if json.len() as u64 > LIMIT {
            return Err(failed("its release is too large"));
        }
        let stored: Stored =
            serde_json::from_slice(&json).map_err(|_| failed("its release is not JSON"))?;
        Ok(Self::from_stored(&stored))
    }

    fn from_stored(stored: &Stored) -> Self {
        let mut record = Self {
            release: stored.name.clone(),
            version: stored.version,
            status: stored.info.status.clone(),
            since: stored.info.last_deployed.parse().ok(),
            objects: 0,
            items: Vec::new(),
            unreadable: Vec::new(),
        };
        record.add(&stored.manifest, "the manifest", &stored.namespace, |object| {
            ItemKind::Manifest { replicas: number(object, "/spec/replicas") }
        });
        for hook in stored.hooks.iter().flatten() {
            let Some(event) = hook.events.iter().find(|event| installs(event)) else { continue };
            let what = format!("hook {}", hook.name);
            let phase = &hook.last_run.phase;
            let before = record.items.len();
            record.add(&hook.manifest, &what, &stored.namespace, |_| ItemKind::Hook {
                event: event.clone(),
                phase: phase.clone(),
            });
            if matches!(phase.as_str(), "" | "Unknown") {
                // It has not been run, as an upgrade hook at an install: it owes nothing.
                record.items.truncate(before);
            }
        }
        record
    }

    fn add(&mut self, yaml: &str, what: &str, namespace: &str, part: impl Fn(&Value) -> ItemKind) {
        for document in catalyst_kit::split(yaml, what) {
            // Charts repeat keys at times, and Helm lets the last one win.
            let options = serde_saphyr::options! {
                duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
            };
            match serde_saphyr::from_str_with_options::<Value>(document.text, options) {
                Ok(Value::Null) => {}
                Ok(object) => self.add_object(&object, namespace, &part),
                Err(_) => self.unreadable.push(document.place.to_string()),
            }
        }
    }

    fn add_object(&mut self, object: &Value, namespace: &str, part: &impl Fn(&Value) -> ItemKind) {
        let kind = text(object, "/kind").unwrap_or_default();
        if kind.ends_with("List") && object.get("items").is_some() {
            for item in list(object, "/items") {
                self.add_object(item, namespace, part);
            }
            return;
        }
        self.objects += 1;
        if !workload::KINDS.contains(&kind.as_str()) {
            return;
        }
        self.items.push(Item {
            kind,
            namespace: text(object, "/metadata/namespace").unwrap_or_else(|| namespace.to_owned()),
            name: text(object, "/metadata/name").unwrap_or_default(),
            part: part(object),
        });
    }
}

/// Whether a hook of this event takes part in installing or upgrading.
fn installs(event: &str) -> bool {
    matches!(event, "pre-install" | "post-install" | "pre-upgrade" | "post-upgrade")
}

#[cfg(test)]
mod tests;

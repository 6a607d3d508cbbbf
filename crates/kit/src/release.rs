//! HelmReleases as a kit declares them.
//!
//! Entry points: [`read_stream`] for the output of a build, [`read_file`] for one slot file,
//! [`freeze`] for the expected set. A fault in one document is a [`Problem`] beside the releases
//! that could be read, never the end of the reading.

use std::str::FromStr;

use catalyst_model::{FrozenKit, KitRefused, KitRelease, ReleaseName};
use serde::Deserialize;
use serde_json::Value;

use crate::document::{Document, Place, Unreadable, split};

const SLOT_LABEL: &str = "catalyst.openova.io/slot";
const ORIGIN_ANNOTATION: &str = "config.kubernetes.io/origin";
const HELM_GROUP: &str = "helm.toolkit.fluxcd.io/";

/// What could be read of a kit, and what could not.
#[derive(Debug, Default)]
pub struct Reading {
    /// The releases, in the order of the documents.
    pub releases: Vec<Release>,
    /// What else the kit holds, in the order of the documents.
    pub others: Vec<ApiObject>,
    /// Every fault, in the order of the documents.
    pub problems: Vec<Problem>,
}

/// Any object of the kit by its identity alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiObject {
    /// Group and version, such as `v1`.
    pub api_version: String,
    /// Kind, such as `Namespace`.
    pub kind: String,
    /// Namespace, where it states one.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

/// One HelmRelease as declared, with Flux's own defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Name of the HelmRelease.
    pub name: ReleaseName,
    /// Namespace of the HelmRelease.
    pub namespace: String,
    /// Slot from the label, else from the file's name (`10-gitea.yaml`), else none.
    pub slot: Option<String>,
    /// Name of the Helm release.
    pub release_name: String,
    /// Namespace into which the chart is installed.
    pub target_namespace: String,
    /// Namespace of the Helm release Secrets.
    pub storage_namespace: String,
    /// Name of the chart; empty for a release with a `chartRef`.
    pub chart: String,
    /// Version of the chart; empty when it is left open.
    pub version: String,
    /// Releases that must be Ready first.
    pub depends_on: Vec<Dependency>,
    /// Where it is declared.
    pub place: Place,
}

/// One entry of `dependsOn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Namespace of the HelmRelease it names.
    pub namespace: String,
    /// Name of the HelmRelease it names.
    pub name: ReleaseName,
}

/// A fault in one document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The document is not YAML.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The document is YAML but no object of an API.
    #[error("{place}: the document has no {what}")]
    NotAnObject {
        /// Where the document starts.
        place: Place,
        /// The member that is missing.
        what: &'static str,
    },
    /// The HelmRelease does not have the form of its kind.
    #[error("{place}: HelmRelease `{name}`: {reason}")]
    Shape {
        /// Where the document starts.
        place: Place,
        /// Its name, as far as it could be read.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Its version of the API is not the one the pinned controller serves.
    #[error("{place}: HelmRelease `{name}` is of `{api_version}`; only v2 is served")]
    ApiVersion {
        /// Where the document starts.
        place: Place,
        /// Its name.
        name: String,
        /// What it says.
        api_version: String,
    },
    /// Two releases bear one name.
    #[error("{second}: HelmRelease `{name}` was declared before, at {first}")]
    Duplicate {
        /// The name.
        name: ReleaseName,
        /// The first declaration.
        first: Place,
        /// The second declaration.
        second: Place,
    },
}

/// Reads a slot file; releases without a slot label take the slot from the file's name.
pub fn read_file(text: &str, file: &str) -> Reading {
    let slot = slot_of_file(file);
    let mut reading = read_stream(text, file);
    for release in &mut reading.releases {
        release.slot = release.slot.take().or_else(|| slot.clone());
    }
    reading
}

/// Reads a stream of documents, such as the output of a build called `file`.
///
/// Where the build noted the origin of an object, the origin is its place.
pub fn read_stream(text: &str, file: &str) -> Reading {
    let mut reading = Reading::default();
    for document in split(text, file) {
        match read_document(&document) {
            Ok(Read::Release(release)) => reading.push(*release),
            Ok(Read::Other(object)) => reading.others.push(object),
            Err(problem) => reading.problems.push(problem),
        }
    }
    reading
}

/// Freezes the releases that a build at `revision` holds, ordered by slot and then by name.
///
/// # Errors
/// An empty set, a doubled name and an empty revision are refused.
pub fn freeze(revision: &str, releases: &[Release]) -> Result<FrozenKit, KitRefused> {
    let mut kit: Vec<KitRelease> = releases.iter().map(kit_release).collect();
    kit.sort_by(|a, b| slot_order(&a.slot).cmp(&slot_order(&b.slot)).then(a.name.cmp(&b.name)));
    FrozenKit::new(revision.to_owned(), kit)
}

fn kit_release(release: &Release) -> KitRelease {
    KitRelease {
        name: release.name.clone(),
        namespace: release.namespace.clone(),
        slot: release.slot.clone().unwrap_or_default(),
        version: release.version.clone(),
        depends_on: release.depends_on.iter().map(|edge| edge.name.clone()).collect(),
    }
}

/// Slots sort by number and then by letter: `05`, `05a`, `10`; those without come last.
fn slot_order(slot: &str) -> (u32, &str) {
    let digits = slot.find(|c: char| !c.is_ascii_digit()).unwrap_or(slot.len());
    (slot[..digits].parse().unwrap_or(u32::MAX), &slot[digits..])
}

impl Reading {
    fn push(&mut self, release: Release) {
        match self.releases.iter().find(|known| known.name == release.name) {
            Some(first) => self.problems.push(Problem::Duplicate {
                name: release.name,
                first: first.place.clone(),
                second: release.place,
            }),
            None => self.releases.push(release),
        }
    }
}

enum Read {
    Release(Box<Release>),
    Other(ApiObject),
}

fn read_document(document: &Document<'_>) -> Result<Read, Problem> {
    let value = document.parse()?;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let missing = |what| Problem::NotAnObject { place: document.place.clone(), what };
    let api_version = text("/apiVersion").ok_or_else(|| missing("apiVersion"))?;
    let kind = text("/kind").ok_or_else(|| missing("kind"))?;
    let name = text("/metadata/name").ok_or_else(|| missing("metadata.name"))?;
    let place = origin(&value).unwrap_or_else(|| document.place.clone());
    if kind != "HelmRelease" || !api_version.starts_with(HELM_GROUP) {
        let namespace = text("/metadata/namespace");
        return Ok(Read::Other(ApiObject { api_version, kind, namespace, name, place }));
    }
    if api_version != "helm.toolkit.fluxcd.io/v2" {
        return Err(Problem::ApiVersion { place, name, api_version });
    }
    let shape =
        |reason: String| Problem::Shape { place: place.clone(), name: name.clone(), reason };
    let declared: Declared =
        serde_json::from_value(value.clone()).map_err(|error| shape(error.to_string()))?;
    declared.release(place.clone()).map(|release| Read::Release(Box::new(release))).map_err(shape)
}

/// The file an object came from, as noted by a build with `originAnnotations`.
fn origin(value: &Value) -> Option<Place> {
    let annotation = value.pointer("/metadata/annotations")?.get(ORIGIN_ANNOTATION)?.as_str()?;
    let noted: Value = serde_saphyr::from_str(annotation).ok()?;
    let file = noted.get("path")?.as_str()?.trim_start_matches("../").to_owned();
    Some(Place { file, line: 0 })
}

/// The slot in a file's name: digits, perhaps a letter, and a dash, as in `05a-reflector.yaml`.
fn slot_of_file(file: &str) -> Option<String> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let (slot, _) = name.split_once('-')?;
    let digits = slot.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_slot = !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && slot.len() - digits.len() <= 1;
    is_slot.then(|| slot.to_owned())
}

#[derive(Deserialize)]
struct Declared {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    release_name: Option<String>,
    target_namespace: Option<String>,
    storage_namespace: Option<String>,
    chart: Option<Chart>,
    chart_ref: Option<Value>,
    #[serde(default)]
    depends_on: Vec<DependsOn>,
}

#[derive(Deserialize)]
struct Chart {
    spec: ChartSpec,
}

#[derive(Deserialize)]
struct ChartSpec {
    chart: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct DependsOn {
    name: String,
    namespace: Option<String>,
}

impl Declared {
    fn release(self, place: Place) -> Result<Release, String> {
        let name = ReleaseName::from_str(&self.metadata.name).map_err(|e| e.to_string())?;
        let namespace = self.metadata.namespace.ok_or("it has no namespace")?;
        let spec = self.spec;
        let chart = match (spec.chart, spec.chart_ref) {
            (Some(chart), None) => chart.spec,
            (None, Some(_)) => ChartSpec { chart: String::new(), version: String::new() },
            (None, None) => return Err("it has neither `chart` nor `chartRef`".to_owned()),
            (Some(_), Some(_)) => return Err("it has both `chart` and `chartRef`".to_owned()),
        };
        let release_name = spec.release_name.unwrap_or_else(|| match &spec.target_namespace {
            Some(target) => format!("{target}-{name}"),
            None => name.to_string(),
        });
        let depends_on = spec
            .depends_on
            .into_iter()
            .map(|edge| {
                let name = ReleaseName::from_str(&edge.name).map_err(|e| e.to_string())?;
                Ok(Dependency {
                    namespace: edge.namespace.unwrap_or_else(|| namespace.clone()),
                    name,
                })
            })
            .collect::<Result<_, String>>()?;
        let slot = self.metadata.labels.get(SLOT_LABEL).filter(|slot| !slot.is_empty()).cloned();
        Ok(Release {
            name,
            slot: slot.or_else(|| slot_of_file(&place.file)),
            release_name,
            target_namespace: spec.target_namespace.unwrap_or_else(|| namespace.clone()),
            storage_namespace: spec.storage_namespace.unwrap_or_else(|| namespace.clone()),
            namespace,
            chart: chart.chart,
            version: chart.version,
            depends_on,
            place,
        })
    }
}

#[cfg(test)]
mod tests;

//! The forms of requests and answers, one JSON document a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the renderer is asked.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// A release.
    Helm(Box<HelmRequest>),
    /// A folder.
    Kustomize(KustomizeRequest),
    /// Whether objects have the form of their types.
    Strict(StrictRequest),
}

/// One release, as `helm template` without a cluster would render it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmRequest {
    /// Folder or archive on the disk.
    pub chart: String,
    /// Hash of everything in the chart; empty: the answer is not kept.
    #[serde(skip)]
    pub chart_hash: String,
    /// Name of the release.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Values over the chart's own.
    pub values: Value,
    /// Files of the chart in place of its values.yaml, the last one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Leaves out the values files that are not there.
    pub ignore_missing_values_files: bool,
    /// Version of Kubernetes; empty: the library's own.
    pub kube_version: String,
    /// APIs served besides Kubernetes' own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// An upgrade instead of an installation.
    pub upgrade: bool,
    /// Objects that `lookup` finds; nothing: it finds none, as in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<Vec<Value>>,
    /// Asks for the template line of every line.
    pub lines: bool,
    /// Changes after rendering.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_renderers: Vec<PostRenderer>,
}

/// One entry of a HelmRelease's post-renderers.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostRenderer {
    /// Patches as kustomize takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Value>,
    /// Images as kustomize takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Value>,
    /// Labels for every object.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: BTreeMap<String, String>,
    /// Annotations for every object.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: BTreeMap<String, String>,
}

/// One folder, as kustomize-controller would build it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KustomizeRequest {
    /// The tree on the disk; nothing outside is read.
    pub root: String,
    /// The folder, relative to the tree.
    pub path: String,
    /// What Flux adds: a kustomization without its resources.
    pub wrapper: Value,
    /// Files that exist for this build only, by path in the tree.
    pub extra: BTreeMap<String, String>,
    /// Hash of every file the build can read; empty: the answer is not kept.
    #[serde(skip)]
    pub files_hash: String,
}

/// Objects to be held against their types.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StrictRequest {
    /// One object each.
    pub documents: Vec<String>,
}

/// What the renderer answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Of a release.
    Helm(Box<HelmAnswer>),
    /// Of a folder.
    Kustomize(Vec<Built>),
    /// Of objects and types.
    Strict(Vec<Verdict>),
}

/// One rendered release.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HelmAnswer {
    /// The chart's metadata, as in its Chart.yaml.
    pub chart: Value,
    /// What `helm template --no-hooks` prints.
    pub manifest: String,
    /// Hooks and objects.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// The files of the folders `crds`.
    #[serde(default)]
    pub crds: Vec<Document>,
    /// NOTES.txt as rendered.
    #[serde(default)]
    pub notes: String,
    /// Objects that templates asked the cluster for.
    #[serde(default)]
    pub lookups: Vec<Lookup>,
    /// Documents that came out differently when rendered again.
    #[serde(default)]
    pub unstable: Vec<usize>,
    /// What `.Values` holds.
    #[serde(default)]
    pub values: Value,
    /// Template files by number.
    #[serde(default)]
    pub files: Vec<String>,
    /// What templates look at below `.Values`; nothing when that is not known.
    #[serde(default)]
    pub reads: Vec<Read>,
}

/// One path of `.Values` that templates look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The keys; none for all values.
    pub path: Vec<String>,
    /// Whether everything below counts as looked at.
    #[serde(default)]
    pub whole: bool,
}

/// One object as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    /// The template, the chart's name first.
    pub path: String,
    /// The object.
    pub text: String,
    /// Set for a hook.
    #[serde(default)]
    pub hook: Option<HookForm>,
    /// For each line: file by number, and line.
    #[serde(default)]
    pub lines: Vec<(u32, u32)>,
}

/// What makes a document a hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookForm {
    /// Such as `pre-install`.
    #[serde(default)]
    pub events: Option<Vec<String>>,
    /// Lower runs first.
    pub weight: i64,
    /// Such as `before-hook-creation`.
    #[serde(default)]
    pub delete_policies: Vec<String>,
}

/// One question of a template to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for all or none.
    #[serde(default)]
    pub namespace: String,
    /// Name; empty for a list.
    #[serde(default)]
    pub name: String,
    /// Whether the world held it.
    pub found: bool,
}

/// One object of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// The object.
    pub text: String,
    /// The file it came from; empty when nothing is known.
    #[serde(default)]
    pub origin: String,
    /// The file with the generator that made it.
    #[serde(default)]
    pub configured_in: String,
}

/// What the types say of one object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the kind is one of Kubernetes' or Flux's own.
    pub known: bool,
    /// The decoder's words, one fault each.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// The renderer's first line.
#[derive(Debug, Deserialize)]
pub struct Hello {
    /// Its protocol.
    pub hello: String,
    /// Hash of its source.
    pub source: String,
}

impl Request {
    /// What the answer depends on, in one hash; nothing for a request whose inputs are not known.
    pub(super) fn cache_key(&self, source: &str) -> Option<String> {
        let inputs = match self {
            Self::Helm(request) => &request.chart_hash,
            Self::Kustomize(request) => &request.files_hash,
            Self::Strict(_) => source,
        };
        if inputs.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        for part in [source, inputs] {
            hash.update(part);
            hash.update("\n");
        }
        hash.update(serde_json::to_vec(&self.without_places()).ok()?);
        Some(hex::encode(hash.finalize()))
    }

    /// The request without paths of this machine, which the hash of their content stands for.
    fn without_places(&self) -> Self {
        let mut copy = self.clone();
        match &mut copy {
            Self::Helm(request) => request.chart.clear(),
            Self::Kustomize(request) => request.root.clear(),
            Self::Strict(_) => {}
        }
        copy
    }

    pub(super) fn write(&self, id: u64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            id: u64,
            #[serde(flatten)]
            request: &'a Request,
        }
        serde_json::to_writer(&mut *out, &Line { id, request: self })?;
        out.push(b'\n');
        Ok(())
    }
}

/// Reads one line of the renderer.
pub(super) fn read(line: &[u8]) -> std::io::Result<(u64, Result<Answer, String>)> {
    #[derive(Deserialize)]
    struct Line {
        id: u64,
        ok: Option<Answer>,
        #[serde(default)]
        error: String,
    }
    let line: Line = serde_json::from_slice(line)?;
    Ok((line.id, line.ok.ok_or(line.error)))
}

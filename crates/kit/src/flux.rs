//! Flux's objects as a kit declares them, with Flux's own defaults filled in.
//!
//! Only what rendering and the rules need is typed; everything else stays reachable through the
//! object's node. What is declared but not carried out here is named by [`HelmRelease::unsupported`].

use std::time::Duration;

use crate::object::Object;
use crate::yaml::Node;

/// Group of HelmReleases.
pub(crate) const HELM: &str = "helm.toolkit.fluxcd.io";
/// Group of Flux Kustomizations.
pub(crate) const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
/// Group of Flux sources.
pub(crate) const SOURCE: &str = "source.toolkit.fluxcd.io";
/// The label with a release's slot.
pub(crate) const SLOT_LABEL: &str = "catalyst.openova.io/slot";

/// What Flux waits for at most when nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// One HelmRelease.
#[derive(Debug, Clone)]
pub struct HelmRelease {
    /// Its object, by its place in `Facts::objects`.
    pub object: usize,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Slot from its label, else from its file's name.
    pub slot: Option<String>,
    /// Name of the Helm release.
    pub release_name: String,
    /// Where the chart is installed.
    pub target_namespace: String,
    /// What must be Ready first.
    pub depends_on: Vec<Edge>,
    /// The chart, as far as the release names one.
    pub chart: Option<ChartPin>,
    /// The first installation.
    pub install: Action,
    /// Every later one.
    pub upgrade: Action,
}

/// One entry of `dependsOn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Namespace of the release it names.
    pub namespace: String,
    /// Name of the release it names.
    pub name: String,
    /// Whether a `readyExpr` says when it is functional.
    pub has_ready_expr: bool,
}

/// The chart a release names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartPin {
    /// Name; for a path in a Git repository, the path.
    pub name: String,
    /// Version or range; empty when it is left open.
    pub version: String,
    /// Kind of the source: HelmRepository, GitRepository, Bucket, OCIRepository, HelmChart.
    pub source_kind: String,
    /// Name of the source.
    pub source_name: String,
    /// Namespace of the source.
    pub source_namespace: String,
}

/// How an action is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// For each of Helm's own waits: one hook, or all objects.
    pub timeout: Duration,
    /// Whether Ready means no more than applied.
    pub disable_wait: bool,
    /// Tries after the first; below zero: without end.
    pub retries: i64,
}

impl HelmRelease {
    /// Reads a HelmRelease; `at` is its place among the objects.
    pub(crate) fn read(object: &Object, at: usize, file: &str) -> Self {
        let spec = object.node.get("spec");
        let text = |path: &str| {
            let node = spec.and_then(|spec| spec.at(path)).and_then(Node::text);
            node.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let namespace = object.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let target = text("targetNamespace").unwrap_or_else(|| namespace.clone());
        // Flux puts the target namespace before the name of a release that states no other.
        let release_name = text("releaseName").unwrap_or_else(|| match text("targetNamespace") {
            Some(target) => format!("{target}-{}", object.name),
            None => object.name.clone(),
        });
        let edges = spec.map(|spec| spec.items_at("dependsOn")).unwrap_or_default();
        let timeout = text("timeout").and_then(|text| duration(&text)).unwrap_or(DEFAULT_TIMEOUT);
        let slot = object.label(SLOT_LABEL).map(str::to_owned);
        Self {
            object: at,
            name: object.name.clone(),
            slot: slot.or_else(|| slot_of_file(file)),
            release_name,
            depends_on: edges.iter().map(|edge| Edge::read(edge, &namespace)).collect(),
            chart: spec.and_then(|spec| ChartPin::read(spec, &namespace)),
            install: Action::read(spec, "install", timeout),
            upgrade: Action::read(spec, "upgrade", timeout),
            namespace,
            target_namespace: target,
        }
    }

    /// Members that change what is installed and that are not carried out here.
    pub(crate) fn unsupported(object: &Object) -> Vec<(&Node, &'static str)> {
        const MEMBERS: [(&str, &str); 3] = [
            ("spec/kubeConfig", "installs into another cluster, about which nothing is known here"),
            ("spec/chart/spec/verify", "the chart's signature is not checked here"),
            ("spec/install/replace", "replaces a release of another owner"),
        ];
        let found = |(path, why): &(&str, &'static str)| Some((object.node.at(path)?, *why));
        let mut all: Vec<_> = MEMBERS.iter().filter_map(found).collect();
        for renderer in object.node.items_at("spec/postRenderers") {
            let known = |name: &str| name == "patches" || name == "images";
            for entry in renderer.entries().iter().filter(|entry| entry.name() != "kustomize") {
                all.push((&entry.key, "is no post-renderer of Flux"));
            }
            let kustomize = renderer.get("kustomize").map(Node::entries).unwrap_or_default();
            for entry in kustomize.iter().filter(|entry| !known(entry.name())) {
                all.push((&entry.key, "is no member of a kustomize post-renderer"));
            }
        }
        all
    }
}

impl Edge {
    fn read(node: &Node, namespace: &str) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        Self {
            namespace: text("namespace").unwrap_or_else(|| namespace.to_owned()),
            name: text("name").unwrap_or_default(),
            has_ready_expr: node.get("readyExpr").is_some(),
        }
    }
}

impl ChartPin {
    fn read(spec: &Node, namespace: &str) -> Option<Self> {
        let text = |node: &Node, path: &str| {
            node.at(path).and_then(Node::text).unwrap_or_default().to_owned()
        };
        let or_own = |stated: String| if stated.is_empty() { namespace.to_owned() } else { stated };
        if let Some(chart) = spec.at("chart/spec") {
            return Some(Self {
                name: text(chart, "chart"),
                version: text(chart, "version"),
                source_kind: text(chart, "sourceRef/kind"),
                source_name: text(chart, "sourceRef/name"),
                source_namespace: or_own(text(chart, "sourceRef/namespace")),
            });
        }
        let reference = spec.get("chartRef")?;
        Some(Self {
            name: String::new(),
            version: String::new(),
            source_kind: text(reference, "kind"),
            source_name: text(reference, "name"),
            source_namespace: or_own(text(reference, "namespace")),
        })
    }
}

impl Action {
    fn read(spec: Option<&Node>, name: &str, default: Duration) -> Self {
        let action = spec.and_then(|spec| spec.get(name));
        let at = |path: &str| action.and_then(|action| action.at(path));
        Self {
            timeout: at("timeout").and_then(Node::text).and_then(duration).unwrap_or(default),
            disable_wait: at("disableWait").and_then(Node::bool).unwrap_or(false),
            retries: at("remediation/retries").and_then(Node::int).unwrap_or(0),
        }
    }
}

/// Reads a duration as Go writes it, such as `1h30m` or `15m`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// The slot in a file's name: digits, perhaps a letter, and a dash, as in `05a-reflector.yaml`.
pub fn slot_of_file(file: &str) -> Option<String> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let (slot, _) = name.split_once('-')?;
    let digits = slot.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_slot = !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && slot.len() - digits.len() <= 1;
    is_slot.then(|| slot.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let seconds = |text: &str| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("1h30m5s"), Some(5405));
        assert_eq!(seconds("1.5m"), Some(90));
        assert_eq!([seconds("15"), seconds(""), seconds("5 minutes")], [None, None, None]);
    }
}

//! Everything that was observed of a cluster, as the diagnosis takes it.
//!
//! Whoever watches the cluster keeps the reduced objects and lends them here; nothing is copied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use catalyst_model::{KitRelease, ReleaseName};
use jiff::Timestamp;

use crate::{Claim, Event, Job, Node, Pod, Release, Toolkit};

/// Namespace and name of an object; the namespace is empty for objects of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// Makes a key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// The objects of a cluster, reduced to what names a cause.
#[derive(Debug, Clone, Default)]
pub struct Observed<'a> {
    /// The releases that the kit declares, with their edges.
    pub kit: &'a [KitRelease],
    /// Those of them that are installed and whose workloads are available.
    pub well: BTreeSet<&'a ReleaseName>,
    /// HelmReleases.
    pub releases: BTreeMap<&'a Key, &'a Release>,
    /// Which release made a workload, by namespace, kind and name.
    pub owners: BTreeMap<(&'a str, &'a str, &'a str), Made<'a>>,
    /// Helm's records that say that work on a release is going on.
    pub pending: Vec<Pending<'a>>,
    /// HelmCharts.
    pub charts: BTreeMap<&'a Key, &'a Toolkit>,
    /// GitRepositories, HelmRepositories and OCIRepositories, by kind.
    pub sources: Vec<(&'static str, &'a Key, &'a Toolkit)>,
    /// Kustomizations.
    pub kustomizations: BTreeMap<&'a Key, &'a Toolkit>,
    /// Pods.
    pub pods: BTreeMap<&'a Key, &'a Pod>,
    /// Jobs.
    pub jobs: BTreeMap<&'a Key, &'a Job>,
    /// Claims for storage that are not bound.
    pub claims: BTreeMap<&'a Key, &'a Claim>,
    /// Names of the StorageClasses, and whether each is the default; nothing while not listed.
    pub classes: Option<BTreeMap<&'a str, bool>>,
    /// Nodes.
    pub nodes: BTreeMap<&'a Key, &'a Node>,
    /// Warnings.
    pub events: Vec<&'a Event>,
    /// Flux's controllers, with what is wrong with each that does not run.
    pub controllers: Vec<Controller>,
    /// Last lines of containers, by Pod and container.
    pub logs: BTreeMap<(&'a Key, &'a str), &'a Tail>,
    /// Kinds that cannot be listed, with the API server's words.
    pub unreadable: Vec<(&'static str, &'a str)>,
    /// The present time, for what only its duration shows.
    pub now: Timestamp,
}

/// What made a workload.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The release.
    pub release: &'a ReleaseName,
    /// The event of the hook it is, such as `pre-install`.
    pub hook: Option<&'a str>,
}

/// A Helm record of a release on which work is going on.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// The HelmRelease.
    pub release: &'a ReleaseName,
    /// Helm's word, such as `pending-install`.
    pub status: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// One of Flux's controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Its name.
    pub name: String,
    /// Since when its Pod runs, while it does.
    pub running_since: Option<Timestamp>,
    /// Whether its Deployment exists.
    pub exists: bool,
    /// Replicas that are asked for.
    pub desired: i64,
}

/// The last lines of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// Kind and name of the workload its Pod belongs to.
    pub owner: (String, String),
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// Whether they could not be read, and why.
    pub unreadable: Option<String>,
}

impl<'a> Observed<'a> {
    /// The release that an object belongs to: the one that made it, else the one whose namespace
    /// it is in, if that is one only.
    pub(crate) fn release_of(
        &self,
        namespace: &str,
        owner: &(String, String),
    ) -> Option<&'a ReleaseName> {
        if let Some(made) = self.owners.get(&(namespace, owner.0.as_str(), owner.1.as_str())) {
            return Some(made.release);
        }
        let mut here =
            self.releases.iter().filter(|(_, release)| release.target_namespace == namespace);
        let (key, _) = here.next()?;
        if here.next().is_some() {
            return None;
        }
        self.kit.iter().map(|release| &release.name).find(|name| name.as_str() == key.name)
    }

    /// Events about an object, the latest first.
    pub(crate) fn events_of(&self, kind: &str, key: &Key) -> impl Iterator<Item = &'a Event> {
        let mut found: Vec<&Event> = self
            .events
            .iter()
            .copied()
            .filter(|event| event.kind == kind && event.object == *key)
            .collect();
        found.sort_by_key(|event| std::cmp::Reverse(event.last));
        found.into_iter()
    }

    /// Nodes that are not Ready.
    pub(crate) fn sick_nodes(&self) -> impl Iterator<Item = (&'a Key, &'a Node)> {
        self.nodes.iter().filter(|(_, node)| !node.ready).map(|(key, node)| (*key, *node))
    }

    /// The Pods on a node.
    pub(crate) fn on_node(&self, name: &str) -> impl Iterator<Item = &'a Pod> {
        self.pods.values().copied().filter(move |pod| pod.node.as_deref() == Some(name))
    }

    /// The log of a Job's Pod: of one that is there, else of one that is gone.
    pub(crate) fn log_of_job(&self, key: &Key) -> Option<&'a Tail> {
        let is_of = |owner: &(String, String)| owner.0 == "Job" && owner.1 == key.name;
        let is_its = |unready: &crate::Unready| is_of(&unready.owner);
        let has_pod = self.pods.iter().any(|(pod, object)| {
            pod.namespace == key.namespace && object.unready.as_deref().is_some_and(is_its)
        });
        let mut tails = self.logs.iter().filter(|((pod, _), tail)| {
            let is_here = self.pods.contains_key(pod);
            pod.namespace == key.namespace && is_of(&tail.owner) && is_here == has_pod
        });
        tails.find(|(_, tail)| !tail.lines.is_empty()).map(|(_, tail)| *tail)
    }
}

//! What readers of a watch see: one whole state of a cluster, with its age.

use std::collections::BTreeSet;

use catalyst_model::{Cause, ComponentFact, ConditionFact, WorkloadFact};
use jiff::Timestamp;

use crate::observe::Kind;

/// Everything known of a cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterView {
    /// Whether the API server answers.
    pub connection: Connection,
    /// The kinds whose objects have been listed since the connection came up. Nodes are among them
    /// only when the kubelet of each has been asked as well.
    pub synced: BTreeSet<Kind>,
    /// Every release of the kit, in its order; empty until all that speaks of them is listed.
    pub components: Vec<ComponentFact>,
    /// What stands under the components.
    pub platform: Platform,
    /// Objects that could not be read and are left out, counted since the start.
    pub unreadable: u64,
    /// The causes of trouble that have lasted, the one to look at first in front.
    pub causes: Vec<Cause>,
}

/// Whether the API server answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Connection {
    /// Nothing has been heard yet.
    #[default]
    Connecting,
    /// It answers.
    Live,
    /// It stopped answering; what is shown was true at that time.
    Stale {
        /// When it was last known to answer.
        since: Timestamp,
        /// Why, without addresses or credentials.
        message: String,
    },
}

/// What stands under the components: nodes, storage, Flux.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    /// The nodes, by name.
    pub nodes: Vec<NodeView>,
    /// Names of the default StorageClasses; exactly one is right.
    pub default_storage_classes: Vec<String>,
    /// Flux's three controllers; one that does not exist is there with 0 of 1.
    pub controllers: Vec<WorkloadFact>,
    /// The GitRepositories, by name.
    pub sources: Vec<SourceView>,
    /// The Kustomizations, by name.
    pub kustomizations: Vec<KustomizationView>,
}

impl Platform {
    /// Whether there are nodes and all are Ready.
    pub fn nodes_ready(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.iter().all(|node| node.ready)
    }

    /// Whether Flux's controllers are all available.
    pub fn flux_available(&self) -> bool {
        !self.controllers.is_empty() && self.controllers.iter().all(|c| c.available)
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// Its kubelet's version.
    pub version: String,
    /// When its readiness changed last.
    pub since: Option<Timestamp>,
    /// Why it is not Ready.
    pub message: Option<String>,
    /// Whether its kubelet has been asked and answered since the connection came up; Pods of a
    /// node that is not confirmed do not count as running.
    pub confirmed: bool,
}

/// A GitRepository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// The condition `Ready`, if it speaks of the current generation.
    pub ready: Option<ConditionFact>,
    /// When that condition changed last.
    pub since: Option<Timestamp>,
    /// Revision of the artifact.
    pub revision: Option<String>,
}

/// A Kustomization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KustomizationView {
    /// Its name.
    pub name: String,
    /// The condition `Ready`, if it speaks of the current generation.
    pub ready: Option<ConditionFact>,
    /// When that condition changed last.
    pub since: Option<Timestamp>,
    /// Revision applied last.
    pub revision: Option<String>,
}

impl ClusterView {
    /// Whether Pods and Deployments have been listed: what `/readyz` asks of each cluster.
    pub fn informers_synced(&self) -> bool {
        [Kind::Pod, Kind::Deployment].iter().all(|kind| self.synced.contains(kind))
    }

    /// Whether everything that speaks of components has been listed, every node has been asked,
    /// and the API server answers.
    pub fn is_current(&self) -> bool {
        self.connection == Connection::Live
            && self.synced.contains(&Kind::Node)
            && Kind::FOR_COMPONENTS.iter().all(|kind| self.synced.contains(kind))
    }
}

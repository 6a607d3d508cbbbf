//! Which objects are watched, and what is kept of each.
//!
//! [`Kind`] is the list; [`Observed::read`] reduces an object to what the index needs. An object
//! that cannot be read is an error with its name: the watch notes it and goes on.

pub use catalyst_diagnosis::Key;
use catalyst_diagnosis::{Claim, Event, Toolkit};
use jiff::Timestamp;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use serde_json::Value;

use catalyst_model::ConditionFact;

use crate::flux::{self, HelmRelease, NAMESPACE, condition, condition_value, text, time};
use crate::pod::Pod;
use crate::record::Record;
use crate::workload::Live;

/// A kind of object that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// HelmReleases of every namespace.
    HelmRelease,
    /// Secrets of type `helm.sh/release.v1` of every namespace.
    HelmRecord,
    /// Deployments.
    Deployment,
    /// StatefulSets.
    StatefulSet,
    /// DaemonSets.
    DaemonSet,
    /// ReplicaSets that no Deployment owns are rare, but charts may hold them.
    ReplicaSet,
    /// Jobs.
    Job,
    /// Pods.
    Pod,
    /// Nodes.
    Node,
    /// StorageClasses.
    StorageClass,
    /// GitRepositories in `flux-system`.
    GitRepository,
    /// Kustomizations in `flux-system`.
    Kustomization,
    /// HelmCharts, which Flux makes for releases.
    HelmChart,
    /// HelmRepositories; those of type `oci` have no status.
    HelmRepository,
    /// OCIRepositories.
    OciRepository,
    /// Claims for storage.
    Claim,
    /// Warnings; the rest of the Events says nothing that the objects do not say.
    Event,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::HelmRelease,
        Self::HelmRecord,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::Pod,
        Self::Node,
        Self::StorageClass,
        Self::GitRepository,
        Self::Kustomization,
        Self::HelmChart,
        Self::HelmRepository,
        Self::OciRepository,
        Self::Claim,
        Self::Event,
    ];

    /// The kinds that must have been listed before anything is said of components.
    pub const FOR_COMPONENTS: [Self; 8] = [
        Self::HelmRelease,
        Self::HelmRecord,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::Pod,
    ];

    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HelmRelease => "HelmRelease",
            Self::HelmRecord => "Secret",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Node => "Node",
            Self::StorageClass => "StorageClass",
            Self::GitRepository => "GitRepository",
            Self::Kustomization => "Kustomization",
            Self::HelmChart => "HelmChart",
            Self::HelmRepository => "HelmRepository",
            Self::OciRepository => "OCIRepository",
            Self::Claim => "PersistentVolumeClaim",
            Self::Event => "Event",
        }
    }

    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::HelmRelease => ("helm.toolkit.fluxcd.io", "v2", "helmreleases"),
            Self::HelmRecord => ("", "v1", "secrets"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::StatefulSet => ("apps", "v1", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "daemonsets"),
            Self::ReplicaSet => ("apps", "v1", "replicasets"),
            Self::Job => ("batch", "v1", "jobs"),
            Self::Pod => ("", "v1", "pods"),
            Self::Node => ("", "v1", "nodes"),
            Self::StorageClass => ("storage.k8s.io", "v1", "storageclasses"),
            Self::GitRepository => ("source.toolkit.fluxcd.io", "v1", "gitrepositories"),
            Self::Kustomization => ("kustomize.toolkit.fluxcd.io", "v1", "kustomizations"),
            Self::HelmChart => ("source.toolkit.fluxcd.io", "v1", "helmcharts"),
            Self::HelmRepository => ("source.toolkit.fluxcd.io", "v1", "helmrepositories"),
            Self::OciRepository => ("source.toolkit.fluxcd.io", "v1", "ocirepositories"),
            Self::Claim => ("", "v1", "persistentvolumeclaims"),
            Self::Event => ("", "v1", "events"),
        };
        let kind = GroupVersionKind::gvk(group, version, self.as_str());
        ApiResource::from_gvk_with_plural(&kind, plural)
    }

    /// The namespace the watch is confined to.
    pub(crate) fn namespace(self) -> Option<&'static str> {
        matches!(self, Self::GitRepository | Self::Kustomization).then_some(NAMESPACE)
    }

    /// The field selector of the watch.
    pub(crate) fn fields(self) -> Option<&'static str> {
        match self {
            Self::HelmRecord => Some("type=helm.sh/release.v1"),
            Self::Event => Some("type=Warning"),
            _ => None,
        }
    }
}

/// What is kept of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Of a HelmRelease.
    HelmRelease(Box<HelmRelease>),
    /// Of a Helm record.
    HelmRecord(Box<Record>),
    /// Of a workload.
    Workload(Live),
    /// Of a Pod.
    Pod(Box<Pod>),
    /// Of a Node.
    Node(Node),
    /// Of a StorageClass.
    StorageClass(StorageClass),
    /// Of a GitRepository or a Kustomization.
    FluxObject(Box<FluxObject>),
    /// Of a HelmChart or another source.
    Toolkit(Box<Toolkit>),
    /// Of a claim for storage; nothing of one that is bound.
    Claim(Option<Claim>),
    /// Of an Event.
    Event(Box<Event>),
}

/// What is kept of a Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Whether it is Ready.
    pub ready: bool,
    /// Its kubelet's version.
    pub version: String,
    /// When its readiness changed last.
    pub since: Option<Timestamp>,
    /// Why it is not Ready.
    pub message: Option<String>,
    /// What may name a cause.
    pub told: catalyst_diagnosis::Node,
}

/// What is kept of a StorageClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClass {
    /// Whether claims without a class get this one.
    pub is_default: bool,
}

/// What is kept of a GitRepository or a Kustomization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxObject {
    /// `metadata.generation`.
    pub generation: i64,
    /// The condition `Ready`.
    pub ready: Option<ConditionFact>,
    /// When that condition changed last.
    pub since: Option<Timestamp>,
    /// Revision fetched or applied last.
    pub revision: Option<String>,
    /// What may name a cause.
    pub told: Toolkit,
}

impl Observed {
    /// Reduces an object.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(kind: Kind, object: &Value) -> Result<Self, String> {
        let unreadable = || format!("a {} without the members it must have", kind.as_str());
        match kind {
            Kind::HelmRelease => HelmRelease::read(object)
                .map(|release| Self::HelmRelease(Box::new(release)))
                .ok_or_else(unreadable),
            Kind::HelmRecord => Record::read(object)
                .map(|record| Self::HelmRecord(Box::new(record)))
                .map_err(|error| error.to_string()),
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job => {
                Live::read(kind.as_str(), object).map(Self::Workload).ok_or_else(unreadable)
            }
            Kind::Pod => {
                Pod::read(object).map(|pod| Self::Pod(Box::new(pod))).ok_or_else(unreadable)
            }
            Kind::Node => Ok(Self::Node(node(object))),
            Kind::StorageClass => {
                Ok(Self::StorageClass(StorageClass { is_default: is_default_class(object) }))
            }
            Kind::HelmChart | Kind::HelmRepository | Kind::OciRepository => {
                Ok(Self::Toolkit(Box::new(Toolkit::read(kind.as_str(), object))))
            }
            Kind::Claim => Ok(Self::Claim(Claim::read(object))),
            Kind::Event => {
                Event::read(object).map(|event| Self::Event(Box::new(event))).ok_or_else(unreadable)
            }
            Kind::GitRepository | Kind::Kustomization => flux_object(kind, object)
                .map(|object| Self::FluxObject(Box::new(object)))
                .ok_or_else(unreadable),
        }
    }
}

fn node(object: &Value) -> Node {
    let ready = condition_value(object, "Ready");
    let is_ready = ready.and_then(|c| text(c, "/status")).as_deref() == Some("True");
    Node {
        ready: is_ready,
        version: text(object, "/status/nodeInfo/kubeletVersion").unwrap_or_default(),
        since: ready.and_then(|c| time(c, "/lastTransitionTime")),
        message: ready.filter(|_| !is_ready).and_then(|c| text(c, "/message")),
        told: catalyst_diagnosis::Node::read(object),
    }
}

fn is_default_class(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let value = annotations.and_then(|a| a.get("storageclass.kubernetes.io/is-default-class"));
    value.and_then(Value::as_str) == Some("true")
}

fn flux_object(kind: Kind, object: &Value) -> Option<FluxObject> {
    Some(FluxObject {
        generation: flux::number(object, "/metadata/generation")?,
        ready: condition(object, "Ready"),
        since: condition_value(object, "Ready").and_then(|c| time(c, "/lastTransitionTime")),
        revision: text(object, "/status/artifact/revision")
            .or_else(|| text(object, "/status/lastAppliedRevision")),
        told: Toolkit::read(kind.as_str(), object),
    })
}

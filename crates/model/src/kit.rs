//! The kit as it is expected, and the facts a cluster shows about it.
//!
//! [`FrozenKit`] is what must be there; [`ComponentFact`] is what was seen. Nothing here decides
//! whether a component is well: that is [`crate::assess`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Cause, ReleaseName};

/// The expected set of releases, taken from the kit's build at one commit; never empty, no name
/// twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "KitParts", into = "KitParts")]
pub struct FrozenKit {
    commit: String,
    releases: Vec<KitRelease>,
}

/// One release the kit asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KitRelease {
    /// The HelmRelease's name.
    pub name: ReleaseName,
    /// The HelmRelease's own namespace.
    pub namespace: String,
    /// The slot of its file, such as `10` or `05a`; empty when it has none.
    pub slot: String,
    /// The chart's version as asked for; empty when the kit leaves it open.
    pub version: String,
    /// The releases that must be ready before it.
    pub depends_on: Vec<ReleaseName>,
}

/// Why a list of releases is not a kit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KitRefused {
    /// A kit without a release would be "ready" for want of anything to wait for.
    #[error("the kit holds no release")]
    Empty,
    /// Two releases of one name cannot be told apart.
    #[error("the kit names release `{0}` twice")]
    Duplicate(ReleaseName),
    /// Without the commit nobody could say what was expected.
    #[error("the kit's commit is empty")]
    NoCommit,
}

#[derive(Serialize, Deserialize)]
struct KitParts {
    commit: String,
    releases: Vec<KitRelease>,
}

impl FrozenKit {
    /// Freezes `releases` as built at `commit` (a git revision such as `main@sha1:…`).
    ///
    /// # Errors
    /// An empty list, a name given twice and an empty commit are refused.
    pub fn new(commit: String, releases: Vec<KitRelease>) -> Result<Self, KitRefused> {
        if commit.is_empty() {
            return Err(KitRefused::NoCommit);
        }
        if releases.is_empty() {
            return Err(KitRefused::Empty);
        }
        let mut seen = BTreeSet::new();
        for release in &releases {
            if !seen.insert(&release.name) {
                return Err(KitRefused::Duplicate(release.name.clone()));
            }
        }
        Ok(Self { commit, releases })
    }

    /// The revision the kit was built at.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The releases, in the kit's order.
    pub fn releases(&self) -> &[KitRelease] {
        &self.releases
    }
}

impl TryFrom<KitParts> for FrozenKit {
    type Error = KitRefused;

    fn try_from(p: KitParts) -> Result<Self, KitRefused> {
        Self::new(p.commit, p.releases)
    }
}

impl From<FrozenKit> for KitParts {
    fn from(k: FrozenKit) -> Self {
        Self { commit: k.commit, releases: k.releases }
    }
}

/// Everything a cluster shows about one release at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentFact {
    /// The release.
    pub name: ReleaseName,
    /// Its HelmRelease, absent when the cluster has none of that name.
    pub helm: Option<HelmFact>,
    /// What it installed, absent while that is not known.
    pub inventory: Option<Inventory>,
}

/// The parts of a HelmRelease that say how it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmFact {
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: Option<i64>,
    /// The condition `Ready`.
    pub ready: Option<ConditionFact>,
    /// The condition `Stalled`: true when the controller has given up.
    pub stalled: Option<ConditionFact>,
    /// Installs and upgrades that failed so far at this generation.
    pub failures: u32,
    /// `spec.suspend`.
    pub suspended: bool,
    /// The chart version last applied.
    pub applied_version: Option<String>,
}

/// One condition of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionFact {
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The machine's word for why.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// The generation the condition speaks about, when it says so.
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say.
    Unknown,
}

/// What a release installed, from the manifest and the hooks of its Helm record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// How many objects of any kind it holds; none at all is never healthy.
    pub objects: u32,
    /// Those of its objects that run something.
    pub workloads: Vec<WorkloadFact>,
}

/// One object that runs something, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadFact {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is available at its current generation.
    pub available: bool,
    /// Replicas that are ready (1 for a Job that succeeded).
    pub ready: u32,
    /// Replicas that are asked for.
    pub desired: u32,
    /// What keeps it from being available, in the cluster's words.
    pub message: Option<String>,
}

/// Something under the components that people wait for: a node, one of Flux's controllers, a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformFact {
    /// Which, such as `node sov1` or `GitRepository openova`.
    pub subject: String,
    /// Whether it is as it should be; absent while the cluster is about to find out.
    pub well: Option<bool>,
    /// How it is, in the cluster's words where it has any.
    pub message: String,
}

/// Something the watch of a cluster reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterFact {
    /// The API server answers and the state that follows is current.
    Attached,
    /// The API server stopped answering; what is known is growing old.
    Lost {
        /// Why, without addresses or credentials.
        message: String,
    },
    /// Something under the components (sent at every listing and at every change).
    Platform(PlatformFact),
    /// The present state of one release (sent at every listing and at every change).
    Component(ComponentFact),
    /// Every cause of trouble that the cluster shows now (sent at every change).
    Causes(Vec<Cause>),
}

//! The state of a deployment as the console and the CLI see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Cause;

/// Where a Sovereign runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// On this machine.
    Sandbox,
    /// On a cluster that exists.
    Existing,
    /// On Hetzner Cloud.
    Hetzner,
}

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Accepted; OpenTofu prepares.
    Provisioning,
    /// OpenTofu creates the infrastructure.
    TofuApplying,
    /// The infrastructure stands; the node has yet to send its kubeconfig.
    AwaitingKubeconfig,
    /// Flux installs the kit.
    Phase1Watching,
    /// Every component is installed and its workloads run.
    Ready,
    /// Every component was installed, and something has since fallen behind.
    Degraded,
    /// It will not come up without help.
    Failed,
    /// A deadline passed.
    TimedOut,
    /// The cluster answers, but Flux does not work on the kit.
    FluxNotReconciling,
    /// It is being taken down.
    Destroying,
    /// It is gone.
    Destroyed,
}

/// Everything known of a deployment, as of event `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// 16 hexadecimal digits.
    pub id: String,
    /// The short name.
    pub name: String,
    /// Where it runs.
    pub provider: Provider,
    /// Where it stands.
    pub status: Status,
    /// The domain everything of it lives under.
    #[serde(rename = "sovereignFQDN")]
    pub sovereign_fqdn: String,
    /// The region.
    pub region: String,
    /// The organisation that owns it.
    pub org_name: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it came to rest.
    #[schema(required)]
    pub finished_at: Option<Timestamp>,
    /// The last event this state contains.
    pub seq: u64,
    /// How many events the log has.
    pub num_events: u64,
    /// The page's first line.
    pub answer: Answer,
    /// The causes of its trouble, the one to look at first in front; two that are independent are
    /// both there.
    pub causes: Vec<Cause>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<Failure>,
    /// What the infrastructure turned out to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub result: Option<Outputs>,
    /// The five phases, always all, in order.
    pub phases: Vec<Phase>,
    /// What OpenTofu makes, in the order it was planned.
    pub resources: Vec<Resource>,
    /// The expected set, once it is frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kit: Option<Kit>,
    /// The expected set's components, in the order of their slots.
    pub components: Vec<Component>,
    /// State by component, for older clients.
    pub component_states: BTreeMap<String, ComponentState>,
    /// When the kit came to rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phase1_finished_at: Option<Timestamp>,
    /// How the kit came to rest: `ready`, `failed`, `timeout` or `flux-not-reconciling`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phase1_outcome: Option<String>,
}

/// All deployments.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Deployments {
    /// The newest first.
    pub deployments: Vec<State>,
}

/// Is it ready? If not: what holds it up, since when, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// What is the case.
    pub headline: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cause: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fix: Option<String>,
    /// Since when it is the case.
    pub since: Timestamp,
    /// The problem's code, `CAT-nnnn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
}

/// Why a deployment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `CAT-nnnn`.
    pub code: String,
    /// What happened.
    pub title: String,
    /// Why, this time.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// What the infrastructure turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// The domain everything lives under.
    #[serde(rename = "sovereignFQDN")]
    pub sovereign_fqdn: String,
    /// The address of the control plane.
    #[serde(rename = "controlPlaneIP")]
    pub control_plane_ip: String,
    /// The address of the load balancer.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: String,
    /// The Sovereign's console.
    #[serde(rename = "consoleURL")]
    pub console_url: String,
    /// The Sovereign's git.
    #[serde(rename = "gitopsRepoURL")]
    pub gitops_repo_url: String,
    /// From where both are reached.
    pub reach: Reach,
}

/// From where an address of a Sovereign is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// From inside the Sovereign's cluster only: a Service's own address.
    Cluster,
    /// From wherever its domain resolves.
    Public,
}

/// Which part of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseId {
    /// OpenTofu makes the machine.
    Infrastructure,
    /// The node sends its kubeconfig.
    Kubeconfig,
    /// Flux has the kit's source.
    Flux,
    /// The kit's releases are installed.
    Kit,
    /// Everything runs.
    Ready,
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseState {
    /// Its turn has not come.
    Waiting,
    /// Under way.
    Working,
    /// Over, well.
    Done,
    /// Over, badly.
    Failed,
}

/// One part of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// Which.
    pub id: PhaseId,
    /// Its name for people.
    pub title: String,
    /// How far it is.
    pub state: PhaseState,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub finished_at: Option<Timestamp>,
    /// A line on what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
}

/// How far a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceState {
    /// In the plan.
    Planned,
    /// Being made.
    Creating,
    /// Made.
    Created,
    /// Could not be made.
    Failed,
    /// Being taken down.
    Destroying,
    /// Gone.
    Destroyed,
}

/// One resource of the infrastructure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its address in the module.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: ResourceState,
    /// When its making began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub finished_at: Option<Timestamp>,
    /// What went wrong, or what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

/// The expected set, frozen with the commit it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kit {
    /// The commit.
    pub commit: String,
    /// When it was frozen.
    pub frozen_at: Timestamp,
    /// How many components are expected.
    pub total: u32,
    /// How many of them are installed.
    pub ready: u32,
}

/// How far a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// Waits for others, or for its turn.
    Pending,
    /// Being installed.
    Installing,
    /// Ready at its current generation, and its workloads run.
    Installed,
    /// Installed, and something of it is not well.
    Degraded,
    /// Could not be installed.
    Failed,
    /// Expected, but the cluster has no such release.
    Missing,
}

/// One component of the kit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The release's name, such as `bp-gitea`.
    pub name: String,
    /// The name without `bp-`.
    pub component: String,
    /// Its slot in the kit, such as `05a`.
    pub slot: String,
    /// The chart's version.
    pub version: String,
    /// The releases it waits for.
    pub depends_on: Vec<String>,
    /// How far it is.
    pub state: ComponentState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// When its installation began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<Timestamp>,
    /// When it was first installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ready_at: Option<Timestamp>,
    /// What the release says of itself, or what is missing.
    pub message: String,
    /// The release is Ready at its current generation.
    pub helm_ready: bool,
    /// How often it failed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempts: Option<u32>,
    /// What runs for it.
    pub workloads: Workloads,
}

/// What runs for a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Workloads {
    /// How many are available.
    pub ready: u32,
    /// How many there are.
    pub total: u32,
    /// Each of them.
    pub items: Vec<Workload>,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Workload {
    /// Such as `Deployment`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many of its replicas are available.
    pub ready: u32,
    /// How many it wants.
    pub desired: u32,
    /// What is the matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

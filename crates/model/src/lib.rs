//! Catalyst's nouns, rules and transitions: no I/O, no async.
//!
//! Start with [`DeploymentEvent`] (what happened), [`Deployment`] (what that implies) and
//! [`assess`] (how a component is). [`Problem`] is the catalogue of everything that can go wrong.

mod answer;
mod cause;
mod component;
mod deployment;
mod event;
mod id;
mod infrastructure;
mod kit;
mod name;
mod phase;
mod problem;
mod provider;
mod spec;

pub use answer::Answer;
pub use cause::{Cause, CauseKind, Evidence};
pub use component::{Assessment, ComponentState, Past, assess};
pub use deployment::{
    Awaited, ClusterLink, Component, Deployment, DeploymentStatus, Kit, KubeconfigState,
    PlatformPart, Refused,
};
pub use event::{DeploymentEvent, EventLine, Level, Placement, Recorded, SecretHash};
pub use id::{DeploymentId, IdempotencyKey, Malformed, Seq};
pub use infrastructure::{
    Infrastructure, Outputs, Progress, ProvisionStep, Resource, ResourceState,
};
pub use kit::{
    ClusterFact, ComponentFact, ConditionFact, ConditionStatus, FrozenKit, HelmFact, Inventory,
    KitRefused, KitRelease, PlatformFact, WorkloadFact,
};
pub use name::{Email, Fqdn, ReleaseName, SovereignName};
pub use phase::{Phase, PhaseId, PhaseState};
pub use problem::{Failure, Problem, ProblemClass, ProblemCode, Trouble};
pub use provider::{Provider, Tier};
pub use spec::{CreateRequest, CreateSpec, MAX_TEXT_CHARS, RegionRequest};

//! The state of a deployment: the fold of its events, with one transition function.
//!
//! [`Deployment::open`] takes the first event, [`Deployment::apply`] every later one; both refuse,
//! with a typed reason and without a change, what cannot follow. The status is never stored by an
//! event: it is derived from the facts, so no event can claim it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Cause, ComponentFact, ComponentState, CreateSpec, DeploymentEvent, DeploymentId, Failure,
    FrozenKit, Infrastructure, Inventory, Past, PhaseId, Placement, PlatformFact, Progress,
    ProvisionStep, Recorded, ReleaseName, Resource, ResourceState, SecretHash, Seq, assess,
};

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentStatus {
    /// Being prepared and planned.
    Provisioning,
    /// The infrastructure is being made.
    TofuApplying,
    /// The infrastructure stands; the node has not reported in.
    AwaitingKubeconfig,
    /// The cluster installs its kit.
    Phase1Watching,
    /// Every component of the kit is healthy.
    Ready,
    /// It was ready and is not now.
    Degraded,
    /// The infrastructure or a component failed.
    Failed,
    /// The node or the kit took longer than allowed.
    TimedOut,
    /// The node reported in and Flux did not begin in the time allowed.
    FluxNotReconciling,
}

impl DeploymentStatus {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::TofuApplying => "tofu-applying",
            Self::AwaitingKubeconfig => "awaiting-kubeconfig",
            Self::Phase1Watching => "phase1-watching",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::FluxNotReconciling => "flux-not-reconciling",
        }
    }

    /// Whether the question "did it come up?" has an answer. Watching goes on all the same, so a
    /// settled deployment may still change.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Ready
            | Self::Degraded
            | Self::Failed
            | Self::TimedOut
            | Self::FluxNotReconciling => true,
            Self::Provisioning
            | Self::TofuApplying
            | Self::AwaitingKubeconfig
            | Self::Phase1Watching => false,
        }
    }
}

/// The kubeconfig the node owes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum KubeconfigState {
    /// It has not come.
    Awaited,
    /// It has not come in time; it may still.
    TimedOut {
        /// When the time ended.
        at: Timestamp,
        /// What to tell people.
        failure: Failure,
    },
    /// It is kept; the bearer is used up.
    Stored {
        /// When it came.
        at: Timestamp,
        /// The SHA-256 of the file, in hexadecimal.
        sha256: String,
        /// The file's size in bytes.
        size_bytes: u64,
    },
}

/// The connection to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ClusterLink {
    /// Nobody has connected yet.
    Unattached,
    /// The cluster answers.
    Attached {
        /// Since when.
        since: Timestamp,
    },
    /// The cluster stopped answering; what is known is as old as this.
    Lost {
        /// Since when.
        since: Timestamp,
        /// Why.
        message: String,
    },
}

/// The kit a deployment waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kit {
    /// The expected set.
    pub frozen: FrozenKit,
    /// When it was taken.
    pub frozen_at: Timestamp,
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    /// What it is, in words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// Something under the components, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformPart {
    /// What was seen.
    pub fact: PlatformFact,
    /// Since when it is like that.
    pub since: Timestamp,
}

/// One component of the kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its release.
    pub name: ReleaseName,
    /// The slot of its file.
    pub slot: String,
    /// The chart's version as asked for.
    pub version: String,
    /// The releases that come before it.
    pub depends_on: Vec<ReleaseName>,
    /// How it is.
    pub state: ComponentState,
    /// Since when.
    pub since: Timestamp,
    /// When it was first seen on the cluster.
    pub seen_at: Option<Timestamp>,
    /// When work on it was first seen.
    pub started_at: Option<Timestamp>,
    /// When it was first installed.
    pub ready_at: Option<Timestamp>,
    /// The sentence beside the state.
    pub message: String,
    /// Whether its HelmRelease alone is ready at its current generation.
    pub helm_ready: bool,
    /// Installs and upgrades that failed so far.
    pub attempts: u32,
    /// What it installed, while known.
    pub inventory: Option<Inventory>,
}

/// The state of one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// What was asked for.
    pub spec: CreateSpec,
    /// What it was given.
    pub placement: Placement,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The number of the last event folded in.
    pub seq: Seq,
    /// The time of that event.
    pub updated_at: Timestamp,
    /// The hash of the post-back's bearer.
    pub bearer_hash: SecretHash,
    /// When that bearer stops being good.
    pub bearer_expires_at: Timestamp,
    /// The hash of the key the request was sent with, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<SecretHash>,
    /// The infrastructure.
    pub infrastructure: Infrastructure,
    /// The kubeconfig.
    pub kubeconfig: KubeconfigState,
    /// The connection to the cluster.
    pub cluster: ClusterLink,
    /// When the cluster first answered.
    pub attached_at: Option<Timestamp>,
    /// What stands under the components: nodes, Flux's controllers, sources; as far as seen.
    #[serde(default)]
    pub platform: Vec<PlatformPart>,
    /// The causes of trouble that the cluster shows, the one to look at first in front.
    #[serde(default)]
    pub cluster_causes: Vec<Cause>,
    /// What Flux waits for before there is a kit to read, while it does.
    #[serde(default)]
    pub kit_awaited: Option<Awaited>,
    /// The expected set, once frozen.
    pub kit: Option<Kit>,
    /// Why the kit could not be read, when the last try failed.
    pub kit_failure: Option<Failure>,
    /// The kit's components in its order; empty until it is frozen.
    pub components: Vec<Component>,
    /// What to tell people when the kit was not ready in time.
    pub kit_timed_out: Option<Failure>,
    /// Why the cluster lets us in no more, while it does not.
    #[serde(default)]
    pub cluster_refusal: Option<Failure>,
    /// Since when the present wait counts, when somebody asked to wait anew.
    #[serde(default)]
    pub waits_since: Option<Timestamp>,
    /// When it was first ready.
    pub first_ready_at: Option<Timestamp>,
    /// The derived status and since when it holds.
    status: DeploymentStatus,
    status_since: Timestamp,
}

/// Why an event cannot follow a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The event's number is not the next one.
    #[error("event {got} follows {last}")]
    OutOfOrder {
        /// The last number folded in.
        last: Seq,
        /// The number that came.
        got: Seq,
    },
    /// The first event is not `created`, or a later one is.
    #[error("`created` is the first event and no other")]
    NotTheBeginning,
    /// The step cannot begin or end now.
    #[error("step `{0}` cannot do that now")]
    StepOutOfPlace(&'static str),
    /// The kubeconfig is there already: its bearer is used up.
    #[error("the kubeconfig was stored already")]
    KubeconfigAlreadyStored,
    /// The kit is frozen already.
    #[error("the kit was frozen already")]
    KitAlreadyFrozen,
    /// The event speaks about a cluster that cannot be known yet.
    #[error("there is no kubeconfig yet")]
    NoKubeconfigYet,
    /// The part has not failed and has not run out of time.
    #[error("there is nothing to try again in `{}`", .0.as_str())]
    NothingToTryAgain(PhaseId),
    /// The event speaks about a release nobody expects.
    #[error("release `{0}` is not of the kit")]
    NotOfTheKit(ReleaseName),
}

impl Deployment {
    /// Opens a deployment with its first event.
    ///
    /// # Errors
    /// Any other event than `created` and any other number than 1 are refused.
    pub fn open(first: &Recorded<DeploymentEvent>) -> Result<Self, Refused> {
        let DeploymentEvent::Created {
            id,
            spec,
            placement,
            bearer_hash,
            bearer_expires_at,
            idempotency,
            by: _,
        } = &first.event
        else {
            return Err(Refused::NotTheBeginning);
        };
        if first.seq != Seq(1) {
            return Err(Refused::OutOfOrder { last: Seq::ZERO, got: first.seq });
        }
        Ok(Self {
            id: id.clone(),
            spec: spec.clone(),
            placement: placement.clone(),
            created_at: first.time,
            seq: first.seq,
            updated_at: first.time,
            bearer_hash: bearer_hash.clone(),
            bearer_expires_at: *bearer_expires_at,
            idempotency: idempotency.clone(),
            infrastructure: Infrastructure::untouched(),
            kubeconfig: KubeconfigState::Awaited,
            cluster: ClusterLink::Unattached,
            attached_at: None,
            platform: Vec::new(),
            cluster_causes: Vec::new(),
            kit_awaited: None,
            kit: None,
            kit_failure: None,
            components: Vec::new(),
            kit_timed_out: None,
            cluster_refusal: None,
            waits_since: None,
            first_ready_at: None,
            status: DeploymentStatus::Provisioning,
            status_since: first.time,
        })
    }

    /// Folds the next event in.
    ///
    /// # Errors
    /// An event that cannot follow is refused and the state stays as it was.
    pub fn apply(&mut self, recorded: &Recorded<DeploymentEvent>) -> Result<(), Refused> {
        if recorded.seq != self.seq.next() {
            return Err(Refused::OutOfOrder { last: self.seq, got: recorded.seq });
        }
        self.check(&recorded.event)?;
        self.evolve(&recorded.event, recorded.time);
        self.seq = recorded.seq;
        self.updated_at = recorded.time;
        let status = self.derive_status();
        if status != self.status {
            self.status = status;
            self.status_since = recorded.time;
        }
        if status == DeploymentStatus::Ready {
            self.first_ready_at.get_or_insert(recorded.time);
        }
        Ok(())
    }

    /// Whether `event` may follow, without folding it in.
    ///
    /// # Errors
    /// The reason why it may not.
    pub fn check(&self, event: &DeploymentEvent) -> Result<(), Refused> {
        use DeploymentEvent as E;
        match event {
            E::Created { .. } => Err(Refused::NotTheBeginning),
            E::StepStarted { step, attempt } => self.check_step_start(*step, *attempt),
            E::StepFinished { step } | E::StepFailed { step, .. } => {
                let ending_now = self.infrastructure.progress == Progress::Working { step: *step };
                let outputs_owed = matches!(event, E::StepFinished { .. })
                    && *step == ProvisionStep::Outputs
                    && self.infrastructure.outputs.is_none();
                if ending_now && !outputs_owed {
                    Ok(())
                } else {
                    Err(Refused::StepOutOfPlace(step.as_str()))
                }
            }
            E::KubeconfigStored { .. } | E::KubeconfigTimedOut { .. } => match self.kubeconfig {
                KubeconfigState::Stored { .. } => Err(Refused::KubeconfigAlreadyStored),
                KubeconfigState::Awaited | KubeconfigState::TimedOut { .. } => Ok(()),
            },
            E::ClusterAttached
            | E::ClusterLost { .. }
            | E::ClusterRefused { .. }
            | E::PlatformObserved { .. }
            | E::CausesObserved { .. }
            | E::KitRefused { .. }
            | E::KitTimedOut { .. } => self.check_kubeconfig_known(),
            E::KitAwaited { .. } | E::KitFrozen { .. } => {
                self.check_kubeconfig_known()?;
                if self.kit.is_some() { Err(Refused::KitAlreadyFrozen) } else { Ok(()) }
            }
            E::TriedAgain { phase } => match phase {
                // A new attempt says so by its first step.
                PhaseId::Infrastructure => Err(Refused::NothingToTryAgain(*phase)),
                phase if self.can_try_again(*phase) => Ok(()),
                phase => Err(Refused::NothingToTryAgain(*phase)),
            },
            E::ComponentObserved { fact } => {
                if self.components.iter().any(|c| c.name == fact.name) {
                    Ok(())
                } else {
                    Err(Refused::NotOfTheKit(fact.name.clone()))
                }
            }
            E::ResourceChanged { .. }
            | E::ToolLine { .. }
            | E::OutputsRead { .. }
            | E::Noted { .. } => Ok(()),
        }
    }

    fn check_kubeconfig_known(&self) -> Result<(), Refused> {
        match self.kubeconfig {
            KubeconfigState::Stored { .. } => Ok(()),
            KubeconfigState::Awaited | KubeconfigState::TimedOut { .. } => {
                Err(Refused::NoKubeconfigYet)
            }
        }
    }

    fn check_step_start(&self, step: ProvisionStep, attempt: u32) -> Result<(), Refused> {
        let infra = &self.infrastructure;
        let refused = Err(Refused::StepOutOfPlace(step.as_str()));
        let all_before_done = ProvisionStep::ALL
            .iter()
            .take_while(|s| **s < step)
            .all(|s| infra.finished_steps.contains(s));
        match &infra.progress {
            Progress::Done => refused,
            Progress::Waiting | Progress::Failed { .. } => {
                if step == ProvisionStep::Prepare && attempt == infra.attempt + 1 {
                    Ok(())
                } else {
                    refused
                }
            }
            Progress::Working { .. } => {
                if attempt == infra.attempt && all_before_done {
                    Ok(())
                } else {
                    refused
                }
            }
        }
    }

    fn evolve(&mut self, event: &DeploymentEvent, time: Timestamp) {
        use DeploymentEvent as E;
        let infra = &mut self.infrastructure;
        match event {
            E::Created { .. } | E::ToolLine { .. } | E::Noted { .. } => {}
            E::StepStarted { step, attempt } => {
                if *attempt != infra.attempt {
                    infra.finished_steps.clear();
                    infra.finished_at = None;
                    self.waits_since = None;
                }
                infra.attempt = *attempt;
                infra.started_at.get_or_insert(time);
                infra.progress = Progress::Working { step: *step };
            }
            E::StepFinished { step } => {
                if !infra.finished_steps.contains(step) {
                    infra.finished_steps.push(*step);
                }
                if *step == ProvisionStep::Outputs {
                    infra.progress = Progress::Done;
                    infra.finished_at = Some(time);
                }
            }
            E::StepFailed { step, failure } => {
                infra.progress = Progress::Failed { step: *step, failure: failure.clone() };
                infra.finished_at = Some(time);
            }
            E::ResourceChanged { address, state, message } => {
                change_resource(&mut infra.resources, address, *state, message.as_ref(), time);
            }
            E::OutputsRead { outputs } => infra.outputs = Some(outputs.clone()),
            E::KubeconfigStored { sha256, size_bytes } => {
                self.waits_since = None;
                self.kubeconfig = KubeconfigState::Stored {
                    at: time,
                    sha256: sha256.clone(),
                    size_bytes: *size_bytes,
                };
            }
            E::KubeconfigTimedOut { failure } => {
                self.kubeconfig = KubeconfigState::TimedOut { at: time, failure: failure.clone() };
            }
            E::ClusterAttached => {
                self.attached_at.get_or_insert(time);
                self.cluster_refusal = None;
                self.cluster = ClusterLink::Attached { since: time };
            }
            E::ClusterRefused { failure } => {
                self.cluster = ClusterLink::Lost { since: time, message: failure.cause.clone() };
                self.cluster_refusal = Some(failure.clone());
            }
            E::TriedAgain { phase } => self.wait_anew(*phase, time),
            E::ClusterLost { message } => {
                self.cluster_refusal = None;
                self.cluster = ClusterLink::Lost { since: time, message: message.clone() };
            }
            E::PlatformObserved { fact, .. } => self.observe_platform(fact, time),
            E::CausesObserved { causes } => self.cluster_causes.clone_from(causes),
            E::KitAwaited { message } => {
                self.kit_failure = None;
                self.kit_awaited = Some(Awaited { message: message.clone(), since: time });
            }
            E::KitFrozen { kit } => {
                self.kit_awaited = None;
                self.components = kit.releases().iter().map(|r| expected(r, time)).collect();
                self.kit = Some(Kit { frozen: kit.clone(), frozen_at: time });
                self.kit_failure = None;
                // Flux was late and has begun: the kit has its own time from here on.
                self.kit_timed_out = None;
                self.waits_since = None;
            }
            E::KitRefused { failure } => {
                self.kit_awaited = None;
                self.kit_failure = Some(failure.clone());
            }
            E::ComponentObserved { fact } => {
                if let Some(c) = self.components.iter_mut().find(|c| c.name == fact.name) {
                    observe(c, fact, time);
                }
            }
            E::KitTimedOut { failure } => self.kit_timed_out = Some(failure.clone()),
        }
    }

    /// Whether `phase` failed or ran out of time, so that it can be tried again.
    pub fn can_try_again(&self, phase: PhaseId) -> bool {
        let stands = self.infrastructure.progress == Progress::Done;
        match phase {
            PhaseId::Infrastructure => {
                matches!(self.infrastructure.progress, Progress::Failed { .. })
            }
            PhaseId::Kubeconfig => {
                stands && matches!(self.kubeconfig, KubeconfigState::TimedOut { .. })
            }
            PhaseId::Flux => stands && self.kit.is_none() && self.kit_timed_out.is_some(),
            PhaseId::Kit => stands && self.kit.is_some() && self.kit_timed_out.is_some(),
            // It follows from the others.
            PhaseId::Ready => false,
        }
    }

    fn wait_anew(&mut self, phase: PhaseId, time: Timestamp) {
        self.waits_since = Some(time);
        match phase {
            PhaseId::Kubeconfig => self.kubeconfig = KubeconfigState::Awaited,
            PhaseId::Flux | PhaseId::Kit => self.kit_timed_out = None,
            PhaseId::Infrastructure | PhaseId::Ready => {}
        }
    }

    /// Where the deployment stands.
    pub fn status(&self) -> DeploymentStatus {
        self.status
    }

    /// Since when it stands there.
    pub fn status_since(&self) -> Timestamp {
        self.status_since
    }

    fn derive_status(&self) -> DeploymentStatus {
        match &self.infrastructure.progress {
            Progress::Failed { .. } => return DeploymentStatus::Failed,
            Progress::Waiting => return DeploymentStatus::Provisioning,
            Progress::Working { step } => {
                return match step {
                    ProvisionStep::Prepare | ProvisionStep::Init => DeploymentStatus::Provisioning,
                    ProvisionStep::Host
                    | ProvisionStep::Plan
                    | ProvisionStep::Apply
                    | ProvisionStep::Outputs => DeploymentStatus::TofuApplying,
                };
            }
            Progress::Done => {}
        }
        match self.kubeconfig {
            KubeconfigState::Awaited => return DeploymentStatus::AwaitingKubeconfig,
            KubeconfigState::TimedOut { .. } => return DeploymentStatus::TimedOut,
            KubeconfigState::Stored { .. } => {}
        }
        self.derive_kit_status()
    }

    fn derive_kit_status(&self) -> DeploymentStatus {
        let lost = matches!(self.cluster, ClusterLink::Lost { .. });
        if self.all_healthy() && !lost {
            return DeploymentStatus::Ready;
        }
        if self.first_ready_at.is_some() {
            return DeploymentStatus::Degraded;
        }
        if self.components.iter().any(|c| c.state == ComponentState::Failed) {
            return DeploymentStatus::Failed;
        }
        if self.kit_timed_out.is_some() {
            let begun = self.components.iter().any(|c| c.seen_at.is_some());
            // Of a cluster that never let us in nobody can say what Flux does there.
            return if begun || self.attached_at.is_none() {
                DeploymentStatus::TimedOut
            } else {
                DeploymentStatus::FluxNotReconciling
            };
        }
        DeploymentStatus::Phase1Watching
    }

    /// Whether `fact` would change what is known of its component; false for a release that is
    /// not of the kit.
    pub fn is_news(&self, fact: &ComponentFact) -> bool {
        self.components.iter().find(|c| c.name == fact.name).is_some_and(|known| {
            let mut after = known.clone();
            observe(&mut after, fact, self.updated_at);
            after != *known
        })
    }

    /// What `fact` would record, if it is news. What was well and is looked at again, as Flux does
    /// with its sources every few minutes, is no news until something else comes of it.
    pub fn platform_news(&self, fact: PlatformFact) -> Option<DeploymentEvent> {
        let known = self.platform.iter().find(|p| p.fact.subject == fact.subject);
        let was_well = known.is_some_and(|p| p.fact.well == Some(true));
        let is_new = known.is_none_or(|p| p.fact != fact);
        let only_looked_at = was_well && fact.well.is_none();
        (is_new && !only_looked_at).then_some(DeploymentEvent::PlatformObserved { fact, was_well })
    }

    fn observe_platform(&mut self, fact: &PlatformFact, time: Timestamp) {
        let fact = fact.clone();
        match self.platform.iter_mut().find(|p| p.fact.subject == fact.subject) {
            Some(part) if part.fact.well == fact.well => part.fact = fact,
            Some(part) => *part = PlatformPart { fact, since: time },
            None => self.platform.push(PlatformPart { fact, since: time }),
        }
    }

    /// Whether every expected component is installed; false while nothing is expected.
    pub fn all_healthy(&self) -> bool {
        self.kit.is_some()
            && !self.components.is_empty()
            && self.healthy_count() == self.components.len()
    }

    /// Whether nothing more can happen unless somebody asks for it: nothing is being done and
    /// nothing is being watched. A deployment that is ready, degraded or late is not at its end.
    pub fn is_final(&self) -> bool {
        match self.infrastructure.progress {
            // A node whose infrastructure failed halfway may report in all the same; nobody
            // watches it, so that is no more than a remark.
            Progress::Failed { .. } => true,
            Progress::Waiting | Progress::Working { .. } | Progress::Done => false,
        }
    }

    /// How many components are installed.
    pub fn healthy_count(&self) -> usize {
        self.components.iter().filter(|c| c.state == ComponentState::Installed).count()
    }

    /// When the question "did it come up?" was answered, absent while it is open.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.status.is_settled().then_some(self.status_since)
    }
}

fn expected(release: &crate::KitRelease, time: Timestamp) -> Component {
    Component {
        name: release.name.clone(),
        slot: release.slot.clone(),
        version: release.version.clone(),
        depends_on: release.depends_on.clone(),
        state: ComponentState::Pending,
        since: time,
        seen_at: None,
        started_at: None,
        ready_at: None,
        message: "not on the cluster yet".to_owned(),
        helm_ready: false,
        attempts: 0,
        inventory: None,
    }
}

fn observe(c: &mut Component, fact: &ComponentFact, time: Timestamp) {
    let past = match (c.ready_at, c.seen_at) {
        (Some(_), _) => Past::InstalledOnce,
        (None, Some(_)) => Past::Seen,
        (None, None) => Past::NeverSeen,
    };
    let judged = assess(fact, past).at_version(&c.version, fact, past);
    if judged.state != c.state {
        c.state = judged.state;
        c.since = time;
    }
    if fact.helm.is_some() {
        c.seen_at.get_or_insert(time);
    }
    match judged.state {
        ComponentState::Installing | ComponentState::Failed | ComponentState::Degraded => {
            c.started_at.get_or_insert(time);
        }
        ComponentState::Installed => {
            c.started_at.get_or_insert(time);
            c.ready_at.get_or_insert(time);
        }
        ComponentState::Pending | ComponentState::Missing => {}
    }
    c.message = judged.message;
    c.helm_ready = judged.helm_ready;
    c.attempts = fact.helm.as_ref().map_or(0, |h| h.failures);
    c.inventory.clone_from(&fact.inventory);
}

fn change_resource(
    all: &mut Vec<Resource>,
    address: &str,
    state: ResourceState,
    message: Option<&String>,
    time: Timestamp,
) {
    let at = all.iter().position(|r| r.address == address).unwrap_or_else(|| {
        all.push(Resource {
            address: address.to_owned(),
            state,
            started_at: None,
            finished_at: None,
            message: None,
        });
        all.len() - 1
    });
    let r = &mut all[at];
    let begins = r.state != state;
    r.state = state;
    r.message = message.cloned();
    match state {
        ResourceState::Planned => {}
        ResourceState::Creating | ResourceState::Destroying => {
            if begins || r.started_at.is_none() {
                r.started_at = Some(time);
            }
            r.finished_at = None;
        }
        ResourceState::Created | ResourceState::Failed | ResourceState::Destroyed => {
            r.finished_at = Some(time);
        }
    }
}

#[cfg(test)]
mod invariants;

#[cfg(test)]
mod tests;

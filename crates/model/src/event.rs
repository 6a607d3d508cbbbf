//! What happened to a deployment: the stored events, and each as a line for people.
//!
//! The events are the truth; [`crate::Deployment`] is their fold. None has a field for a secret:
//! the bearer is there as the SHA-256 of its text, and a kubeconfig as size and digest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Cause, ComponentFact, CreateSpec, DeploymentId, Failure, FrozenKit, Outputs, Past, PhaseId,
    PlatformFact, ProvisionStep, ResourceState, Seq, assess,
};

/// An event with its number and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// Its number in the log, beginning with 1.
    pub seq: Seq,
    /// When it was recorded.
    pub time: Timestamp,
    /// What happened.
    pub event: E,
}

/// The SHA-256, in hexadecimal, of a secret's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub String);

/// What a deployment was given when it was created, beside the request itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Its number on this machine, 0 to 15; it decides the network.
    pub sandbox_index: u8,
    /// The first three parts of its link's addresses, such as `10.210.0`.
    pub network_prefix: String,
    /// Where its API server will answer, such as `https://10.210.0.2:6443`.
    pub expected_api: String,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For the record.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum DeploymentEvent {
    /// It was asked for; always the first event and never another.
    Created {
        /// The deployment's id.
        id: DeploymentId,
        /// What was asked for.
        spec: CreateSpec,
        /// What it was given.
        placement: Placement,
        /// The hash of the bearer the node posts its kubeconfig with.
        bearer_hash: SecretHash,
        /// When that bearer stops being good.
        bearer_expires_at: Timestamp,
        /// The hash of the key the request was sent with, if it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency: Option<SecretHash>,
        /// Who asked for it; absent in records older than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A step of the infrastructure is about to begin (written before it does).
    StepStarted {
        /// The step.
        step: ProvisionStep,
        /// Which try of the whole infrastructure this belongs to, beginning with 1.
        attempt: u32,
    },
    /// The step ended well.
    StepFinished {
        /// The step.
        step: ProvisionStep,
    },
    /// The step failed, and with it this attempt.
    StepFailed {
        /// The step.
        step: ProvisionStep,
        /// Why.
        failure: Failure,
    },
    /// A resource of the infrastructure changed its state.
    ResourceChanged {
        /// Its address in the module, such as `terraform_data.node`.
        address: String,
        /// The state it is in now.
        state: ResourceState,
        /// What was said about it.
        message: Option<String>,
    },
    /// A line the infrastructure's tool printed that is about no resource.
    ToolLine {
        /// How loud.
        level: Level,
        /// The line.
        message: String,
    },
    /// The infrastructure's outputs were read and are complete.
    OutputsRead {
        /// The outputs.
        outputs: Outputs,
    },
    /// The node posted its kubeconfig; the bearer is used up by this.
    KubeconfigStored {
        /// The SHA-256 of the file, in hexadecimal.
        sha256: String,
        /// The file's size in bytes.
        size_bytes: u64,
    },
    /// The time to wait for the kubeconfig ended without one.
    KubeconfigTimedOut {
        /// What to tell people.
        failure: Failure,
    },
    /// The cluster's API server answers.
    ClusterAttached,
    /// The cluster's API server stopped answering.
    ClusterLost {
        /// Why.
        message: String,
    },
    /// The cluster answers and does not let us in, or is not the one whose kubeconfig was posted.
    ClusterRefused {
        /// What to tell people.
        failure: Failure,
    },
    /// Somebody asked to wait anew for a part that had run out of time.
    TriedAgain {
        /// Which part.
        phase: PhaseId,
    },
    /// Something under the components changed: a node, one of Flux's controllers, a source.
    PlatformObserved {
        /// What was seen.
        fact: PlatformFact,
        /// Whether it had been as it should be until then.
        was_well: bool,
    },
    /// The causes of trouble that the cluster shows are others than before.
    CausesObserved {
        /// All of them now, the one to look at first in front; none when there is no trouble.
        causes: Vec<Cause>,
    },
    /// Flux has not fetched the kit, and this is what that waits for.
    KitAwaited {
        /// What is waited for.
        message: String,
    },
    /// The expected set was taken from the kit.
    KitFrozen {
        /// The set.
        kit: FrozenKit,
    },
    /// The kit's commit did not build; watching goes on.
    KitRefused {
        /// Why.
        failure: Failure,
    },
    /// The state of one release changed.
    ComponentObserved {
        /// What was seen.
        fact: ComponentFact,
    },
    /// The time for the kit to become ready ended before it did; watching goes on.
    KitTimedOut {
        /// What to tell people.
        failure: Failure,
    },
    /// A remark for the record that changes no state.
    Noted {
        /// How loud.
        level: Level,
        /// The remark.
        message: String,
    },
}

/// An event as one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// The part of the work it belongs to, such as `tofu-apply` or `component`.
    pub phase: &'static str,
    /// How loud.
    pub level: Level,
    /// The sentence.
    pub message: String,
    /// The component it is about.
    pub component: Option<String>,
    /// The state the component or resource is in.
    pub state: Option<&'static str>,
}

impl DeploymentEvent {
    /// The event's word on the wire, as it is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::StepStarted { .. } => "step-started",
            Self::StepFinished { .. } => "step-finished",
            Self::StepFailed { .. } => "step-failed",
            Self::ResourceChanged { .. } => "resource-changed",
            Self::ToolLine { .. } => "tool-line",
            Self::OutputsRead { .. } => "outputs-read",
            Self::KubeconfigStored { .. } => "kubeconfig-stored",
            Self::KubeconfigTimedOut { .. } => "kubeconfig-timed-out",
            Self::ClusterAttached => "cluster-attached",
            Self::ClusterLost { .. } => "cluster-lost",
            Self::ClusterRefused { .. } => "cluster-refused",
            Self::TriedAgain { .. } => "tried-again",
            Self::PlatformObserved { .. } => "platform-observed",
            Self::CausesObserved { .. } => "causes-observed",
            Self::KitAwaited { .. } => "kit-awaited",
            Self::KitFrozen { .. } => "kit-frozen",
            Self::KitRefused { .. } => "kit-refused",
            Self::ComponentObserved { .. } => "component-observed",
            Self::KitTimedOut { .. } => "kit-timed-out",
            Self::Noted { .. } => "noted",
        }
    }

    /// The event's payload for readers of the API: as stored, without hashes of what is secret.
    pub fn public_data(&self) -> Option<serde_json::Value> {
        let mut whole = serde_json::to_value(self).ok()?;
        let mut data = whole.get_mut("data")?.take();
        if let Some(fields) = data.as_object_mut() {
            fields.remove("bearerHash");
            fields.remove("idempotency");
        }
        Some(data)
    }

    /// The event as one line for people; for a component, judged as if it had been seen before.
    pub fn line(&self) -> EventLine {
        use Level::{Error, Info, Warn};
        match self {
            Self::Created { spec, .. } => {
                plain("created", Info, format!("{} ({}) was asked for", spec.name, spec.fqdn))
            }
            Self::StepStarted { step, .. } => {
                plain(step.phase(), Info, format!("{} begins", step.title()))
            }
            Self::StepFinished { step } => {
                plain(step.phase(), Info, format!("{} is done", step.title()))
            }
            Self::StepFailed { step, failure } => plain(step.phase(), Error, failure_text(failure)),
            Self::ResourceChanged { address, state, message } => EventLine {
                phase: "tofu",
                level: if *state == ResourceState::Failed { Error } else { Info },
                message: match message {
                    Some(m) => format!("{address}: {m}"),
                    None => format!("{address}: {}", state.as_str()),
                },
                component: None,
                state: Some(state.as_str()),
            },
            Self::ToolLine { level, message } => plain("tofu", *level, message.clone()),
            Self::OutputsRead { outputs } => {
                plain("tofu-output", Info, format!("the API will be at {}", outputs.api_server))
            }
            Self::KubeconfigStored { size_bytes, .. } => {
                plain("kubeconfig", Info, format!("the node reported in ({size_bytes} bytes)"))
            }
            Self::KubeconfigTimedOut { failure } => {
                plain("kubeconfig", Error, failure_text(failure))
            }
            Self::ClusterAttached => plain("cluster", Info, "the cluster answers".to_owned()),
            Self::ClusterLost { message } => {
                plain("cluster", Warn, format!("the cluster does not answer: {message}"))
            }
            Self::ClusterRefused { failure } => plain("cluster", Error, failure_text(failure)),
            Self::TriedAgain { phase } => {
                plain(phase.as_str(), Info, format!("{}: waited for anew", phase.title()))
            }
            Self::PlatformObserved { fact, was_well } => {
                let level = if *was_well && fact.well != Some(true) { Warn } else { Info };
                plain("platform", level, format!("{}: {}", fact.subject, fact.message))
            }
            Self::CausesObserved { causes } => causes_line(causes),
            Self::KitAwaited { message } => plain("flux", Info, format!("waiting: {message}")),
            Self::KitFrozen { kit } => {
                let n = kit.releases().len();
                plain("kit", Info, format!("{n} releases are expected, from {}", kit.commit()))
            }
            Self::KitRefused { failure } => plain("kit", Error, failure_text(failure)),
            Self::KitTimedOut { failure } => plain("kit", Error, failure_text(failure)),
            Self::ComponentObserved { fact } => component_line(fact),
            Self::Noted { level, message } => plain("note", *level, message.clone()),
        }
    }
}

fn causes_line(causes: &[Cause]) -> EventLine {
    let headlines: Vec<&str> = causes.iter().map(|cause| cause.headline.as_str()).collect();
    match headlines.as_slice() {
        [] => plain("cause", Level::Info, "no cause of trouble is left".to_owned()),
        headlines => plain("cause", Level::Warn, headlines.join("; ")),
    }
}

fn component_line(fact: &ComponentFact) -> EventLine {
    use crate::ComponentState::{Degraded, Failed, Installed, Installing, Missing, Pending};
    let judged = assess(fact, Past::Seen);
    EventLine {
        phase: "component",
        level: match judged.state {
            Failed => Level::Error,
            Degraded | Missing => Level::Warn,
            Pending | Installing | Installed => Level::Info,
        },
        message: judged.message,
        component: Some(fact.name.component().to_owned()),
        state: Some(judged.state.as_str()),
    }
}

fn plain(phase: &'static str, level: Level, message: String) -> EventLine {
    EventLine { phase, level, message, component: None, state: None }
}

fn failure_text(f: &Failure) -> String {
    format!("{} {}: {}", f.code, f.title, f.cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_the_stored_tag() {
        let event = DeploymentEvent::ClusterLost { message: "gone".into() };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], event.kind());
        assert_eq!(event.public_data().unwrap()["message"], "gone");
    }
}

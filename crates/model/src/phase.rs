//! The five parts of a deployment's way, as people see them: a pure view of the state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ClusterLink, ComponentState, Deployment, DeploymentStatus, KubeconfigState, Progress,
    ResourceState,
};

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseId {
    /// The machine and the control plane.
    Infrastructure,
    /// The node reports in.
    Kubeconfig,
    /// Flux fetches the kit.
    Flux,
    /// The kit is installed.
    Kit,
    /// Everything is healthy.
    Ready,
}

impl PhaseId {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Kubeconfig => "kubeconfig",
            Self::Flux => "flux",
            Self::Kit => "kit",
            Self::Ready => "ready",
        }
    }

    /// The part of a word: its own, or one of the names that the original gave the steps in it.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "infrastructure" | "tofu-init" | "tofu-plan" | "tofu-apply" | "tofu-output"
            | "flux-bootstrap" => Some(Self::Infrastructure),
            "kubeconfig" => Some(Self::Kubeconfig),
            "flux" => Some(Self::Flux),
            "kit" => Some(Self::Kit),
            "ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// The part in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Infrastructure => "Infrastructure",
            Self::Kubeconfig => "Node reports in",
            Self::Flux => "Flux",
            Self::Kit => "Kit",
            Self::Ready => "Ready",
        }
    }
}

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseState {
    /// Its turn has not come.
    Waiting,
    /// It is under way.
    Working,
    /// It is done.
    Done,
    /// It failed or took too long.
    Failed,
}

impl PhaseState {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One part of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Which.
    pub id: PhaseId,
    /// How far.
    pub state: PhaseState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// A few words beside it, such as `3 of 5`.
    pub detail: Option<String>,
}

impl Deployment {
    /// The five parts in their order.
    pub fn phases(&self) -> [Phase; 5] {
        [
            self.infrastructure_phase(),
            self.kubeconfig_phase(),
            self.flux_phase(),
            self.kit_phase(),
            self.ready_phase(),
        ]
    }

    fn infrastructure_phase(&self) -> Phase {
        let infra = &self.infrastructure;
        let made = infra.resources.iter().filter(|r| r.state == ResourceState::Created).count();
        let (state, detail) = match &infra.progress {
            Progress::Waiting => (PhaseState::Waiting, None),
            Progress::Working { step } => {
                let text = match infra.resources.len() {
                    0 => step.title().to_owned(),
                    n => format!("{made} of {n} resources"),
                };
                (PhaseState::Working, Some(text))
            }
            Progress::Done => (PhaseState::Done, Some(format!("{made} resources"))),
            Progress::Failed { step, .. } => (PhaseState::Failed, Some(step.title().to_owned())),
        };
        let (started_at, finished_at) = (infra.started_at, infra.finished_at);
        Phase { id: PhaseId::Infrastructure, state, started_at, finished_at, detail }
    }

    fn kubeconfig_phase(&self) -> Phase {
        let applied_at = match self.infrastructure.progress {
            Progress::Done => self.infrastructure.finished_at,
            Progress::Waiting | Progress::Working { .. } | Progress::Failed { .. } => None,
        };
        let (state, started_at, finished_at) = match &self.kubeconfig {
            KubeconfigState::Awaited if applied_at.is_some() => {
                (PhaseState::Working, applied_at, None)
            }
            KubeconfigState::Awaited => (PhaseState::Waiting, None, None),
            KubeconfigState::TimedOut { at, .. } => (PhaseState::Failed, applied_at, Some(*at)),
            KubeconfigState::Stored { at, .. } => {
                (PhaseState::Done, applied_at.map(|a| a.min(*at)), Some(*at))
            }
        };
        Phase { id: PhaseId::Kubeconfig, state, started_at, finished_at, detail: None }
    }

    fn flux_phase(&self) -> Phase {
        let stored_at = match self.kubeconfig {
            KubeconfigState::Stored { at, .. } => Some(at),
            KubeconfigState::Awaited | KubeconfigState::TimedOut { .. } => None,
        };
        let frozen_at = self.kit.as_ref().map(|k| k.frozen_at);
        let state = match (frozen_at, self.status()) {
            (Some(_), _) => PhaseState::Done,
            (None, DeploymentStatus::FluxNotReconciling | DeploymentStatus::TimedOut)
                if stored_at.is_some() =>
            {
                PhaseState::Failed
            }
            (None, _) if self.attached_at.is_some() => PhaseState::Working,
            (None, _) => PhaseState::Waiting,
        };
        let detail = match (&self.kit_failure, &self.cluster) {
            (Some(f), _) => Some(f.title.clone()),
            (None, ClusterLink::Lost { message, .. }) if state == PhaseState::Working => {
                Some(message.clone())
            }
            (None, _) => self.kit_awaited.as_ref().map(|a| a.message.clone()),
        };
        Phase {
            id: PhaseId::Flux,
            state,
            started_at: self.attached_at,
            finished_at: frozen_at,
            detail,
        }
    }

    fn kit_phase(&self) -> Phase {
        let frozen_at = self.kit.as_ref().map(|k| k.frozen_at);
        let all = self.all_healthy();
        let failed = self.components.iter().any(|c| c.state == ComponentState::Failed);
        let late = self.kit_timed_out.is_some() && self.first_ready_at.is_none();
        let state = match frozen_at {
            None => PhaseState::Waiting,
            Some(_) if all => PhaseState::Done,
            Some(_) if failed || late => PhaseState::Failed,
            Some(_) => PhaseState::Working,
        };
        let detail =
            frozen_at.map(|_| format!("{} of {}", self.healthy_count(), self.components.len()));
        let finished_at = all.then(|| self.components.iter().map(|c| c.since).max()).flatten();
        Phase { id: PhaseId::Kit, state, started_at: frozen_at, finished_at, detail }
    }

    fn ready_phase(&self) -> Phase {
        let (state, at) = match self.status() {
            DeploymentStatus::Ready => (PhaseState::Done, Some(self.status_since())),
            DeploymentStatus::Degraded => (PhaseState::Failed, None),
            DeploymentStatus::Provisioning
            | DeploymentStatus::TofuApplying
            | DeploymentStatus::AwaitingKubeconfig
            | DeploymentStatus::Phase1Watching
            | DeploymentStatus::Failed
            | DeploymentStatus::TimedOut
            | DeploymentStatus::FluxNotReconciling => (PhaseState::Waiting, None),
        };
        let id = PhaseId::Ready;
        Phase { id, state, started_at: self.first_ready_at, finished_at: at, detail: None }
    }
}

//! The one line a person wants first: what is the matter, why, and what to do.

use jiff::Timestamp;

use crate::{
    ClusterLink, Component, ComponentState, Deployment, DeploymentStatus, Failure, KubeconfigState,
    Problem, ProblemCode, Progress, ResourceState,
};

/// The first line of a deployment's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What is the matter.
    pub headline: String,
    /// Why.
    pub cause: Option<String>,
    /// What to do.
    pub fix: Option<String>,
    /// The problem's code, when there is a problem.
    pub code: Option<ProblemCode>,
    /// Since when.
    pub since: Timestamp,
}

impl Deployment {
    /// The page's first line, from the state alone.
    pub fn answer(&self) -> Answer {
        let name = &self.spec.name;
        if let Some(answer) = self.because() {
            return answer;
        }
        match self.status() {
            DeploymentStatus::Provisioning => self.calm(format!("Preparing {name}"), None),
            DeploymentStatus::TofuApplying => self.applying(),
            DeploymentStatus::AwaitingKubeconfig => self.calm(
                format!("Waiting for {name}'s node to report in"),
                Some("the infrastructure stands; the node is starting its cluster".to_owned()),
            ),
            DeploymentStatus::Phase1Watching => self.installing(),
            DeploymentStatus::Ready => self.calm(
                format!("{name} is ready"),
                Some(format!("all {} components are healthy", self.components.len())),
            ),
            DeploymentStatus::Degraded
            | DeploymentStatus::Failed
            | DeploymentStatus::TimedOut
            | DeploymentStatus::FluxNotReconciling => match self.failure() {
                Some(f) => self.failed(&f),
                None => self.calm(format!("{name} is {}", self.status().as_str()), None),
            },
        }
    }

    /// What is the matter, where it is known by name: the first cause, and that there are others.
    fn because(&self) -> Option<Answer> {
        let before = match self.status() {
            DeploymentStatus::Provisioning
            | DeploymentStatus::TofuApplying
            | DeploymentStatus::AwaitingKubeconfig => return None,
            // Everything runs; what lies under it does not, and the next change will not arrive.
            DeploymentStatus::Ready => format!("{} is ready, but ", self.spec.name),
            DeploymentStatus::Phase1Watching
            | DeploymentStatus::Degraded
            | DeploymentStatus::Failed
            | DeploymentStatus::TimedOut
            | DeploymentStatus::FluxNotReconciling => String::new(),
        };
        let causes = self.causes();
        let (first, others) = causes.split_first()?;
        let also = match others {
            [] => String::new(),
            [one] => format!("; also: {}", one.headline),
            [one, more @ ..] => format!("; also: {}, and {} more", one.headline, more.len()),
        };
        Some(Answer {
            headline: format!("{before}{}{also}", first.headline),
            cause: first.evidence.first().map(|evidence| evidence.text.clone()),
            fix: Some(first.fix.clone()),
            code: Some(self.failure().map_or(first.kind.problem().code, |failure| failure.code)),
            since: first.since.unwrap_or_else(|| self.status_since()),
        })
    }

    /// The problem the deployment has, absent while it has none.
    pub fn failure(&self) -> Option<Failure> {
        let failure = self.failure_by_status()?;
        // The cluster's own causes say more than which component it is.
        match self.causes().first() {
            Some(cause) if !self.cluster_causes.is_empty() => Some(Failure {
                code: cause.kind.problem().code,
                title: cause.headline.clone(),
                cause: cause.evidence.first().map_or(failure.cause, |e| e.text.clone()),
                fix: cause.fix.clone(),
            }),
            _ => Some(failure),
        }
    }

    fn failure_by_status(&self) -> Option<Failure> {
        match self.status() {
            DeploymentStatus::Provisioning
            | DeploymentStatus::TofuApplying
            | DeploymentStatus::AwaitingKubeconfig
            | DeploymentStatus::Phase1Watching
            | DeploymentStatus::Ready => None,
            DeploymentStatus::Failed => match &self.infrastructure.progress {
                Progress::Failed { failure, .. } => Some(failure.clone()),
                Progress::Waiting | Progress::Working { .. } | Progress::Done => {
                    self.worst().map(|c| Problem::COMPONENT_FAILED.with(component_text(c)).into())
                }
            },
            DeploymentStatus::TimedOut => match &self.kubeconfig {
                KubeconfigState::TimedOut { failure, .. } => Some(failure.clone()),
                KubeconfigState::Awaited | KubeconfigState::Stored { .. } => self
                    .cluster_refusal
                    .clone()
                    .or_else(|| self.worst_late())
                    .or_else(|| self.kit_timed_out.clone()),
            },
            DeploymentStatus::FluxNotReconciling => self
                .cluster_refusal
                .clone()
                .or_else(|| self.kit_failure.clone())
                .or_else(|| self.kit_timed_out.clone()),
            DeploymentStatus::Degraded if self.cluster_refusal.is_some() => {
                self.cluster_refusal.clone()
            }
            DeploymentStatus::Degraded => match &self.cluster {
                ClusterLink::Lost { message, .. } => {
                    Some(Problem::CLUSTER_UNREACHABLE.with(message.clone()).into())
                }
                ClusterLink::Unattached | ClusterLink::Attached { .. } => {
                    self.worst().map(|c| Problem::COMPONENT_UNWELL.with(component_text(c)).into())
                }
            },
        }
    }

    fn worst_late(&self) -> Option<Failure> {
        self.worst().map(|c| Problem::KIT_TIMED_OUT.with(component_text(c)).into())
    }

    /// The component that most needs a look: failed before missing before degraded before the rest.
    fn worst(&self) -> Option<&Component> {
        self.components.iter().filter(|c| c.state != ComponentState::Installed).min_by_key(|c| {
            match c.state {
                ComponentState::Failed => 0,
                ComponentState::Missing => 1,
                ComponentState::Degraded => 2,
                ComponentState::Installing => 3,
                ComponentState::Pending => 4,
                ComponentState::Installed => 5,
            }
        })
    }

    fn applying(&self) -> Answer {
        let resources = &self.infrastructure.resources;
        let made = resources.iter().filter(|r| r.state == ResourceState::Created).count();
        let now: Vec<&str> = resources
            .iter()
            .filter(|r| r.state == ResourceState::Creating)
            .map(|r| r.short_name())
            .collect();
        let headline = match resources.len() {
            0 => "Making the infrastructure".to_owned(),
            n => format!("Making the infrastructure: {made} of {n} resources"),
        };
        self.calm(headline, (!now.is_empty()).then(|| format!("now: {}", now.join(", "))))
    }

    fn installing(&self) -> Answer {
        if let Some(refusal) = &self.cluster_refusal {
            return self.failed(refusal);
        }
        if let ClusterLink::Lost { message, .. } = &self.cluster {
            return Answer {
                headline: format!("{} does not answer", self.spec.name),
                cause: Some(message.clone()),
                fix: Some(Problem::CLUSTER_UNREACHABLE.fix.to_owned()),
                code: Some(Problem::CLUSTER_UNREACHABLE.code),
                since: self.status_since(),
            };
        }
        if let (None, Some(f)) = (&self.kit, &self.kit_failure) {
            return self.failed(f);
        }
        if self.kit.is_none() {
            let text = match self.cluster {
                ClusterLink::Attached { .. } => "Waiting for Flux to fetch the kit",
                ClusterLink::Unattached | ClusterLink::Lost { .. } => "Connecting to the cluster",
            };
            return self
                .calm(text.to_owned(), self.kit_awaited.as_ref().map(|a| a.message.clone()));
        }
        let (healthy, all) = (self.healthy_count(), self.components.len());
        let now: Vec<&str> = self
            .components
            .iter()
            .filter(|c| c.state == ComponentState::Installing)
            .map(|c| c.name.as_str())
            .collect();
        let cause = match now.as_slice() {
            [] => None,
            [one] => Some(format!("installing {one}")),
            [one, rest @ ..] => Some(format!("installing {one} and {} more", rest.len())),
        };
        self.calm(format!("Installing the kit: {healthy} of {all} components"), cause)
    }

    fn calm(&self, headline: String, cause: Option<String>) -> Answer {
        Answer { headline, cause, fix: None, code: None, since: self.status_since() }
    }

    fn failed(&self, f: &Failure) -> Answer {
        Answer {
            headline: f.title.clone(),
            cause: Some(f.cause.clone()),
            fix: Some(f.fix.clone()),
            code: Some(f.code),
            since: self.status_since(),
        }
    }
}

fn component_text(c: &Component) -> String {
    format!("{}: {}", c.name, c.message)
}

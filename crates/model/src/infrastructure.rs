//! The first part of a deployment: the infrastructure, its steps, resources and outputs.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Failure;

/// A step of making the infrastructure. The order of the variants is the order of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProvisionStep {
    /// Lay out the folder: module, variables, secrets' files.
    Prepare,
    /// `tofu init`.
    Init,
    /// Make the resource that carries the clean-up before any other.
    Host,
    /// `tofu plan`.
    Plan,
    /// `tofu apply` of that plan.
    Apply,
    /// `tofu output`.
    Outputs,
}

impl ProvisionStep {
    /// Every step in its order.
    pub const ALL: [ProvisionStep; 6] =
        [Self::Prepare, Self::Init, Self::Host, Self::Plan, Self::Apply, Self::Outputs];

    /// The word in workflows and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Init => "init",
            Self::Host => "host",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Outputs => "outputs",
        }
    }

    /// The phase of its events' lines.
    pub fn phase(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Init => "tofu-init",
            Self::Plan => "tofu-plan",
            Self::Host | Self::Apply => "tofu-apply",
            Self::Outputs => "tofu-output",
        }
    }

    /// The step in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Prepare => "laying out the folder",
            Self::Init => "setting OpenTofu up",
            Self::Host => "claiming the machine",
            Self::Plan => "planning the infrastructure",
            Self::Apply => "making the infrastructure",
            Self::Outputs => "reading the outputs",
        }
    }

    /// The step of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// The state of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceState {
    /// It is in the plan.
    Planned,
    /// It is being made.
    Creating,
    /// It stands.
    Created,
    /// Making or removing it failed.
    Failed,
    /// It is being removed.
    Destroying,
    /// It is gone.
    Destroyed,
}

impl ResourceState {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }
}

/// One resource of the infrastructure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its address in the module, such as `terraform_data.node`.
    pub address: String,
    /// Its state.
    pub state: ResourceState,
    /// When work on it began.
    pub started_at: Option<Timestamp>,
    /// When that work ended.
    pub finished_at: Option<Timestamp>,
    /// What was last said about it.
    pub message: Option<String>,
}

impl Resource {
    /// The resource's type: the address's last part but one.
    pub fn type_name(&self) -> &str {
        let head = self.address.split('[').next().unwrap_or_default();
        head.rsplit('.').nth(1).unwrap_or_default()
    }

    /// The resource's name within its type, with its index where it has one.
    pub fn short_name(&self) -> &str {
        let end = self.address.find('[').unwrap_or(self.address.len());
        match self.address[..end].rfind('.') {
            Some(dot) => &self.address[dot + 1..],
            None => &self.address,
        }
    }
}

/// What the infrastructure says of itself; every part is owed and of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// The control plane's address.
    pub control_plane_ip: IpAddr,
    /// The load balancer's address.
    pub load_balancer_ip: IpAddr,
    /// The console's address.
    pub console_url: String,
    /// The Git repository Flux follows.
    pub gitops_repo_url: String,
    /// Where the API server answers.
    pub api_server: String,
}

/// How far the infrastructure is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Progress {
    /// Nothing has begun.
    Waiting,
    /// A step is being done, or was when the process ended.
    Working {
        /// The step.
        step: ProvisionStep,
    },
    /// Everything stands and the outputs are known.
    Done,
    /// The attempt failed.
    Failed {
        /// Where.
        step: ProvisionStep,
        /// Why.
        failure: Failure,
    },
}

/// The infrastructure of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// How far it is.
    pub progress: Progress,
    /// Which try this is; 0 before the first.
    pub attempt: u32,
    /// The steps of this attempt that ended well.
    pub finished_steps: Vec<ProvisionStep>,
    /// The resources, in the order they were first heard of.
    pub resources: Vec<Resource>,
    /// The outputs, once read.
    pub outputs: Option<Outputs>,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// When the last attempt ended.
    pub finished_at: Option<Timestamp>,
}

impl Infrastructure {
    /// An infrastructure nobody has begun.
    pub fn untouched() -> Self {
        Self {
            progress: Progress::Waiting,
            attempt: 0,
            finished_steps: Vec::new(),
            resources: Vec::new(),
            outputs: None,
            started_at: None,
            finished_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        let of = |address: &str| Resource {
            address: address.into(),
            state: ResourceState::Planned,
            started_at: None,
            finished_at: None,
            message: None,
        };
        let plain = of("terraform_data.node");
        assert_eq!((plain.type_name(), plain.short_name()), ("terraform_data", "node"));
        let nested = of("module.a.terraform_data.node[\"x.y\"]");
        assert_eq!((nested.type_name(), nested.short_name()), ("terraform_data", "node[\"x.y\"]"));
    }
}

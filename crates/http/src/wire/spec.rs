//! What a client sends to create a deployment, and what it is answered.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deployment::{Provider, Status};

/// Asks for a Sovereign.
///
/// A required field that is missing reads as empty here, so that one rule, in the model, answers
/// for both. The `hetzner…` fields, sizes and regions concern that provider alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDeployment {
    /// Where the Sovereign runs.
    #[serde(default)]
    #[schema(value_type = Provider, required)]
    pub provider: String,
    /// A short name, `[a-z][a-z0-9-]{0,14}`; the first label of the FQDN when left out.
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The organisation that owns it.
    #[serde(default)]
    #[schema(required)]
    pub org_name: String,
    /// Whom to write to.
    #[serde(default)]
    #[schema(required)]
    pub org_email: String,
    /// The domain everything of it lives under.
    #[serde(default, rename = "sovereignFQDN")]
    #[schema(required)]
    pub sovereign_fqdn: String,
    /// `byo-manual` (the default), `byo-api` or `pool`.
    #[schema(nullable = false)]
    pub sovereign_domain_mode: Option<String>,
    /// The pool the domain comes from.
    #[schema(nullable = false)]
    pub sovereign_pool_domain: Option<String>,
    /// The label under the pool domain.
    #[schema(nullable = false)]
    pub sovereign_subdomain: Option<String>,
    /// The Hetzner Cloud token of the project.
    #[schema(value_type = Option<String>, write_only, nullable = false)]
    pub hetzner_token: Option<SecretString>,
    /// The Hetzner Cloud project.
    #[serde(rename = "hetznerProjectID")]
    #[schema(nullable = false)]
    pub hetzner_project_id: Option<String>,
    /// The region.
    #[schema(nullable = false)]
    pub region: Option<String>,
    /// The server type of the control plane.
    #[schema(nullable = false)]
    pub control_plane_size: Option<String>,
    /// The server type of the workers.
    #[schema(nullable = false)]
    pub worker_size: Option<String>,
    /// How many workers.
    #[schema(nullable = false)]
    pub worker_count: Option<u32>,
    /// Three control planes instead of one.
    #[schema(nullable = false)]
    pub ha_enabled: Option<bool>,
    /// One entry per region; the first replaces `region` and the sizes.
    #[serde(default)]
    #[schema(required = false)]
    pub regions: Vec<Region>,
    /// One `authorized_keys` line.
    #[schema(nullable = false)]
    pub ssh_public_key: Option<String>,
}

/// One region of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Region {
    /// The cloud.
    pub provider: String,
    /// The region's name there.
    pub cloud_region: String,
    /// The server type of the control plane.
    pub control_plane_size: String,
    /// The server type of the workers.
    #[schema(nullable = false)]
    pub worker_size: Option<String>,
    /// How many workers.
    #[serde(default)]
    #[schema(required = false)]
    pub worker_count: u32,
}

/// A deployment was accepted and recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its short name.
    pub name: String,
    /// Its first status.
    pub status: Status,
    /// Where its events stream.
    #[serde(rename = "streamURL")]
    pub stream_url: String,
}

/// A phase was begun again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retried {
    /// The deployment's id.
    pub id: String,
    /// Its status now.
    pub status: Status,
    /// The phase, as it was asked for.
    pub phase: String,
    /// Where its events stream.
    #[serde(rename = "streamURL")]
    pub stream_url: String,
    /// What happens now, in words.
    pub message: String,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    /// Of catalystd.
    pub version: String,
}

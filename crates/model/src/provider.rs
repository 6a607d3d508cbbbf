//! Where a Sovereign runs, and who may do what to it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Malformed;

/// Where a Sovereign's machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// A real cluster on this machine.
    Sandbox,
    /// A cluster that somebody else made.
    Existing,
    /// Machines rented at Hetzner.
    Hetzner,
}

impl Provider {
    /// Every provider, in the order people are offered them.
    pub const ALL: [Provider; 3] = [Self::Sandbox, Self::Existing, Self::Hetzner];

    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Existing => "existing",
            Self::Hetzner => "hetzner",
        }
    }
}

impl FromStr for Provider {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == s)
            .ok_or_else(|| Malformed::new(s, "a provider (sandbox, existing or hetzner)"))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody may do, from least to most; each tier includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Sees states and events.
    Viewer,
    /// Also opens shells and publishes blueprints.
    Developer,
    /// Also creates and changes Sovereigns.
    Operator,
    /// Also manages access.
    Admin,
    /// Everything.
    Owner,
}

impl Tier {
    /// Every tier, least first.
    pub const ALL: [Tier; 5] =
        [Self::Viewer, Self::Developer, Self::Operator, Self::Admin, Self::Owner];

    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Tier {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        Self::ALL.into_iter().find(|t| t.as_str() == s).ok_or_else(|| {
            Malformed::new(s, "a tier (viewer, developer, operator, admin or owner)")
        })
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

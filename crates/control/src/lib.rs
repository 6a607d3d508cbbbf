//! The only door to an effect: operations on deployments, and who may ask for them.
//!
//! [`Control`] is the one entry point. Each deployment is owned by one task that appends events to
//! its log and then publishes them; everything a caller sees is a snapshot of the fold. What a
//! Sovereign's cluster shows comes through [`ClusterPort`].

mod activity;
mod auth;
mod claims;
mod config;
mod control;
mod error;
mod events;
mod health;
mod identity;
mod owner;
mod port;
mod provision;
mod secret;
mod watching;

pub use config::{ControlConfig, Deadlines, Provisioning, ProvisioningConfig};
pub use control::{Control, Created, Kubeconfig, Readiness};
pub use error::Error;
pub use events::{EventPage, EventStream, SharedEvent};
pub use identity::{LoginLink, NewSession, NewToken, Proof, TokenId, TokenInfo, Who};
pub use port::{ClusterPort, ClusterSession, PortError};

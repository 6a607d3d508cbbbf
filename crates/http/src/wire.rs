//! What travels: one file per noun. These types are the API's promise; the model's own types may
//! change without it, for every conversion from them is written out here.

mod auth;
mod cause;
mod deployment;
mod event;
mod from_model;
mod problem;
mod spec;

pub use auth::{
    Link, LinkRequest, Login, LoginKind, Session, Tier, Token, TokenRequest, TokenRow, Tokens,
};
pub use cause::{Cause, Evidence};
pub use deployment::{
    Answer, Component, ComponentState, Deployments, Failure, Kit, Outputs, Phase, PhaseId,
    PhaseState, Provider, Reach, Resource, ResourceState, State, Status, Workload, Workloads,
};
pub use event::{Event, History, Level};
pub use problem::Problem;
pub use spec::{CreateDeployment, Created, Region, Retried, Version};

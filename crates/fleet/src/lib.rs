//! The only crate that talks to an API server: connect, read the expected kit, watch, index.
//!
//! A [`Cluster`] is a connection made from a kubeconfig that carries everything it needs
//! ([`kubeconfig`] refuses what would run programs or read files). [`Cluster::expected_kit`] says
//! what must be there, [`Cluster::watch`] says what is. The watch is level-triggered: tasks feed a
//! synchronous [`Index`](index::Index), readers get its latest [`ClusterView`]; nothing
//! downstream writes back. It is not known here what the facts mean for a deployment.

mod artifact;
mod cluster;
mod expected;
mod flux;
pub mod index;
pub mod kubeconfig;
mod kubelet;
mod log;
mod observe;
mod pod;
mod record;
mod view;
mod watch;
mod workload;

pub use cluster::{Cluster, ConnectError, RequestError, Timeouts};
pub use expected::{Expected, ExpectedError, Fault, KitSource, NotYet};
pub use observe::{Key, Kind, Observed};
pub use record::{Item, ItemKind, Record, RecordError};
pub use view::{ClusterView, Connection, KustomizationView, NodeView, Platform, SourceView};
pub use watch::{Watch, WatchConfig};

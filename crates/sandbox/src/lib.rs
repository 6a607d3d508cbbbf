//! Real Sovereigns on this machine: tools, images, the outside world, nodes.
//!
//! Three neighbours live here. *Parts* make what a Sovereign consists of (`tools`, `debian`,
//! `images`, `charts`) and look at the machine (`doctor`). *Outside* plays the world beyond the
//! link: git, registries, DNS, the TLS front. *Node* is one Sovereign: its namespaces, its PID 1,
//! its first boot and its end. `paths`, `process` and `problem` are what all three stand on.
//!
//! Errors: whatever a person can meet is a [`Problem`] with a stable code. A module may keep typed
//! errors inside; on its public surface it says [`Result`]. Nothing here reads the environment:
//! binaries pass it in.

pub mod charts;
pub mod debian;
pub mod doctor;
pub mod hold;
pub mod images;
pub mod oci;
pub mod paths;
pub mod problem;
pub mod process;
pub mod tools;

pub mod daemon;
pub mod firewall;
pub mod front;
pub mod outside;
pub mod publish;
pub mod supervisor;

pub mod installation;
pub mod mothership;

pub mod cgroup;
pub mod first_boot;
pub mod init;
pub mod lifecycle;
pub mod link;
pub mod netns;
pub mod node;
pub mod pki;

pub use problem::{Problem, Result};

//! One binary for all suites; they run one after the other on one machine.

#![expect(clippy::unwrap_used, reason = "a suite ends at the first surprise")]

mod bare_node;
mod bystanders;
mod failures;
mod first_light;
mod git_push;
mod kills;
mod pull_secret;
mod soak;
mod sockets;
mod views;

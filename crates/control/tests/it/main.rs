//! The control plane as a whole, over real files and real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod claims;
mod disk;
mod house;
mod idempotency;
mod interrupted;
mod postback;
mod provisioning;
mod waiting;

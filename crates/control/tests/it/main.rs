//! The control plane as a whole, over real files and real processes.

mod claims;
mod disk;
mod house;
mod idempotency;
mod postback;
mod provisioning;
mod waiting;

//! The router called in process, over a real control plane on a temporary folder.

mod authority;
mod bad_input;
mod events;
mod house;
mod idempotency;
mod retry;
mod secrets;
mod sessions;

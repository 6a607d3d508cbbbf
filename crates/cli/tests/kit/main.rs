//! `catalyst kit` as people and programs run it, over a small tree with known faults.
//!
//! The renderer is the one in this machine's cache of tools; where there is none, the program builds
//! it by the checkout's script.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bump;
mod changes;
mod exits;
mod graphs;
mod outputs;
mod place;

//! What crosses the crate: rules against trees, through the real renderer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod bad_input;
mod bump;
mod diff;
mod graph;
mod kit;
mod loaders;
mod renderer;
mod rules;
mod seeds;

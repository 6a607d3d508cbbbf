//! Tests of `catalyst-fleet` over real HTTP: against a scripted API server on loopback, and against
//! a real cluster where one is named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test says what it skips")]

mod api_server;
mod expected;
mod helm;
mod real_cluster;
mod watching;

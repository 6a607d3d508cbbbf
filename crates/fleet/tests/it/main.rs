//! Tests of `catalyst-fleet` over real HTTP: against a scripted API server on loopback, and against
//! a real cluster where one is named.

mod api_server;
mod expected;
mod helm;
mod real_cluster;
mod watching;

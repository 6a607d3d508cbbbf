//! The gateway over real HTTP: customers on one port, operators on the other, a vendor of language
//! models upstream that can be made to misbehave in every way that costs money.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod bad_input;
mod kill;
mod leaving;
mod money;
mod passing;
mod upstreams;
mod vendor;
mod wire;
mod world;

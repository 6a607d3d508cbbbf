//! catalyst-api over HTTP: routes, wire types, sessions, events, the console's files.
//!
//! [`router`] is everything people and programs use, [`postback_router`] the one request a new node
//! may make; [`serve`] runs either. What the API offers is one table (`routes.rs`); what it may do
//! is behind `catalyst_control::Control` alone.

mod app;
mod audit;
mod auth;
mod console;
mod error;
mod extract;
mod guard;
mod headers;
mod openapi;
mod operation;
mod routes;
mod serve;
mod sign_in;
mod streams;
pub mod wire;

pub use app::{Config, SelfCheck, postback_router, router};
pub use openapi::openapi;
pub use serve::serve;

#[cfg(test)]
mod tests;

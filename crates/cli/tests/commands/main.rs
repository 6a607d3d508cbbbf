//! The program itself, as a person or a script runs it, against folders and a server of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_machine;
mod ending;
mod following;
mod formats;
mod inside;
mod launcher;
mod place;
mod program;
mod server;
mod sign_in;

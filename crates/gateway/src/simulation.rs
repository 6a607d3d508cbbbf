//! The ledger under a deterministic scheduler, on a disk that forgets and a book that hangs up.
//!
//! One seed is one schedule: which task goes on, when the writer and the keeper step, at which file
//! operation the machine dies, which unsynced writes survive it whole, torn or not at all. What
//! the clients were told is then held against the book ([`world::run`]).

pub(crate) mod book;
mod dice;
pub(crate) mod disk;
pub(crate) mod world;

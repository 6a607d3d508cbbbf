//! A durable state machine over an append-only log; knows no Catalyst noun.
//!
//! A [`Workflow`] is a fixed list of named steps. [`run`] writes a step's intent to the [`Log`]
//! before the step begins and its end before the next one does, so a process that dies at any
//! point is resumed by replaying the log through [`Position::after`], the same function that
//! follows it live. A step may therefore run more than once: each must be idempotent.

mod log;
mod memory;
mod position;
mod runner;

pub use log::{Entry, Log};
pub use memory::{Crashed, MemoryLog};
pub use position::{OutOfPlace, Position};
pub use runner::{Outcome, Step, StepFuture, Workflow, run};

//! Reads a bootstrap kit: which releases it holds, in which slots, and what waits for what.
//!
//! Everything here works on texts and values, except [`render`], which runs the pinned `kustomize`
//! in a process of its own, and [`archive`], which unpacks a source artifact into a folder.
//! It does not talk to clusters and does not judge how a release fares.

pub mod archive;
mod document;
mod graph;
mod release;
pub mod render;
mod substitute;

pub use document::{Document, Place, Unreadable, split};
pub use graph::{Graph, GraphProblem};
pub use release::{
    ApiObject, Dependency, Problem, Reading, Release, freeze, read_file, read_stream,
};
pub use substitute::{SubstituteError, Variables, substitute};

//! Reads a Flux tree and says what would break, before any cluster is touched.
//!
//! Two ways in. [`read_stream`], [`freeze`] and [`Graph`] tell which releases a built kit declares.
//! [`assemble`] makes [`Facts`] of a folder: what Flux would build and what Helm would render, each
//! object with the file and line it comes from; [`lint`] holds the facts against the rules (`L01` to
//! `L54`, one file each, a page each in `docs/rules`) and returns [`Finding`]s. From the same facts
//! [`DerivedGraph`] tells the order that objects need, [`audit`](audit::audit) holds a kit against its
//! lock, and [`TreeDiff`](diff::TreeDiff) compares two trees.
//!
//! Everything here works on texts and values, except [`render`], the only door to a process,
//! [`Tree`] and [`archive`], which read and unpack files, and [`bump`], which alone changes a tree. It
//! does not talk to clusters.

mod access;
pub mod archive;
mod assemble;
pub mod audit;
pub mod bump;
pub mod diff;
mod document;
mod facts;
mod finding;
mod flux;
mod go_template;
pub mod graph;
mod image;
mod kinds;
mod lint;
mod object;
mod order;
mod producers;
mod quantity;
mod refs;
mod release;
pub mod render;
mod rules;
mod script;
mod settings;
mod shell;
mod substitute;
mod template;
mod tree;
pub mod yaml;

pub use assemble::{Options, assemble};
pub use document::{Document, Place, Unreadable, split};
pub use facts::{
    Build, Bump, Chart, Facts, FailedSubstitution, Release as ReleaseFacts, Rendering,
};
pub use finding::{Finding, LOAD, Related, Severity, Spot};
pub use flux::{Action, ChartPin, Edge, HelmRelease, duration, slot_of_file};
pub use graph::{DerivedGraph, Graph, GraphProblem};
pub use image::{Image, images};
pub use lint::{Baseline, Outcome, Reach, Suppressed, lint, output};
pub use object::{Hook, Object, Owner, Source};
pub use release::{
    ApiObject, Dependency, Problem, Reading, Release, freeze, read_file, read_stream,
};
pub use rules::{Decidability, RULES, Rule};
pub use settings::{
    Bootstrap, Expected, FILE_NAME as SETTINGS_FILE, Settings, schema as settings_schema,
};
pub use substitute::{SubstituteError, Variables, substitute};
pub use tree::{Listing, SourceFile, Tree, TreeError};

/// A value as one document of YAML.
pub fn yaml_text(value: &serde_json::Value) -> String {
    // Values of JSON always have a form in YAML.
    serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
}

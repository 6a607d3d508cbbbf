//! What the crate does on a real machine. A test whose tools or rights are missing says that it is
//! skipped, and why.

mod charts;
mod debian;
mod doctor;
mod images;
mod support;
mod tools;

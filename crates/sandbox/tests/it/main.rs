//! What the crate does on a real machine. A test whose tools or rights are missing says that it is
//! skipped, and why.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test ends at the first surprise, says what it skips, and is nobody's library"
)]

mod charts;
mod debian;
mod doctor;
mod images;
mod support;
mod tools;

//! One binary for all suites; they run one after the other on one machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a suite ends at the first surprise, and its transcript is its output"
)]

mod bare_node;
mod first_light;

//! One binary for all suites; they run one after the other on one machine.

mod bare_node;
mod first_light;

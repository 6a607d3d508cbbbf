//! One binary for all suites; they run one after the other on one machine.

mod first_light;

//! Fakes, fixtures and runners for tests; a development dependency only.

pub mod disk;
pub mod golden;
pub mod kubeconfig;

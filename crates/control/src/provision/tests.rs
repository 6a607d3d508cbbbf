//! Facts about making the infrastructure.

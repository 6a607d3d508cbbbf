//! Up, down and status of one Sovereign.

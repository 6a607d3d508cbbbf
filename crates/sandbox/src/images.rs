//! Container images made without a container engine: one deterministic layer each.

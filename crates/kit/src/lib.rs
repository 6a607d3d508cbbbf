//! Reads a bootstrap kit: slots, releases, dependencies.

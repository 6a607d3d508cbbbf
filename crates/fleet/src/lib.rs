//! The only crate that talks to an API server: connect, watch, index.

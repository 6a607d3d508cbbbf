//! The only crate that knows how records are kept.

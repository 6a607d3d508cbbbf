//! Facts about the fold.

//! The durable log a workflow writes, as the runner needs it.

use std::future::Future;

/// One entry of a workflow's log. `F` is what the caller's steps fail with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<F> {
    /// The step is about to begin.
    Started {
        /// The step's name.
        step: &'static str,
        /// Which run of the whole workflow this belongs to, beginning with 1.
        run: u32,
    },
    /// The step ended well.
    Finished {
        /// The step's name.
        step: &'static str,
    },
    /// The step failed, and the run with it.
    Failed {
        /// The step's name.
        step: &'static str,
        /// Why.
        failure: F,
    },
}

/// Somewhere entries are kept for good.
pub trait Log<F>: Send {
    /// Why an entry could not be kept. The runner stops at once: what cannot be written down must
    /// not be done.
    type Error: Send;

    /// Keeps `entry`; it is durable when the future is done.
    fn append(&mut self, entry: Entry<F>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

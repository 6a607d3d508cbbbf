//! A log in memory that can be made to crash at any write, for tests of workflows.

use std::future::Future;

use crate::{Entry, Log, OutOfPlace, Position};

/// The log crashed, as it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log crashed as it was told to")]
pub struct Crashed;

/// Entries in memory.
#[derive(Debug)]
pub struct MemoryLog<F> {
    entries: Vec<Entry<F>>,
    crash: Option<Crash>,
}

#[derive(Debug, Clone, Copy)]
struct Crash {
    at_write: usize,
    written: bool,
}

impl<F> Default for MemoryLog<F> {
    fn default() -> Self {
        Self { entries: Vec::new(), crash: None }
    }
}

impl<F> MemoryLog<F> {
    /// A log that crashes at the write of this number, beginning with 0, either before the entry
    /// was kept or, with `written`, just after.
    pub fn crashing(at_write: usize, written: bool) -> Self {
        Self { entries: Vec::new(), crash: Some(Crash { at_write, written }) }
    }

    /// Crashes no more.
    pub fn mend(&mut self) {
        self.crash = None;
    }

    /// What was kept.
    pub fn entries(&self) -> &[Entry<F>] {
        &self.entries
    }

    /// Where a workflow of these steps stands.
    ///
    /// # Errors
    /// The entries are not of such a workflow.
    pub fn replay(&self, steps: &[&str]) -> Result<Position, OutOfPlace> {
        self.entries.iter().try_fold(Position::BEGINNING, |p, e| p.after(steps, e))
    }
}

impl<F: Send> Log<F> for MemoryLog<F> {
    type Error = Crashed;

    fn append(&mut self, entry: Entry<F>) -> impl Future<Output = Result<(), Crashed>> + Send {
        let crash = self.crash.filter(|c| c.at_write == self.entries.len());
        if crash.is_none_or(|c| c.written) {
            self.entries.push(entry);
        }
        std::future::ready(crash.map_or(Ok(()), |_| Err(Crashed)))
    }
}

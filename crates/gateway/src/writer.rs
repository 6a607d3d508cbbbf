//! The one thread that writes the log: takes all that waits, one write, one sync, then tells each.

use std::{sync::Arc, time::Duration};

use crate::{
    disk::Disk,
    inbox::Wait,
    log::{Log, LogError},
    record::Record,
    shared::{LedgerState, Shared, Write},
};

/// How long nothing must come before the last batch is followed by [`Record::Nothing`]. Long
/// enough never to delay a request of a busy gateway, short against the life of a bit on a disk.
const QUIET: Duration = Duration::from_millis(5);

/// Batches are at most so many records, so that an acknowledgement is never far.
const MAX_TAKEN: usize = 8_192;

pub(crate) struct Writer<D: Disk> {
    shared: Arc<Shared>,
    log: Log<D>,
    taken: Vec<Write>,
    records: Vec<Record>,
    /// Whether the last record is one that nobody waits for.
    sealed: bool,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more to do.
    Went,
    /// There will never be more to do.
    Ended,
}

impl<D: Disk> Writer<D> {
    pub(crate) fn new(shared: Arc<Shared>, log: Log<D>) -> Self {
        let (taken, records) = (Vec::new(), Vec::new());
        Self { shared, log, taken, records, sealed: false }
    }

    /// Works until the inbox is closed or a write fails.
    pub(crate) fn run(mut self) {
        loop {
            let wait = if self.sealed { Wait::Forever } else { Wait::AtMost(QUIET) };
            if self.step(wait) == Step::Ended {
                return;
            }
        }
    }

    /// Writes what waits, at most for `wait`.
    pub(crate) fn step(&mut self, wait: Wait) -> Step {
        let more = self.shared.writes.take(&mut self.taken, wait);
        let done = if self.taken.is_empty() { self.seal() } else { self.write() };
        if let Err(error) = done {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger's log failed");
            self.shared.set_state(LedgerState::Stopped);
            self.shared.writes.close();
            // Whoever waits is told by the end of their channel that nothing is known.
            self.shared.writes.take(&mut Vec::new(), Wait::AtMost(Duration::ZERO));
            return Step::Ended;
        }
        if more { Step::Went } else { Step::Ended }
    }

    /// The state of the records written so far.
    #[cfg(test)]
    pub(crate) fn fold(&self) -> &crate::fold::Fold {
        self.log.fold()
    }

    fn write(&mut self) -> Result<(), LogError> {
        let taken = std::mem::take(&mut self.taken);
        let mut rest = taken.into_iter();
        loop {
            let batch: Vec<_> = rest.by_ref().take(MAX_TAKEN).collect();
            if batch.is_empty() {
                break;
            }
            self.records.clear();
            self.records.extend(batch.iter().map(|write| write.record));
            let appended = self.log.append(&self.records);
            if appended.is_err() {
                // Before those that wait are told by the end of their channels.
                self.shared.set_state(LedgerState::Stopped);
                self.shared.writes.close();
            }
            let seq = appended?;
            self.sealed = false;
            for done in batch.into_iter().filter_map(|write| write.done) {
                // Who no longer waits needs no answer: the record speaks for itself.
                let _ = done.send(seq);
            }
        }
        self.shared.note_space(self.log.disk());
        Ok(())
    }

    fn seal(&mut self) -> Result<(), LogError> {
        if !self.sealed {
            self.log.append(&[Record::Nothing])?;
            self.sealed = true;
        }
        Ok(())
    }
}

//! Where a workflow stands: what its log implies, by one transition function.

use crate::Entry;

/// Where a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Run `run` goes on with the step of this index; 0 and run 0 before anything was written.
    At {
        /// The run, beginning with 1; 0 when nothing has begun.
        run: u32,
        /// The next step's index.
        next: usize,
        /// Whether that step was begun already and its end is not known.
        begun: bool,
    },
    /// The run failed at this step.
    Failed {
        /// The run.
        run: u32,
        /// The step's index.
        at: usize,
    },
    /// Every step ended well.
    Done {
        /// The run.
        run: u32,
    },
}

/// An entry that cannot follow a position: the log is not this workflow's, or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry about step `{step}` cannot follow {position:?}")]
pub struct OutOfPlace {
    /// The step the entry is about.
    pub step: String,
    /// Where the workflow stood.
    pub position: Position,
}

impl Position {
    /// Before anything was written.
    pub const BEGINNING: Position = Position::At { run: 0, next: 0, begun: false };

    /// The position after `entry`, for a workflow of these `steps`.
    ///
    /// # Errors
    /// The entry cannot follow.
    pub fn after<F>(self, steps: &[&str], entry: &Entry<F>) -> Result<Self, OutOfPlace> {
        let (Entry::Started { step, .. } | Entry::Finished { step } | Entry::Failed { step, .. }) =
            entry;
        let refused = || OutOfPlace { step: (*step).to_owned(), position: self };
        let index = steps.iter().position(|s| s == step).ok_or_else(refused)?;
        match (self, entry) {
            (Position::At { run, next, .. }, Entry::Started { run: r, .. })
                if index == next && (*r == run || (run == 0 && *r == 1 && next == 0)) =>
            {
                Ok(Position::At { run: *r, next, begun: true })
            }
            (Position::Failed { run, .. }, Entry::Started { run: r, .. })
                if index == 0 && *r == run + 1 =>
            {
                Ok(Position::At { run: *r, next: 0, begun: true })
            }
            (Position::At { run, next, begun: true }, Entry::Finished { .. }) if index == next => {
                Ok(if next + 1 == steps.len() {
                    Position::Done { run }
                } else {
                    Position::At { run, next: next + 1, begun: false }
                })
            }
            (Position::At { run, next, begun: true }, Entry::Failed { .. }) if index == next => {
                Ok(Position::Failed { run, at: next })
            }
            (Position::At { .. } | Position::Failed { .. } | Position::Done { .. }, _) => {
                Err(refused())
            }
        }
    }
}

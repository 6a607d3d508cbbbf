//! Runs a workflow from where it stands to its end.

use std::{future::Future, pin::Pin};

use tokio_util::sync::CancellationToken;

use crate::{Entry, Log, Position};

/// The work of one step.
pub type StepFuture<'a, F> = Pin<Box<dyn Future<Output = Result<(), F>> + Send + 'a>>;

/// One step: a name that is kept for ever, and idempotent work over the caller's context.
pub struct Step<C, F> {
    /// The name in the log.
    pub name: &'static str,
    /// The work.
    pub work: for<'a> fn(&'a mut C) -> StepFuture<'a, F>,
}

/// A fixed list of steps.
pub struct Workflow<C, F> {
    /// The steps, in their order.
    pub steps: Vec<Step<C, F>>,
}

impl<C, F> Workflow<C, F> {
    /// The steps' names, in their order.
    pub fn names(&self) -> Vec<&'static str> {
        self.steps.iter().map(|s| s.name).collect()
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<F> {
    /// Every step ended well.
    Done,
    /// A step failed; the log says so.
    Failed {
        /// The step's name.
        step: &'static str,
        /// Why.
        failure: F,
    },
    /// It was told to stop; the log says where to go on.
    Stopped,
}

/// Runs `workflow` from `position` until it is done, fails or is told to stop. A position that
/// failed begins a new run. When told to stop, the step under way is abandoned: its effects go on
/// or not as the step itself arranged, and it is run again at the next start.
///
/// # Errors
/// An entry could not be kept.
pub async fn run<C, F, L>(
    workflow: &Workflow<C, F>,
    position: Position,
    context: &mut C,
    log: &mut L,
    stop: &CancellationToken,
) -> Result<Outcome<F>, L::Error>
where
    C: Send,
    F: Clone + Send,
    L: Log<F>,
{
    let (run, first) = match position {
        Position::At { run: 0, next, .. } => (1, next),
        Position::At { run, next, .. } => (run, next),
        Position::Failed { run, .. } => (run + 1, 0),
        Position::Done { .. } => return Ok(Outcome::Done),
    };
    for step in &workflow.steps[first..] {
        if stop.is_cancelled() {
            return Ok(Outcome::Stopped);
        }
        log.append(Entry::Started { step: step.name, run }).await?;
        let ended = tokio::select! {
            biased;
            ended = (step.work)(context) => ended,
            () = stop.cancelled() => return Ok(Outcome::Stopped),
        };
        match ended {
            Ok(()) => log.append(Entry::Finished { step: step.name }).await?,
            Err(failure) => {
                log.append(Entry::Failed { step: step.name, failure: failure.clone() }).await?;
                return Ok(Outcome::Failed { step: step.name, failure });
            }
        }
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests;

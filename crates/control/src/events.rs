//! A deployment's events for readers: all that were, and those that come, each exactly once.

use std::sync::Arc;

use catalyst_model::{Deployment, DeploymentEvent, Recorded, Seq};
use tokio::sync::{broadcast, watch};

use crate::Error;

/// One event of a deployment, shared between readers.
pub type SharedEvent = Arc<Recorded<DeploymentEvent>>;

/// The events after a number, and the way to those that follow.
#[derive(Debug)]
pub struct EventPage {
    /// The state at the last of the past events, or later.
    pub deployment: Arc<Deployment>,
    /// The events after the number asked for, in order and without a gap.
    pub past: Vec<SharedEvent>,
    /// The events after these, in order and without a gap.
    pub live: EventStream,
}

/// The events that come.
#[derive(Debug)]
pub struct EventStream {
    pub(crate) last: Seq,
    pub(crate) events: broadcast::Receiver<SharedEvent>,
    pub(crate) state: watch::Receiver<Arc<Deployment>>,
}

impl EventStream {
    /// Waits for the next event; `None` when the daemon is shutting down. Cancel-safe.
    ///
    /// # Errors
    /// The record could not be read after this reader had fallen behind.
    pub async fn next(&mut self) -> Result<Option<SharedEvent>, Error> {
        loop {
            match self.events.recv().await {
                Ok(event) if event.seq <= self.last => {}
                Ok(event) => {
                    self.last = event.seq;
                    return Ok(Some(event));
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// The number of the last event this reader was given.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The deployment's present state; it may be ahead of the events read so far.
    pub fn deployment(&self) -> Arc<Deployment> {
        self.state.borrow().clone()
    }
}

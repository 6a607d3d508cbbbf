//! A deployment's events for readers: all that were, and those that come, each exactly once.

use std::{collections::VecDeque, sync::Arc};

use catalyst_model::{Deployment, DeploymentEvent, Recorded, Seq};
use catalyst_store::LogReader;
use tokio::sync::{broadcast, watch};

use crate::{Error, error::from_store};

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

/// The events that come. A reader that falls behind is brought up from the record, so none is lost
/// and none comes twice.
#[derive(Debug)]
pub struct EventStream {
    last: Seq,
    caught_up: VecDeque<SharedEvent>,
    events: broadcast::Receiver<SharedEvent>,
    state: watch::Receiver<Arc<Deployment>>,
    reader: LogReader,
}

impl EventStream {
    /// Reads the events after `after` and subscribes to those that follow.
    pub(crate) async fn open(
        events: broadcast::Receiver<SharedEvent>,
        state: watch::Receiver<Arc<Deployment>>,
        reader: LogReader,
        after: Seq,
    ) -> Result<EventPage, Error> {
        // The subscription is older than this state, so what the state lacks will be received.
        let deployment = state.borrow().clone();
        let past = reader.between(after, deployment.seq).await.map_err(from_store)?;
        let past: Vec<_> = past.into_iter().map(Arc::new).collect();
        let last = deployment.seq.max(after);
        let live = Self { last, caught_up: VecDeque::new(), events, state, reader };
        Ok(EventPage { deployment, past, live })
    }

    /// Waits for the next event; `None` when the daemon is shutting down. Cancel-safe.
    ///
    /// # Errors
    /// The record could not be read after this reader had fallen behind.
    pub async fn next(&mut self) -> Result<Option<SharedEvent>, Error> {
        loop {
            if let Some(event) = self.caught_up.pop_front() {
                self.last = event.seq;
                return Ok(Some(event));
            }
            match self.events.recv().await {
                Ok(event) if event.seq <= self.last => {}
                Ok(event) if event.seq == self.last.next() => {
                    self.last = event.seq;
                    return Ok(Some(event));
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    let until = self.state.borrow().seq;
                    let missed = self.reader.between(self.last, until).await.map_err(from_store)?;
                    self.caught_up.extend(missed.into_iter().map(Arc::new));
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(None),
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

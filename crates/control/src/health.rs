//! Whether what we keep could be written the last time it was tried.
//!
//! A Pod that is not ready gets no requests, and so nothing would ever be written that shows that it
//! can be again: while something is bad, it is tried every few seconds.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// The pause between two tries while something cannot be written.
pub(crate) const TRY_EVERY: Duration = Duration::from_secs(3);

/// What is kept in two places, each with its own owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The deployments' records.
    Records,
    /// The book of who may ask.
    Book,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bad {
    records: bool,
    book: bool,
}

impl Bad {
    fn of(&mut self, place: Place) -> &mut bool {
        match place {
            Place::Records => &mut self.records,
            Place::Book => &mut self.book,
        }
    }

    fn at(self, place: Place) -> bool {
        match place {
            Place::Records => self.records,
            Place::Book => self.book,
        }
    }
}

/// Shared by all owners; each notes how its last write went.
#[derive(Debug, Clone)]
pub(crate) struct StoreHealth {
    bad: Arc<watch::Sender<Bad>>,
}

impl StoreHealth {
    pub(crate) fn good() -> Self {
        Self { bad: Arc::new(watch::Sender::new(Bad::default())) }
    }

    pub(crate) fn note(&self, place: Place, writable: bool) {
        self.bad.send_if_modified(|bad| std::mem::replace(bad.of(place), !writable) == writable);
    }

    pub(crate) fn is_good(&self) -> bool {
        *self.bad.borrow() == Bad::default()
    }

    /// Returns a pause after `place` was found to be bad; waits for that as long as it is good.
    pub(crate) async fn bad(&self, place: Place) {
        let mut bad = self.bad.subscribe();
        // The sender lives as long as `self`.
        bad.wait_for(|bad| bad.at(place)).await.ok();
        tokio::time::sleep(TRY_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_place_is_bad_by_itself_and_tried_after_a_pause() {
        let health = StoreHealth::good();
        health.note(Place::Book, false);
        assert!(!health.is_good());
        tokio::select! {
            () = health.bad(Place::Book) => {}
            () = health.bad(Place::Records) => panic!("what is good is not tried"),
        }
        health.note(Place::Records, true);
        assert!(!health.is_good(), "one that is good says nothing of the other");
        health.note(Place::Book, true);
        assert!(health.is_good());
    }
}

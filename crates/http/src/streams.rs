//! How many streams may be open, so that nobody's readers use up the places of everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Open streams of one subject: a console holds one a tab, a command line one.
const FOR_EACH: usize = 64;
/// Open streams in all, well below the connections a listener has.
const IN_ALL: usize = 512;

/// The streams that are open now, by whose they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<BTreeMap<String, usize>>>);

/// One open stream's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    subject: String,
}

impl Streams {
    /// Takes a place for `subject`; `None` when they or all together have too many.
    pub(crate) fn enter(&self, subject: &str) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(subject).copied().unwrap_or_default();
        if own >= FOR_EACH || all >= IN_ALL {
            return None;
        }
        open.insert(subject.to_owned(), own + 1);
        Some(Place { streams: self.clone(), subject: subject.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.subject) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subject_leaves_room_for_others_and_gives_its_places_back() {
        let streams = Streams::default();
        let held: Vec<_> = (0..FOR_EACH).map(|_| streams.enter("a").unwrap()).collect();
        assert!(streams.enter("a").is_none());
        assert!(streams.enter("b").is_some());
        drop(held);
        assert!(streams.enter("a").is_some());
        assert!(streams.0.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn all_together_have_an_end_too() {
        let streams = Streams::default();
        let held: Vec<_> = (0..IN_ALL).map(|n| streams.enter(&format!("s{}", n / 60))).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(streams.enter("one more").is_none());
    }
}

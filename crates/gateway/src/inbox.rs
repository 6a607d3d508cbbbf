//! A queue whose reader takes all that waits at once: what group commit is made of.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// A queue of many writers and one reader. The lock is held to push one item or to swap all.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    waiting: Mutex<Waiting<T>>,
    came: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<T>,
    closed: bool,
}

/// How long a reader waits for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until one comes or the inbox is closed.
    Forever,
    /// At most so long.
    AtMost(Duration),
    /// Not at all.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests step the threads by hand"))]
    No,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let waiting = Waiting { items: Vec::new(), closed: false };
        Self { waiting: Mutex::new(waiting), came: Condvar::new() }
    }

    /// Puts an item in; gives it back when nobody reads any more.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(item);
        }
        waiting.items.push(item);
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).items.len()
    }

    /// Takes nothing more in; what waits can still be taken out.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.came.notify_all();
    }

    /// Swaps all that waits for the empty `into`; says whether more can come.
    pub(crate) fn take(&self, into: &mut Vec<T>, wait: Wait) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |waiting: &mut Waiting<T>| waiting.items.is_empty() && !waiting.closed;
        let mut waiting = match wait {
            Wait::No => waiting,
            Wait::Forever => {
                self.came.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner)
            }
            Wait::AtMost(time) => {
                let waited = self.came.wait_timeout_while(waiting, time, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        std::mem::swap(&mut waiting.items, into);
        !waiting.closed
    }
}

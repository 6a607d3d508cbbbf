//! Whether the records could be written the last time it was tried.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Shared by all owners; each notes how its last write went.
#[derive(Debug, Clone)]
pub(crate) struct StoreHealth {
    writable: Arc<AtomicBool>,
}

impl StoreHealth {
    pub(crate) fn good() -> Self {
        Self { writable: Arc::new(AtomicBool::new(true)) }
    }

    pub(crate) fn note(&self, writable: bool) {
        self.writable.store(writable, Ordering::Relaxed);
    }

    pub(crate) fn is_good(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }
}

//! What the gateway's tasks, the writer and the keeper share: two inboxes, the purses, the state.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    book::Book,
    clock::Clock,
    disk::Disk,
    id::{AccountId, ReplicaId, Seq},
    inbox::Inbox,
    log::SEGMENT_BYTES,
    money::Nano,
    purse::{Handed, Purse},
    record::Record,
};

/// How a ledger runs.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// The replica's name; its log's folder is its alone.
    pub replica: ReplicaId,
    /// Bytes of a segment of the log (64 MiB).
    pub segment_bytes: u64,
    /// How long a lease may be spent while the book cannot be reached (600 s).
    pub offline_grace: Duration,
    /// How long the book's last word that this replica is not fenced off is good (3 s); after it
    /// the book is asked before anything is reserved.
    pub contact_good_for: Duration,
    /// Records that may wait for the writer before reserves are refused (65,536).
    pub max_waiting: usize,
}

impl LedgerConfig {
    /// The defaults for a replica.
    pub fn new(replica: ReplicaId) -> Self {
        Self {
            replica,
            segment_bytes: SEGMENT_BYTES,
            offline_grace: Duration::from_mins(10),
            contact_good_for: Duration::from_secs(3),
            max_waiting: 1 << 16,
        }
    }
}

/// Why nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The account does not have the amount.
    #[error("account {account} does not have the credit")]
    NoCredit {
        /// The Organization's account or the limit that is used up.
        account: AccountId,
    },
    /// The book cannot be reached and the lease does not have the amount.
    #[error("the ledger is not available")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk has no room for more requests.
    #[error("the ledger's disk is full")]
    NoSpace,
    /// More records wait than the disk takes.
    #[error("the ledger is busy")]
    Busy,
    /// The ledger is closing.
    #[error("the ledger is closing")]
    Closing,
    /// A write failed: the process must end.
    #[error("the ledger stopped")]
    Stopped,
    /// A later start or a write-off took over: the process must end.
    #[error("the ledger was fenced off")]
    Fenced,
    /// The amount is below zero, or the payer has no account or more than three.
    #[error("the reserve is not sound")]
    Unsound,
}

/// Whether the ledger takes reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerState {
    /// It does.
    Running,
    /// It is closing: open requests can end, none begins.
    Closing,
    /// It is closed: everything is in the book.
    Closed,
    /// A write failed; nothing more is written.
    Stopped,
    /// It was fenced off; nothing more is shipped.
    Fenced,
}

const STATES: [LedgerState; 5] = [
    LedgerState::Running,
    LedgerState::Closing,
    LedgerState::Closed,
    LedgerState::Stopped,
    LedgerState::Fenced,
];

/// A record on its way to the log.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) record: Record,
    /// Told when it is durable; dropped when it never will be.
    pub(crate) done: Option<oneshot::Sender<Seq>>,
}

/// Something to be done with the book, on the thread that owns it.
pub(crate) type Work = Box<dyn FnOnce(&mut dyn Book) + Send>;

/// What the keeper of the book is asked.
pub(crate) enum Ask {
    /// To lease more, and hand over what is needed.
    Grant { purse: Arc<Purse>, need: Nano, reply: oneshot::Sender<Result<Handed, Refused>> },
    /// Whether the replica may still serve.
    Contact { reply: oneshot::Sender<Result<(), Refused>> },
    /// To do something with the book.
    Book(Work),
    /// To close the leases once no request is open, ship everything and end; at `by` (monotonic)
    /// whatever is still open is left to the next start.
    Close { by: Duration },
}

pub(crate) struct Shared {
    pub(crate) config: LedgerConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writes: Inbox<Write>,
    pub(crate) asks: Inbox<Ask>,
    /// Whether the disk has room for more requests.
    pub(crate) space: AtomicBool,
    /// Requests that are reserved and not ended.
    pub(crate) open: AtomicUsize,
    purses: RwLock<HashMap<AccountId, Arc<Purse>>>,
    state: AtomicU8,
    contact_ms: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(config: LedgerConfig, clock: Arc<dyn Clock>) -> Self {
        let shared = Self {
            config,
            clock,
            writes: Inbox::new(),
            asks: Inbox::new(),
            space: AtomicBool::new(true),
            open: AtomicUsize::new(0),
            purses: RwLock::default(),
            state: AtomicU8::new(0),
            contact_ms: AtomicU64::new(0),
        };
        shared.note_contact();
        shared
    }

    pub(crate) fn state(&self) -> LedgerState {
        let state = self.state.load(Ordering::Acquire);
        STATES.get(usize::from(state)).copied().unwrap_or(LedgerState::Stopped)
    }

    /// Moves on to `state`; never back to an earlier one, so the first failure stays.
    pub(crate) fn set_state(&self, state: LedgerState) {
        let code = STATES.iter().position(|s| *s == state).unwrap_or(3) as u8;
        let end = 2;
        let forward = |now: u8| (now < code && now < end).then_some(code);
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, forward).is_ok()
            && code > end
        {
            tracing::error!(state = ?state, "the ledger takes no more requests");
        }
    }

    pub(crate) fn purse(&self, account: AccountId) -> Arc<Purse> {
        let known =
            self.purses.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned();
        known.unwrap_or_else(|| {
            let mut purses = self.purses.write().unwrap_or_else(PoisonError::into_inner);
            purses.entry(account).or_insert_with(|| Arc::new(Purse::new(account))).clone()
        })
    }

    /// Every purse, in the order of their accounts.
    pub(crate) fn purses(&self) -> Vec<Arc<Purse>> {
        let purses = self.purses.read().unwrap_or_else(PoisonError::into_inner);
        let mut purses: Vec<_> = purses.values().cloned().collect();
        purses.sort_by_key(|purse| purse.account);
        purses
    }

    /// Notes that the book just said that this replica is not fenced off.
    pub(crate) fn note_contact(&self) {
        self.contact_ms.store(self.now_ms(), Ordering::Release);
    }

    /// How long ago the book said so.
    pub(crate) fn contact_age(&self) -> Duration {
        let then = self.contact_ms.load(Ordering::Acquire);
        Duration::from_millis(self.now_ms().saturating_sub(then))
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic().as_millis() as u64
    }

    /// Notes whether two segments' space is left: less is kept for the records that end requests.
    pub(crate) fn note_space(&self, disk: &impl Disk) {
        let enough = self.config.segment_bytes.saturating_mul(2);
        let space = disk.free_bytes().is_ok_and(|free| free >= enough);
        self.space.store(space, Ordering::Relaxed);
    }

    /// Puts a record in the writer's queue.
    pub(crate) fn write(
        &self,
        record: Record,
        done: Option<oneshot::Sender<Seq>>,
    ) -> Result<(), Refused> {
        self.writes.push(Write { record, done }).map_err(|_| self.why_not())
    }

    /// Why the inboxes are closed.
    pub(crate) fn why_not(&self) -> Refused {
        match self.state() {
            LedgerState::Fenced => Refused::Fenced,
            LedgerState::Closing | LedgerState::Closed => Refused::Closing,
            LedgerState::Running | LedgerState::Stopped => Refused::Stopped,
        }
    }

    /// Whether a request may begin, as far as this process knows.
    pub(crate) fn may_begin(&self) -> Result<(), Refused> {
        if self.state() != LedgerState::Running {
            return Err(self.why_not());
        }
        if !self.space.load(Ordering::Relaxed) {
            return Err(Refused::NoSpace);
        }
        if self.writes.len() >= self.config.max_waiting {
            return Err(Refused::Busy);
        }
        Ok(())
    }
}

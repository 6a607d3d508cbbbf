//! The one thread that speaks to the book: leases credit, ships the log, removes what is shipped.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    book::{Book, BookError, Fence, Shipment, Wish},
    disk::Disk,
    id::{LeaseId, Seq},
    inbox::Wait,
    log::{Durable, LogError, Watermark},
    money::Nano,
    purse::{Handed, Purse},
    record::{Closed, Leased, Record},
    segment,
    shared::{Ask, LedgerState, Refused, Shared},
    tail::Tail,
    writer::Step,
};

/// How often the log is shipped when nobody asks for anything.
const SHIP_EVERY: Duration = Duration::from_millis(50);

/// How often the book is asked whether this replica may still serve.
const CONTACT_EVERY: Duration = Duration::from_secs(1);

/// Records in one shipment at most.
const SHIPMENT_RECORDS: usize = 4_096;

/// Shipments in one step at most, so that a backlog never keeps a grant waiting.
const SHIPMENTS_A_STEP: usize = 4;

/// The largest reserves that the first lease of a quiet account should last for.
const FIRST_LEASE_REQUESTS: u64 = 64;

/// What a request should wait before it tries again when the book cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How the keeper failed, in a way that ends the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Book(#[from] BookError),
}

pub(crate) struct Keeper<D: Disk> {
    shared: Arc<Shared>,
    book: Box<dyn Book>,
    fence: Fence,
    disk: Arc<D>,
    watermark: Watermark,
    tail: Tail<D>,
    /// The last record that the book is known to have.
    applied: Seq,
    /// Whether the book's answer to the last shipment is missing.
    unsure: bool,
    contacted: Duration,
    asks: Vec<Ask>,
    closing: Option<Closing>,
}

/// How far closing has come.
struct Closing {
    by: Duration,
    /// Told when the closing of the leases is durable.
    sealed: Option<oneshot::Receiver<Seq>>,
    sealed_seen: bool,
}

impl<D: Disk> Keeper<D> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        book: Box<dyn Book>,
        fence: Fence,
        disk: Arc<D>,
        watermark: Watermark,
        applied: Seq,
    ) -> Self {
        let tail = Tail::new(disk.clone(), applied);
        let contacted = shared.clock.monotonic();
        Self {
            shared,
            book,
            fence,
            disk,
            watermark,
            tail,
            applied,
            unsure: false,
            contacted,
            asks: Vec::new(),
            closing: None,
        }
    }

    /// Works until the ledger is closed, stopped or fenced off.
    pub(crate) fn run(mut self) {
        while self.step(Wait::AtMost(SHIP_EVERY)) == Step::Went {}
    }

    /// Answers what is asked, then ships.
    pub(crate) fn step(&mut self, wait: Wait) -> Step {
        self.shared.asks.take(&mut self.asks, wait);
        for ask in std::mem::take(&mut self.asks) {
            self.answer(ask);
        }
        let done = self.keep();
        if let Err(error) = done {
            let fenced = matches!(error, KeeperError::Book(BookError::Fenced { .. }));
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger's book failed");
            self.shared.set_state(if fenced { LedgerState::Fenced } else { LedgerState::Stopped });
        }
        match self.shared.state() {
            LedgerState::Running | LedgerState::Closing => Step::Went,
            LedgerState::Closed | LedgerState::Stopped | LedgerState::Fenced => {
                self.shared.asks.close();
                self.shared.writes.close();
                // Whoever asked is told by the end of their channel.
                self.shared.asks.take(&mut Vec::new(), Wait::AtMost(Duration::ZERO));
                Step::Ended
            }
        }
    }

    /// Ships until the book has the log's durable end; for the start and for tests.
    pub(crate) fn ship_all(&mut self) -> Result<(), KeeperError> {
        while self.applied < self.watermark.seq() {
            self.ship()?;
        }
        Ok(())
    }

    /// Closes what the book leased to older epochs, all of which is shipped.
    pub(crate) fn close_older(&mut self) -> Result<Nano, KeeperError> {
        Ok(self.book.close_older(&self.fence)?)
    }

    /// Removes every segment that the book has whole, the oldest first. Each removal is durable
    /// before the next, so that no gap can be left.
    pub(crate) fn remove_shipped(&mut self) -> Result<(), LogError> {
        let segments = self.watermark.get().segments;
        for pair in segments.windows(2) {
            let ((number, _), (_, next_first)) = (pair[0], pair[1]);
            if next_first > self.applied.next() {
                break;
            }
            let name = segment::name(number);
            let failed = |operation| {
                let file = name.clone();
                move |source| LogError::Disk { operation, file, source }
            };
            self.disk.remove(&name).map_err(failed("remove"))?;
            self.disk.sync_folder().map_err(failed("sync the folder of"))?;
            self.watermark.forget(number);
        }
        Ok(())
    }

    fn keep(&mut self) -> Result<(), KeeperError> {
        if matches!(self.shared.state(), LedgerState::Stopped | LedgerState::Fenced) {
            return Ok(());
        }
        self.shared.note_space(&*self.disk);
        let shipped = self.ship_some().and_then(|()| self.contact_if_due());
        match shipped {
            Err(KeeperError::Book(BookError::Unavailable(source))) => {
                tracing::warn!(error = &*source as &dyn std::error::Error, "the book is away");
            }
            other => other?,
        }
        self.remove_shipped()?;
        self.return_unused();
        self.finish_closing();
        Ok(())
    }

    fn ship_some(&mut self) -> Result<(), KeeperError> {
        for _ in 0..SHIPMENTS_A_STEP {
            if self.applied >= self.watermark.seq() {
                break;
            }
            self.ship()?;
        }
        Ok(())
    }

    fn ship(&mut self) -> Result<(), KeeperError> {
        if self.unsure {
            self.ask_what_is_applied()?;
        }
        let durable: Durable = self.watermark.get();
        let read = self.tail.read(&durable, SHIPMENT_RECORDS)?;
        let through = self.tail.position();
        let told =
            |(_, record): &(Seq, Record)| matches!(record, Record::Settle(_) | Record::Close(_));
        let records: Vec<_> = read.into_iter().filter(told).collect();
        let shipment = Shipment { after: self.applied, through, records };
        self.unsure = true;
        match self.book.ship(&self.fence, &shipment) {
            Ok(()) => {
                (self.unsure, self.applied) = (false, through);
                self.in_contact();
                Ok(())
            }
            // It may have been taken all the same: the next step asks first.
            Err(BookError::NotNext { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn ask_what_is_applied(&mut self) -> Result<(), KeeperError> {
        let applied = self.book.applied(&self.fence)?;
        self.tail = Tail::new(self.disk.clone(), applied);
        (self.applied, self.unsure) = (applied, false);
        Ok(())
    }

    fn contact_if_due(&mut self) -> Result<(), KeeperError> {
        if self.shared.clock.monotonic().saturating_sub(self.contacted) >= CONTACT_EVERY {
            self.contact()?;
        }
        Ok(())
    }

    fn contact(&mut self) -> Result<(), BookError> {
        let now = self.shared.clock.wall();
        self.book.contact(&self.fence, now)?;
        self.in_contact();
        Ok(())
    }

    fn in_contact(&mut self) {
        self.contacted = self.shared.clock.monotonic();
        self.shared.note_contact();
    }

    fn answer(&mut self, ask: Ask) {
        // The caller may be gone: a grant then goes into the purse, an answer to nobody.
        match ask {
            Ask::Grant { purse, need, reply } => {
                let granted = self.grant(&purse, need);
                let _ = reply.send(granted);
            }
            Ask::Contact { reply } => self.answer_contact(reply),
            Ask::Book(work) => work(&mut *self.book),
            Ask::Close { by } => {
                self.shared.set_state(LedgerState::Closing);
                self.closing = Some(Closing { by, sealed: None, sealed_seen: false });
            }
        }
    }

    fn answer_contact(&mut self, reply: oneshot::Sender<Result<(), Refused>>) {
        let grace = self.shared.config.offline_grace;
        let answer = match self.contact() {
            Ok(()) => Ok(()),
            Err(error) if self.refusal(&error) == Refused::Fenced => Err(Refused::Fenced),
            Err(_) if self.shared.contact_age() <= grace => Ok(()),
            Err(error) => Err(self.refusal(&error)),
        };
        let _ = reply.send(answer);
    }

    fn refusal(&self, error: &BookError) -> Refused {
        match error {
            BookError::Fenced { .. } => {
                self.shared.set_state(LedgerState::Fenced);
                Refused::Fenced
            }
            _ => Refused::Unavailable { retry_after: RETRY_AFTER },
        }
    }

    fn grant(&mut self, purse: &Arc<Purse>, need: Nano) -> Result<Handed, Refused> {
        let handed = |amount| Handed { purse: purse.clone(), amount };
        // An earlier grant, or a request that ended since, may have what is needed.
        if purse.take(need) {
            return Ok(handed(need));
        }
        if self.closing.is_some() {
            return Err(Refused::Closing);
        }
        let largest = purse.largest();
        // An account that was quiet starts with a lease for some requests, not for one.
        let some = largest.times(FIRST_LEASE_REQUESTS).unwrap_or(largest);
        let want = purse.recent_spend(self.shared.clock.monotonic()).max(some);
        let wish = Wish { account: purse.account, need, want, largest };
        let granted = match self.book.grant(&self.fence, &wish) {
            Ok(granted) => granted.ok_or(Refused::NoCredit { account: purse.account })?,
            Err(BookError::NotFound { .. }) => {
                return Err(Refused::NoCredit { account: purse.account });
            }
            Err(error) => return Err(self.refusal(&error)),
        };
        self.in_contact();
        // In the log's queue first: whatever is spent of it stands behind it there.
        let amount = granted.amount;
        let leased = Leased { lease: granted.lease, account: purse.account, amount };
        self.shared.write(Record::Lease(leased), None)?;
        purse.set_lease(granted.lease);
        purse.scarce.store(amount == need, Ordering::Relaxed);
        purse.give(amount.less(need).unwrap_or(Nano::ZERO));
        Ok(handed(need))
    }

    /// Gives back what scarce accounts' leases do not use: another replica may need it.
    fn return_unused(&self) {
        for purse in self.shared.purses() {
            if purse.scarce.load(Ordering::Relaxed) && purse.left() > Nano::ZERO {
                self.give_back(&purse, false);
            }
        }
    }

    fn give_back(&self, purse: &Purse, last: bool) {
        let amount = purse.take_all();
        let closed = Closed { lease: purse.lease(), amount, last };
        // A ledger that stopped writes nothing: then the next start gives it back.
        let _ = self.shared.write(Record::Close(closed), None);
    }

    /// Goes a step towards the end: no request open, leases closed, the book has everything.
    fn finish_closing(&mut self) {
        let Some(closing) = &mut self.closing else { return };
        if self.shared.clock.monotonic() >= closing.by {
            self.shared.set_state(LedgerState::Closed);
            return;
        }
        let Some(sealed) = &mut closing.sealed else {
            if self.shared.open.load(Ordering::Acquire) == 0 {
                self.close_leases();
            }
            return;
        };
        match sealed.try_recv() {
            Ok(_) => closing.sealed_seen = true,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Closed) if closing.sealed_seen => {}
            Err(TryRecvError::Closed) => self.shared.set_state(LedgerState::Stopped),
        }
        if closing.sealed_seen && self.applied >= self.watermark.seq() {
            self.shared.set_state(LedgerState::Closed);
        }
    }

    fn close_leases(&mut self) {
        for purse in self.shared.purses() {
            if purse.lease().0 != 0 {
                self.give_back(&purse, true);
                purse.set_lease(LeaseId(0));
            }
        }
        let (done, durable) = oneshot::channel();
        let written = self.shared.write(Record::Nothing, Some(done));
        if let Some(closing) = self.closing.as_mut().filter(|_| written.is_ok()) {
            closing.sealed = Some(durable);
        }
    }
}

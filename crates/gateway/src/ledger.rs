//! The ledger as the gateway uses it: [`Ledger::start`] recovers and runs its two threads,
//! [`Ledger::reserve`] sets an amount aside durably, the [`Hold`] it gives ends the request.

use std::{error::Error, io, sync::Arc, thread, thread::JoinHandle, time::Duration};

use tokio::sync::oneshot;

use crate::{
    book::{Book, BookError, Fence, LogEnd},
    clock::Clock,
    disk::Disk,
    estimate::Estimate,
    hold::{Hold, OpenCount},
    id::{AccountId, Epoch, KeyId, RequestId},
    keeper::{Keeper, KeeperError},
    log::{self, Log, LogError},
    money::Nano,
    price::PriceRef,
    purse::{Payer, Taken},
    record::{Record, Reserved, Settled},
    recovery::{self, Policy},
    shared::{Ask, LedgerConfig, LedgerState, Refused, Shared},
    writer::Writer,
};

/// Why the ledger does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log is damaged or cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The book refused the replica, or is not available.
    #[error(transparent)]
    Book(#[from] BookError),
    /// A thread could not be made.
    #[error("cannot start the ledger's {name} thread")]
    Thread {
        /// Which.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl From<KeeperError> for StartError {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Log(error) => Self::Log(error),
            KeeperError::Book(error) => Self::Book(error),
        }
    }
}

/// What a start found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The epoch from here on.
    pub epoch: Epoch,
    /// Whether a write that never finished was cut off the log.
    pub cut: bool,
    /// The requests that were open, as they were settled: one report row each.
    pub unresolved: Vec<Settled>,
    /// What went back from leases that the log did not know.
    pub returned: Nano,
}

/// What a request asks to be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// The request.
    pub request: RequestId,
    /// The key it came with.
    pub key: KeyId,
    /// Its worst case.
    pub estimate: Estimate,
    /// The prices that hold for it.
    pub price: PriceRef,
}

/// A handle to the ledger; clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

/// The ledger's threads; the ledger runs until [`RunningLedger::close`] or the end of the process.
#[derive(Debug)]
pub struct RunningLedger {
    ledger: Ledger,
    recovery: Recovery,
    threads: Vec<JoinHandle<()>>,
}

/// The parts of a ledger before its threads run.
pub(crate) struct Parts<D: Disk> {
    pub(crate) ledger: Ledger,
    pub(crate) recovery: Recovery,
    pub(crate) writer: Writer<D>,
    pub(crate) keeper: Keeper<D>,
}

/// Recovers the log in `disk`, settles what was open, and tells the book everything.
pub(crate) fn open<D: Disk>(
    config: LedgerConfig,
    disk: D,
    mut book: Box<dyn Book>,
    clock: Arc<dyn Clock>,
    policy: Policy,
) -> Result<Parts<D>, StartError> {
    let disk = Arc::new(disk);
    let recovered = log::recover(&*disk, &config.replica)?;
    let (cut, end) = (recovered.cut, LogEnd { epoch: recovered.epoch, last: recovered.last });
    let claim = book.claim(&config.replica, end, clock.wall())?;
    let fence = Fence { replica: config.replica.clone(), epoch: claim.epoch };
    let (replica, bytes) = (config.replica.clone(), config.segment_bytes);
    let mut log = Log::begin(disk.clone(), replica, recovered, claim.epoch, bytes)?;
    book.begin(&fence)?;
    let ending = recovery::ending(log.fold(), policy, clock.wall());
    log.append(&ending)?;
    let shared = Arc::new(Shared::new(config, clock));
    let mut keeper = Keeper::new(shared.clone(), book, fence, disk, log.watermark(), claim.applied);
    keeper.ship_all()?;
    let returned = keeper.close_older()?;
    keeper.remove_shipped()?;
    let settled = |record: &Record| match record {
        Record::Settle(settled) => Some(*settled),
        _ => None,
    };
    let unresolved = ending.iter().filter_map(settled).collect();
    let recovery = Recovery { epoch: claim.epoch, cut, unresolved, returned };
    let ledger = Ledger { shared: shared.clone() };
    Ok(Parts { ledger, recovery, writer: Writer::new(shared, log), keeper })
}

impl Ledger {
    /// Recovers the log in `disk`, settles what was open when the last process ended, brings the
    /// book up to date, and starts. Blocks as long as that takes.
    ///
    /// # Errors
    /// The log is damaged or of another replica, or its folder is not the one the book knows; or
    /// the book or the disk is not available.
    pub fn start<D: Disk>(
        config: LedgerConfig,
        disk: D,
        book: Box<dyn Book>,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningLedger, StartError> {
        let parts = open(config, disk, book, clock, Policy::default())?;
        let Parts { ledger, recovery, writer, keeper } = parts;
        let threads = vec![
            spawn("ledger-writer", move || writer.run())?,
            spawn("ledger-keeper", move || keeper.run())?,
        ];
        Ok(RunningLedger { ledger, recovery, threads })
    }

    /// Whether the ledger takes requests.
    pub fn state(&self) -> LedgerState {
        self.shared.state()
    }

    /// Who pays for a key: the Organization's account first, then at most two limits. `None` when
    /// there is no account or there are more.
    pub fn payer(&self, accounts: &[AccountId]) -> Option<Payer> {
        let fits = (1..=Payer::MAX_ACCOUNTS).contains(&accounts.len());
        let purses = accounts.iter().map(|account| self.shared.purse(*account));
        fits.then(|| Payer { purses: purses.collect() })
    }

    /// Sets the worst case of a request aside. When this is done it is durable, and the request
    /// may be sent after [`Hold::attempt`]. Dropping the future sets nothing aside.
    ///
    /// # Errors
    /// The credit is not there, or the ledger cannot say so now; nothing is set aside.
    pub async fn reserve(&self, payer: &Payer, ask: Reserve) -> Result<Hold, Refused> {
        let open = OpenCount::new(&self.shared);
        self.shared.may_begin()?;
        self.sure_of_contact().await?;
        let Estimate { amount, input, input_tokens } = ask.estimate;
        if amount.is_negative() || input.is_negative() {
            return Err(Refused::Unsound);
        }
        let taken = self.take(payer, amount).await?;
        let reserved = Reserved {
            request: ask.request,
            key: ask.key,
            leases: payer.leases().ok_or(Refused::Closing)?,
            amount,
            input_cost: input,
            input_tokens,
            price: ask.price,
            at: self.shared.clock.wall(),
        };
        let (tell, durable) = oneshot::channel();
        self.shared.write(Record::Reserve(reserved), Some(tell))?;
        // From here on the hold gives the amount back, with a record that says so.
        taken.keep();
        let hold = Hold::new(self.shared.clone(), payer.clone(), reserved, open);
        durable.await.map_err(|_| self.shared.why_not())?;
        // A process that was stopped in between may have been written off.
        self.sure_of_contact().await?;
        Ok(hold)
    }

    /// Does `work` with the book, on the thread that owns it, and says what came of it.
    ///
    /// # Errors
    /// The book's own, or the ledger has ended.
    pub async fn with_book<T, W>(&self, work: W) -> Result<T, BookError>
    where
        T: Send + 'static,
        W: FnOnce(&mut dyn Book) -> Result<T, BookError> + Send + 'static,
    {
        let ended = || BookError::Unavailable(Box::<dyn Error + Send + Sync>::from("it is closed"));
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |book: &mut dyn Book| {
            let _ = reply.send(work(book));
        });
        self.shared.asks.push(Ask::Book(work)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Requests that are reserved and not ended.
    pub fn open_requests(&self) -> usize {
        self.shared.open.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn take(&self, payer: &Payer, amount: Nano) -> Result<Taken, Refused> {
        let mut taken = Taken::nothing(payer, amount);
        while let Some(purse) = taken.next().cloned() {
            if !purse.take(amount) {
                let (reply, answer) = oneshot::channel();
                let ask = Ask::Grant { purse, need: amount, reply };
                self.shared.asks.push(ask).map_err(|_| self.shared.why_not())?;
                let handed = answer.await.map_err(|_| self.shared.why_not())??;
                handed.accept();
            }
            taken.took();
        }
        Ok(taken)
    }

    async fn sure_of_contact(&self) -> Result<(), Refused> {
        if self.shared.contact_age() <= self.shared.config.contact_good_for {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.shared.asks.push(Ask::Contact { reply }).map_err(|_| self.shared.why_not())?;
        answer.await.map_err(|_| self.shared.why_not())?
    }

    /// Asks the keeper to close, for tests that step it.
    pub(crate) fn begin_closing(&self, within: Duration) {
        let by = self.shared.clock.monotonic().saturating_add(within);
        // A ledger that has ended is closed already.
        let _ = self.shared.asks.push(Ask::Close { by });
    }
}

impl RunningLedger {
    /// The handle that requests use.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the start found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Takes no more requests, waits at most `within` for those that are open, closes the leases,
    /// tells the book everything and ends the threads. Blocks. [`LedgerState::Closed`] means that
    /// the book has everything, unless requests were still open; those the next start settles.
    pub fn close(mut self, within: Duration) -> LedgerState {
        self.ledger.begin_closing(within);
        for thread in std::mem::take(&mut self.threads) {
            if thread.join().is_err() {
                self.ledger.shared.set_state(LedgerState::Stopped);
            }
        }
        self.ledger.state()
    }
}

impl Drop for RunningLedger {
    /// Lets the threads end. Nothing is lost: the next start goes on from the log.
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.ledger.shared.set_state(LedgerState::Stopped);
            self.ledger.shared.writes.close();
            self.ledger.shared.asks.close();
        }
    }
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(|source| StartError::Thread { name, source })
}

#[cfg(test)]
mod tests;

//! The book: the authority on credits, prices, keys and what is leased to whom.
//!
//! A [`Book`] is asked by one thread and blocks. Everything that moves money is one transaction,
//! and every transaction of a replica carries its [`Fence`]: what an older epoch sends is refused.
//! [`Sqlite`] keeps it in one file; several replicas share one in Postgres, behind the same trait.

mod channels;
mod money_moves;
mod records;
mod registry;
mod schema;
mod sqlite;
mod users;

use std::error::Error;

use crate::{
    clock::WallMillis,
    id::{AccountId, Epoch, KeyId, LeaseId, ReplicaId, RequestId, Seq},
    money::{Currency, Nano},
    price::{PriceVersion, SignedPriceBook},
    record::Record,
    usage::{Usage, UsageSource},
};

pub use registry::{
    Added, KeyProfile, KeyRules, KeySecret, NewChannel, NewUser, Note, Registry, UserRow,
};
pub use sqlite::Sqlite;

/// Who speaks to the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The replica.
    pub replica: ReplicaId,
    /// The epoch in which it runs.
    pub epoch: Epoch,
}

/// How a replica's log ends when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// The epoch of the last segment; 0 for an empty folder.
    pub epoch: Epoch,
    /// The last record; 0 for an empty folder.
    pub last: Seq,
}

/// What a starting replica is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Its epoch from here on.
    pub epoch: Epoch,
    /// The last record of its log that the book has.
    pub applied: Seq,
}

/// What a replica asks of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The account.
    pub account: AccountId,
    /// What is needed now; less is of no use.
    pub need: Nano,
    /// What would be welcome: what was spent in the last 15 minutes.
    pub want: Nano,
    /// The largest reserve that was seen.
    pub largest: Nano,
}

impl Wish {
    /// How much of `available` is granted: at most a quarter of it beyond the need, and exactly
    /// the need where less than 50 of the largest reserves are left. `None` when the need is not
    /// there.
    pub fn size(&self, available: Nano) -> Option<Nano> {
        if self.need.is_negative() || available < self.need {
            return None;
        }
        let plenty = self.largest.max(self.need).times(50).is_ok_and(|floor| available >= floor);
        if !plenty {
            return Some(self.need);
        }
        let quarter = Nano::new(available.get() / 4);
        Some(self.need.max(self.want.min(quarter)))
    }
}

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// The lease; one account has one in an epoch.
    pub lease: LeaseId,
    /// What is added to it, at least the need.
    pub amount: Nano,
}

/// A piece of a replica's log on its way into the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// The last record the book has; it takes the shipment only if that is so.
    pub after: Seq,
    /// The last record of this shipment.
    pub through: Seq,
    /// The settlements and closings in it, in order.
    pub records: Vec<(Seq, Record)>,
}

/// What kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// An Organization's prepaid credit.
    Organization,
    /// A limit within it: what a key, or a month, may still spend.
    Limit,
}

impl AccountKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Limit => "limit",
        }
    }
}

/// What came of a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credited {
    /// It was added now.
    Added,
    /// It had been added before, under the same reference.
    Before,
}

/// An account's money. Credits = available + leased + settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The account's currency.
    pub currency: Currency,
    /// All credits.
    pub credited: Nano,
    /// What can be granted.
    pub available: Nano,
    /// What is granted, and neither settled nor given back: remainders and open reserves.
    pub leased: Nano,
    /// What was paid.
    pub settled: Nano,
    /// The number of the account's last entry; they are numbered from 1 without a gap.
    pub last_entry: u64,
}

/// A paid request, as the customer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number in its account, from 1 without a gap.
    pub number: u64,
    /// The request.
    pub request: RequestId,
    /// The key.
    pub key: KeyId,
    /// What was paid.
    pub amount: Nano,
    /// What it cost beyond that and nobody paid.
    pub loss: Nano,
    /// The quantities.
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// The prices.
    pub price: crate::price::PriceRef,
    /// The upstream; 0 when none is known.
    pub channel: crate::id::ChannelId,
    /// When.
    pub at: WallMillis,
}

/// A key to be kept. The key itself is never kept: its digest finds it, and `sealed` is a copy
/// under a key the book does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// The account that pays.
    pub account: AccountId,
    /// Limits within it, at most two.
    pub limits: Vec<AccountId>,
    /// From when on it is refused.
    pub expires_at: Option<WallMillis>,
    /// The encrypted copy, where keys can be revealed.
    pub sealed: Option<Vec<u8>>,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// What it was made with.
    pub key: NewKey,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Grows with each change of any key: whoever has all up to one number asks for those after.
    pub version: u64,
}

/// What a write-off did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOff {
    /// The replica's epoch from here on; what older ones send is refused.
    pub epoch: Epoch,
    /// Leases that were closed.
    pub leases: u64,
    /// What went back to their accounts; what the replica used of it unseen is lost to us.
    pub returned: Nano,
}

/// What an audit of the whole book found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Accounts that were checked.
    pub accounts: u64,
    /// Entries that were checked.
    pub entries: u64,
    /// Every broken rule in words; empty when the book is sound.
    pub findings: Vec<String>,
}

/// Why the book did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// It cannot be reached, or did not answer; whether it was done is not known.
    #[error("the book is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A later epoch of the replica, or a write-off, has taken over.
    #[error("replica `{replica}` was fenced off")]
    Fenced {
        /// The replica.
        replica: ReplicaId,
    },
    /// The book has records that the log does not: an old copy of the folder was put back.
    #[error("the book has record {applied} of replica `{replica}`, but its log ends at {last}")]
    OldFolder {
        /// The replica.
        replica: ReplicaId,
        /// The last record in the book.
        applied: Seq,
        /// The last record in the log.
        last: Seq,
    },
    /// The log ends in another epoch than the book saw begin.
    #[error("replica `{replica}` began epoch {begun}, but its log ends in epoch {found}")]
    OtherFolder {
        /// The replica.
        replica: ReplicaId,
        /// The last epoch known to have begun.
        begun: Epoch,
        /// The log's.
        found: Epoch,
    },
    /// A shipment does not follow the last one.
    #[error("the book has record {applied}, not {after}")]
    NotNext {
        /// The last record the book has.
        applied: Seq,
        /// The one the shipment follows.
        after: Seq,
    },
    /// What is named is not there.
    #[error("there is no such {what}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
    },
    /// The reference was used for something else.
    #[error("the reference was used for another credit")]
    ReferenceUsed,
    /// The request breaks a rule of the book.
    #[error("{0}")]
    Invalid(&'static str),
    /// A rule of the book's own would have been broken; nothing was done.
    #[error("a rule of the book would be broken")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// What is stored is not what it should be.
    #[error("the book holds an unreadable {what}")]
    Unreadable {
        /// What kind of thing.
        what: &'static str,
    },
}

/// The authority on credits, prices, keys and leases. Every method is one transaction.
pub trait Book: Send {
    /// Gives a starting replica its next epoch.
    ///
    /// # Errors
    /// The replica's folder is not the one it last ran with, or the book is not available.
    fn claim(
        &mut self,
        replica: &ReplicaId,
        log: LogEnd,
        now: WallMillis,
    ) -> Result<Claim, BookError>;

    /// Notes that the epoch's first segment is durable.
    ///
    /// # Errors
    /// The replica was fenced off, or the book is not available.
    fn begin(&mut self, fence: &Fence) -> Result<(), BookError>;

    /// Notes that the replica is alive, and tells it whether it still may be.
    ///
    /// # Errors
    /// The replica was fenced off, or the book is not available.
    fn contact(&mut self, fence: &Fence, now: WallMillis) -> Result<(), BookError>;

    /// Moves credit from an account to the replica's lease; `None` when the need is not there.
    ///
    /// # Errors
    /// The replica was fenced off, the account is not there, or the book is not available: then a
    /// lease may have been granted that nobody spends; it goes back when the epoch ends.
    fn grant(&mut self, fence: &Fence, wish: &Wish) -> Result<Option<Granted>, BookError>;

    /// The last record of the replica's log that the book has.
    ///
    /// # Errors
    /// The replica was fenced off, or the book is not available.
    fn applied(&mut self, fence: &Fence) -> Result<Seq, BookError>;

    /// Takes a piece of the replica's log: entries, leases and position together.
    ///
    /// # Errors
    /// The replica was fenced off, the piece is not the next one, or the book is not available:
    /// then [`Book::applied`] tells whether it was taken.
    fn ship(&mut self, fence: &Fence, shipment: &Shipment) -> Result<(), BookError>;

    /// Closes leases of older epochs; only when all of the log before this epoch is shipped.
    /// Returns what went back.
    ///
    /// # Errors
    /// The replica was fenced off, or the book is not available.
    fn close_older(&mut self, fence: &Fence) -> Result<Nano, BookError>;

    /// Gives up a replica whose folder is lost: fences it off and returns what its leases hold.
    ///
    /// # Errors
    /// The replica is not known, or the book is not available.
    fn write_off(&mut self, replica: &ReplicaId, now: WallMillis) -> Result<WriteOff, BookError>;

    /// Opens an account, or finds the one of that name.
    ///
    /// # Errors
    /// One of that name is of another kind or currency, or the book is not available.
    fn open_account(
        &mut self,
        name: &str,
        kind: AccountKind,
        currency: Currency,
    ) -> Result<AccountId, BookError>;

    /// Adds credit. The same reference with the same account and amount is added once.
    ///
    /// # Errors
    /// The amount is not above zero, the account is not there, the reference was used otherwise,
    /// or the book is not available.
    fn credit(
        &mut self,
        account: AccountId,
        amount: Nano,
        reference: &str,
        now: WallMillis,
    ) -> Result<Credited, BookError>;

    /// An account's money.
    ///
    /// # Errors
    /// The account is not there, or the book is not available.
    fn statement(&mut self, account: AccountId) -> Result<Statement, BookError>;

    /// At most `most` entries of an account after the one numbered `after`, in order.
    ///
    /// # Errors
    /// The book is not available.
    fn entries(
        &mut self,
        account: AccountId,
        after: u64,
        most: u32,
    ) -> Result<Vec<Entry>, BookError>;

    /// Keeps a key.
    ///
    /// # Errors
    /// The digest is kept already, an account is not there, or the book is not available.
    fn add_key(&mut self, key: &NewKey) -> Result<KeyRow, BookError>;

    /// Finds a key by its digest.
    ///
    /// # Errors
    /// The book is not available.
    fn find_key(&mut self, digest: &[u8; 32]) -> Result<Option<KeyRow>, BookError>;

    /// Revokes a key; once is enough.
    ///
    /// # Errors
    /// The key is not there, or the book is not available.
    fn revoke_key(&mut self, key: KeyId) -> Result<(), BookError>;

    /// At most `most` keys that changed after `version`, in the order of their versions.
    ///
    /// # Errors
    /// The book is not available.
    fn keys_after(&mut self, version: u64, most: u32) -> Result<Vec<KeyRow>, BookError>;

    /// Keeps a signed version of the price book; the same bytes again are no error.
    ///
    /// # Errors
    /// Another version of that number is kept, or the book is not available.
    fn add_prices(
        &mut self,
        version: PriceVersion,
        prices: &SignedPriceBook,
    ) -> Result<(), BookError>;

    /// Every version of the price book, the first first.
    ///
    /// # Errors
    /// The book is not available.
    fn prices(&mut self) -> Result<Vec<SignedPriceBook>, BookError>;

    /// Checks every rule the book promises: each account's credits are its available credit, its
    /// leases and its entries; entries are numbered without a gap; the whole sums to zero.
    ///
    /// # Errors
    /// The book is not available.
    fn audit(&mut self) -> Result<Audit, BookError>;

    /// The records beside the money.
    ///
    /// # Errors
    /// This book keeps none.
    fn registry(&mut self) -> Result<&mut dyn Registry, BookError> {
        Err(BookError::Invalid("this book keeps money alone"))
    }
}

#[cfg(test)]
mod tests;

//! The LLM gateway's ledger: a prepaid balance is never overdrawn, and no charge is lost or doubled.
//!
//! Three places, each with one authority. The *book* ([`Book`]) knows credits, prices, keys and
//! what was leased to whom. The *log* of each replica knows how its leases were used and is synced
//! before anything depends on it ([`Ledger`]). Memory is a cache of both.
//!
//! A request's way: [`Bounds::worst_case`] says what it can cost, [`Ledger::reserve`] sets that
//! aside durably, [`Hold::attempt`] comes just before it is sent, [`Hold::progress`] while an
//! answer streams, and [`Hold::settle`], [`Hold::void`] or dropping the [`Hold`] ends it.

mod book;
mod clock;
mod disk;
mod estimate;
mod fold;
mod frame;
mod hold;
mod id;
mod inbox;
mod keeper;
mod ledger;
mod log;
mod money;
mod price;
mod purse;
mod record;
mod recovery;
mod segment;
mod shared;
mod tail;
mod usage;
mod writer;

#[cfg(test)]
mod simulation;

pub use book::{
    AccountKind, Audit, Book, BookError, Claim, Credited, Entry, Fence, Granted, KeyRow, LogEnd,
    NewKey, Shipment, Sqlite, Statement, Wish, WriteOff,
};
pub use clock::{Clock, SystemClock, WallMillis};
pub use disk::{Disk, DiskError, DiskFile, RealDisk};
pub use estimate::{Bounds, Estimate};
pub use fold::Illegal;
pub use hold::{Durably, Hold, Paid, Settlement};
pub use id::{AccountId, ChannelId, Epoch, KeyId, LeaseId, Malformed, ReplicaId, RequestId, Seq};
pub use ledger::{Ledger, Recovery, Reserve, RunningLedger, StartError};
pub use log::{LogError, SEGMENT_BYTES};
pub use money::{Currency, NANO_PER_QUOTA_UNIT, NANO_PER_UNIT, Nano, NotACurrency, OutOfRange};
pub use price::{
    PriceBook, PriceError, PriceLine, PriceRef, PriceShelf, PriceSigner, PriceVersion,
    SignedPriceBook, TOKENS_PER_PRICE,
};
pub use purse::Payer;
pub use record::{
    Attempt, Closed, Leased, Leases, MAX_LEASES, Progress, Record, Reserved, Settled,
};
pub use shared::{LedgerConfig, LedgerState, Refused};
pub use usage::{PartsExceedWhole, Usage, UsageSource};

//! The LLM gateway's ledger: a prepaid balance is never overdrawn, and no charge is lost or doubled.
//!
//! Three places, each with one authority. The *book* ([`Book`]) knows credits, prices, keys and
//! what was leased to whom. The *log* of each replica knows how its leases were used and is synced
//! before anything depends on it ([`Ledger`]). Memory is a cache of both.
//!
//! A request's way: [`Bounds::worst_case`] says what it can cost, [`Ledger::reserve`] sets that
//! aside durably, [`Hold::attempt`] comes just before it is sent, [`Hold::progress`] while an
//! answer streams, and [`Hold::settle`], [`Hold::void`] or dropping the [`Hold`] ends it.

mod admin;
mod ask;
mod book;
mod channel;
mod clock;
mod customer;
mod customer_key;
mod directory;
mod disk;
mod estimate;
mod exchange;
mod fault;
mod fold;
mod frame;
mod gateway;
mod hold;
mod id;
mod inbox;
mod json;
mod keeper;
mod ledger;
mod log;
mod money;
mod net;
mod ports;
mod price;
mod purse;
mod rate;
mod record;
mod recovery;
mod relay;
mod reply;
mod segment;
mod serve;
mod shared;
mod sse;
mod stream;
mod tail;
mod tally;
mod upstream;
mod usage;
mod writer;

#[cfg(test)]
mod simulation;

pub use ask::Dialect;
pub use book::{
    AccountKind, Added, Audit, Book, BookError, Claim, Credited, Entry, Fence, Granted, KeyProfile,
    KeyRow, KeyRules, KeySecret, LogEnd, NewChannel, NewKey, NewUser, Note, Registry, Shipment,
    Sqlite, Statement, UserRow, Wish, WriteOff,
};
pub use channel::{Attestation, Attested, ChannelKind, ChannelRow, Definition, OnDisconnect};
pub use clock::{Clock, SystemClock, WallMillis};
pub use disk::{Disk, DiskError, DiskFile, RealDisk};
pub use estimate::{Bounds, Estimate};
pub use fold::Illegal;
pub use gateway::{Gateway, GatewayError, Patience, Settings};
pub use hold::{Durably, Hold, Paid, Settlement};
pub use id::{AccountId, ChannelId, Epoch, KeyId, LeaseId, Malformed, ReplicaId, RequestId, Seq};
pub use ledger::{Ledger, Recovery, Reserve, RunningLedger, StartError};
pub use log::{LogError, SEGMENT_BYTES};
pub use money::{Currency, NANO_PER_QUOTA_UNIT, NANO_PER_UNIT, Nano, NotACurrency, OutOfRange};
pub use net::{Range, Reach};
pub use ports::{serve_admin, serve_customer};
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

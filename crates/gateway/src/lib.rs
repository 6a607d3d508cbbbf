//! The LLM gateway's ledger: a prepaid balance is never overdrawn, and no charge is lost or doubled.
//!
//! The pure part: amounts ([`Nano`]), what was used ([`Usage`]), what it costs ([`PriceLine`]) and
//! what it can cost at most ([`Bounds`]).

mod clock;
mod estimate;
mod id;
mod money;
mod price;
mod usage;

pub use clock::{Clock, SystemClock, WallMillis};
pub use estimate::{Bounds, Estimate};
pub use id::{AccountId, ChannelId, Epoch, KeyId, LeaseId, Malformed, ReplicaId, RequestId, Seq};
pub use money::{Currency, NANO_PER_QUOTA_UNIT, NANO_PER_UNIT, Nano, NotACurrency, OutOfRange};
pub use price::{
    PriceBook, PriceError, PriceLine, PriceRef, PriceShelf, PriceSigner, PriceVersion,
    SignedPriceBook, TOKENS_PER_PRICE,
};
pub use usage::{PartsExceedWhole, Usage, UsageSource};

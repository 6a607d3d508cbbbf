//! Names of things: requests, accounts, leases, replicas and the numbers that order records.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::clock::WallMillis;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct Malformed {
    /// What would have been accepted.
    pub expected: &'static str,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// An account of the book: an Organization's credit, or a limit within it.
    AccountId,
    /// A customer's key.
    KeyId,
    /// A grant of an account's credit to one replica in one epoch.
    LeaseId,
    /// A channel to an upstream.
    ChannelId,
    /// How often a replica has started; the book refuses what an older one sends.
    Epoch,
    /// A record's place in its replica's log; the first is 1, and none is used twice.
    Seq,
}

impl Epoch {
    /// The one after.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Seq {
    /// The one after.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A customer's request: a ULID, made by the gateway and never taken from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    /// Makes an id of the time and 80 random bits.
    pub fn make(at: WallMillis) -> Self {
        let time = u128::from(at.0.max(0).unsigned_abs() & 0xFFFF_FFFF_FFFF);
        Self((time << 80) | (rand::random::<u128>() >> 48))
    }

    /// The id's 16 bytes, the most significant first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for RequestId {
    /// 26 characters of Crockford's alphabet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |place: u32| char::from(CROCKFORD[(self.0 >> (place * 5)) as usize & 31]);
        (0..26).rev().try_for_each(|place| fmt::Write::write_char(f, digit(place)))
    }
}

impl FromStr for RequestId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed { expected: "a request id (26 characters of a ULID)" };
        if text.len() != 26 || text.as_bytes()[0] > b'7' {
            return Err(malformed);
        }
        let value = text.bytes().try_fold(0_u128, |value, byte| {
            let digit = CROCKFORD.iter().position(|c| *c == byte)?;
            Some((value << 5) | digit as u128)
        });
        value.map(Self).ok_or(malformed)
    }
}

/// The name of a replica, and so of its log's folder: lower-case letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(String);

impl ReplicaId {
    /// The longest name.
    pub const MAX_BYTES: usize = 63;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReplicaId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        let expected = "a replica's name (1 to 63 of a-z, 0-9 and -)";
        fits.then(|| Self(text.to_owned())).ok_or(Malformed { expected })
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_request_id_reads_back_as_it_was_written(value: u128) {
            let id = RequestId(value);
            prop_assert_eq!(id.to_string().parse::<RequestId>(), Ok(id));
            prop_assert_eq!(RequestId::from_bytes(id.to_bytes()), id);
        }

        #[test]
        fn ids_sort_as_their_times(a in 0_i64..1 << 47, b in 0_i64..1 << 47) {
            prop_assume!(a != b);
            let (x, y) = (RequestId::make(WallMillis(a)), RequestId::make(WallMillis(b)));
            prop_assert_eq!(x < y, a < b);
            prop_assert_eq!(x.to_string() < y.to_string(), a < b);
        }
    }

    #[test]
    fn a_replica_can_never_name_another_folder() {
        for name in ["", "..", "a/b", "A", "a b", &"a".repeat(64)] {
            assert!(name.parse::<ReplicaId>().is_err(), "{name:?}");
        }
        assert!("gateway-0".parse::<ReplicaId>().is_ok());
    }
}

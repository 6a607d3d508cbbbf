//! Identifiers: a deployment's id and the number of an event in its log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A piece of text that is not the identifier or name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct Malformed {
    /// What was given, cut to a length that is safe to show.
    pub given: String,
    /// What would have been accepted, in words.
    pub expected: &'static str,
}

impl Malformed {
    /// Notes the refusal of `given`, keeping at most 64 characters of it.
    pub fn new(given: &str, expected: &'static str) -> Self {
        let given = given.chars().take(64).filter(|c| !c.is_control()).collect();
        Self { given, expected }
    }
}

/// The id of a deployment: 16 lower-case hexadecimal digits, so it can never name another path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId(String);

impl DeploymentId {
    /// Writes eight random bytes as an id.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeploymentId {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        let hex_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if s.len() == 16 && s.bytes().all(hex_digit) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(s, "a deployment id (16 lower-case hexadecimal digits)"))
        }
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = Malformed;

    fn try_from(s: String) -> Result<Self, Malformed> {
        s.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> String {
        id.0
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client names a request by, so that sending it again does not do it again: 1 to 255
/// visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        if (1..=255).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(s, "a key (1 to 255 visible ASCII characters)"))
        }
    }
}

/// The number of an event in its deployment's log; the first event is 1, 0 means "before all".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);

    /// The number that follows.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks_are_not_ids() {
        for bad in ["..", ".", "../../etc/passwd", "0123456789abcde/", "0123456789ABCDEF", "", "0"]
        {
            assert!(bad.parse::<DeploymentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_visible_ascii_of_a_bounded_length() {
        let long = "k".repeat(256);
        for bad in ["", " ", "a b", "a\n", "é", long.as_str()] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad}");
        }
        for good in ["k", "8e03978e-40d5-43e8-bc93-6894a57f9324", &long[1..]] {
            assert_eq!(good.parse::<IdempotencyKey>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn random_bytes_make_a_readable_id() {
        let id = DeploymentId::from_random([0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(id.as_str(), "00010203040506ff");
        assert_eq!(id.as_str().parse(), Ok(id));
    }
}

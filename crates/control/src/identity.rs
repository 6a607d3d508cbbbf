//! Who asks: sessions, bearer tokens and one-time login links.

use std::{fmt, str::FromStr};

use catalyst_model::{Malformed, SecretHash, Tier};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Somebody who was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The name they go by in records.
    pub subject: String,
    /// What they may do.
    pub tier: Tier,
    /// When they must sign in again.
    pub expires_at: Timestamp,
    /// What they make ends by then; no bound when absent.
    pub not_after: Option<Timestamp>,
    /// What they were recognised by.
    pub proof: Proof,
}

impl Who {
    /// This process itself, which vouches for nobody but itself and so is bounded by nothing.
    pub fn of_this_process(subject: &str, tier: Tier) -> Self {
        Self {
            subject: subject.to_owned(),
            tier,
            expires_at: Timestamp::MAX,
            not_after: None,
            proof: Proof::Process,
        }
    }

    /// The bearer token they were recognised by, if it was one.
    pub fn token(&self) -> Option<&TokenId> {
        match &self.proof {
            Proof::Token { id, .. } => Some(id),
            Proof::Session(_) | Proof::Process => None,
        }
    }
}

/// What somebody was recognised by; holds no secret, only what is kept of one.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A session.
    Session(SecretHash),
    /// A bearer token.
    Token {
        /// Its public name.
        id: TokenId,
        /// What is kept of its text.
        hash: SecretHash,
    },
    /// Nothing: this process speaks for itself.
    Process,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(_) => f.write_str("session"),
            Self::Token { id, .. } => write!(f, "token {id}"),
            Self::Process => f.write_str("this process"),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A session just opened. The secret is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewSession {
    /// The cookie's value.
    pub secret: SecretString,
    /// Whose it is.
    pub who: Who,
}

/// A one-time login token just made. The secret is shown once and kept nowhere.
#[derive(Debug)]
pub struct LoginLink {
    /// The token to put into the link.
    pub secret: SecretString,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// A bearer token just made. The secret is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken {
    /// The token's text, beginning with `cat_`.
    pub secret: SecretString,
    /// What is known of it from now on.
    pub info: TokenInfo,
}

/// The public name of a bearer token: 16 hexadecimal digits that say nothing of its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

impl TokenId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        if s.len() == 16 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(s, "a token id (16 lower-case hexadecimal digits)"))
        }
    }
}

impl TryFrom<String> for TokenId {
    type Error = Malformed;

    fn try_from(s: String) -> Result<Self, Malformed> {
        s.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> String {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its public name.
    pub id: TokenId,
    /// What it was made for, in its maker's words.
    pub name: String,
    /// Whose it is.
    pub subject: String,
    /// What its bearer may do.
    pub tier: Tier,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

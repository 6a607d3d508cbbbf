//! The book of who may ask: sessions, bearer tokens and one-time login tokens, by their hashes.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use catalyst_model::{SecretHash, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, disk};

/// Everything that is known of who may ask. Keys are SHA-256 hashes of the secrets' text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthBook {
    /// Open sessions.
    pub sessions: BTreeMap<String, SessionRow>,
    /// Bearer tokens.
    pub tokens: BTreeMap<String, TokenRow>,
    /// One-time login tokens that were not used yet.
    pub logins: BTreeMap<String, LoginRow>,
}

/// One open session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRow {
    /// Whose it is.
    pub subject: String,
    /// What they may do.
    pub tier: Tier,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What is made in it ends by then: a session that a token's link opened gives nobody longer
    /// than that token had. No bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// One bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRow {
    /// Its public name: 16 hexadecimal digits that say nothing of its text.
    pub id: String,
    /// What it was made for.
    pub name: String,
    /// Who made it.
    pub subject: String,
    /// What its bearer may do.
    pub tier: Tier,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// It is this machine's own, made anew at each start; no name a person gives says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// One unused login token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginRow {
    /// Who signs in with it.
    pub subject: String,
    /// What they may do then.
    pub tier: Tier,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// What it opens, and what is made there, ends by then. No bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

impl AuthBook {
    /// Removes what has expired at `now`; says whether anything was removed.
    pub fn sweep(&mut self, now: Timestamp) -> bool {
        let before = (self.sessions.len(), self.tokens.len(), self.logins.len());
        self.sessions.retain(|_, r| r.expires_at > now);
        self.tokens.retain(|_, r| r.expires_at > now);
        self.logins.retain(|_, r| r.expires_at > now);
        before != (self.sessions.len(), self.tokens.len(), self.logins.len())
    }

    /// The session of this hash.
    pub fn session(&self, hash: &SecretHash) -> Option<&SessionRow> {
        self.sessions.get(&hash.0)
    }

    /// The token of this hash.
    pub fn token(&self, hash: &SecretHash) -> Option<&TokenRow> {
        self.tokens.get(&hash.0)
    }
}

/// The file the book is kept in, rewritten as a whole at each change.
#[derive(Debug, Clone)]
pub struct AuthFile {
    path: PathBuf,
}

impl AuthFile {
    /// Opens the book in the folder `dir`; empty when there is none yet.
    ///
    /// # Errors
    /// The folder cannot be made, or the book cannot be read.
    pub async fn open(dir: PathBuf) -> Result<(Self, AuthBook), Error> {
        disk::aside(move || {
            disk::private_dir(&dir)?;
            let path = dir.join("auth.json");
            let book = match fs::read(&path) {
                Ok(bytes) => serde_json::from_slice(&bytes)
                    .map_err(|source| Error::Codec { what: "the book of who may ask", source })?,
                Err(e) if e.kind() == ErrorKind::NotFound => AuthBook::default(),
                Err(source) => return Err(Error::Read { path, source }),
            };
            Ok((Self { path }, book))
        })
        .await
    }

    /// Keeps the book, durable when this is done.
    ///
    /// # Errors
    /// The disk refused it; the old book is unchanged.
    pub async fn keep(&self, book: AuthBook) -> Result<(), Error> {
        let path = self.path.clone();
        disk::aside(move || {
            let bytes = serde_json::to_vec_pretty(&book)
                .map_err(|source| Error::Codec { what: "the book of who may ask", source })?;
            disk::replace(&path, &bytes)
        })
        .await
    }
}

//! What the gateway is run with, beside the money: channels, users, what a key may do, and who
//! changed what. Each method is one transaction.

use serde::{Deserialize, Serialize};

use super::{BookError, Entry, KeyRow, NewKey};
use crate::{
    channel::{Attested, ChannelRow, Definition},
    clock::WallMillis,
    id::{AccountId, ChannelId, KeyId, Malformed, RequestId},
    money::Currency,
    net::Range,
};

/// A channel to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// What it is.
    pub definition: Definition,
    /// The upstream's key, encrypted.
    pub sealed: Option<Vec<u8>>,
    /// SHA-256 of all that was posted, the key too: the same again is no second channel.
    pub digest: [u8; 32],
    /// Who answers for it.
    pub attestation: Option<Attested>,
    /// Whether it may be used.
    pub enabled: bool,
    /// Why not.
    pub reason: String,
}

/// What came of something that is added once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added<T> {
    /// It was added now.
    Now(T),
    /// The same had been added before.
    Before(T),
    /// Another one has the name.
    Other(T),
}

/// What a key may do; nothing said is nothing forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRules {
    /// Requests a minute.
    pub rpm: Option<u32>,
    /// Tokens a minute, counted by what requests can use at most until they have ended.
    pub tpm: Option<u64>,
    /// Requests at one time.
    pub concurrency: Option<u32>,
    /// The models it may use; all when empty.
    pub models: Vec<String>,
    /// The addresses it may be used from, as `10.0.0.0/8`; all when empty.
    pub addresses: Vec<String>,
    /// Output tokens a choice may have at most.
    pub max_output: Option<u64>,
    /// The group whose channels it uses; `default` when absent.
    pub group: Option<String>,
}

impl KeyRules {
    /// Checks that every range of addresses can be read.
    ///
    /// # Errors
    /// One cannot.
    pub fn check(&self) -> Result<(), Malformed> {
        self.addresses.iter().try_for_each(|text| text.parse::<Range>().map(drop))
    }
}

/// A key and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProfile {
    /// The key.
    pub row: KeyRow,
    /// The name people gave it.
    pub name: String,
    /// What it may do.
    pub rules: KeyRules,
}

/// Somebody to be given a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name under which the caller knows them; one user has it.
    pub external_id: String,
    /// Their address.
    pub email: String,
    /// The Organization that pays; its account is opened where there is none.
    pub tenant: String,
    /// The tier they signed up for.
    pub tier: String,
    /// What else the caller wants kept, as JSON.
    pub metadata: String,
    /// The key under which the caller may ask again.
    pub idempotency_key: String,
    /// The currency of an account that is opened.
    pub currency: Currency,
}

/// A user as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Their id.
    pub id: u64,
    /// What they were made with.
    pub external_id: String,
    /// The Organization's account.
    pub account: AccountId,
    /// Their key.
    pub key: KeyId,
    /// Its encrypted copy, where keys can be revealed.
    pub sealed: Option<Vec<u8>>,
    /// The key under which the caller may ask again.
    pub idempotency_key: String,
    /// Whether they were disabled.
    pub disabled: bool,
    /// When they were made.
    pub created_at: WallMillis,
}

/// A new key for a user: its digest and its encrypted copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// The encrypted copy.
    pub sealed: Option<Vec<u8>>,
    /// What the key may do.
    pub rules: KeyRules,
}

/// Who changed what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its number, from 1; 0 before it is kept.
    pub number: u64,
    /// When.
    pub at: WallMillis,
    /// With what right.
    pub actor: String,
    /// From where.
    pub from: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
}

/// The gateway's records beside the money.
pub trait Registry {
    /// Keeps a channel, unless one of that name is kept.
    ///
    /// # Errors
    /// It would be enabled without an attestation, or the book is not available.
    fn add_channel(&mut self, channel: &NewChannel) -> Result<Added<ChannelId>, BookError>;

    /// Every channel in the order of their ids.
    ///
    /// # Errors
    /// The book is not available, or holds what cannot be read.
    fn channels(&mut self) -> Result<Vec<ChannelRow>, BookError>;

    /// Enables or disables a channel.
    ///
    /// # Errors
    /// It is not there, would be enabled without an attestation, or the book is not available.
    fn enable_channel(
        &mut self,
        channel: ChannelId,
        enabled: bool,
        reason: &str,
    ) -> Result<(), BookError>;

    /// Forgets a channel; entries keep its number, which is not used again.
    ///
    /// # Errors
    /// It is not there, or the book is not available.
    fn remove_channel(&mut self, channel: ChannelId) -> Result<(), BookError>;

    /// Makes a user with a key, and the account that pays for it; or finds the one who is there.
    ///
    /// # Errors
    /// The tenant's account has another currency, or the book is not available.
    fn sign_up(
        &mut self,
        user: &NewUser,
        key: &KeySecret,
        now: WallMillis,
    ) -> Result<Added<UserRow>, BookError>;

    /// The user of an external id.
    ///
    /// # Errors
    /// The book is not available.
    fn user(&mut self, external_id: &str) -> Result<Option<UserRow>, BookError>;

    /// Gives a user another key and revokes the one before.
    ///
    /// # Errors
    /// They are not there or disabled, or the book is not available.
    fn rotate_key(&mut self, user: u64, key: &KeySecret) -> Result<UserRow, BookError>;

    /// Disables a user and revokes their key; once is enough.
    ///
    /// # Errors
    /// They are not there, or the book is not available.
    fn disable_user(&mut self, user: u64) -> Result<(), BookError>;

    /// Keeps a key with a name and what it may do.
    ///
    /// # Errors
    /// The digest is kept already, an account is not there, or the book is not available.
    fn add_named_key(
        &mut self,
        key: &NewKey,
        name: &str,
        rules: &KeyRules,
    ) -> Result<KeyRow, BookError>;

    /// At most `most` keys that changed after `version`, in the order of their versions.
    ///
    /// # Errors
    /// The book is not available, or holds what cannot be read.
    fn profiles_after(&mut self, version: u64, most: u32) -> Result<Vec<KeyProfile>, BookError>;

    /// What a request was charged, and the account that paid.
    ///
    /// # Errors
    /// The book is not available.
    fn entry_of(&mut self, request: RequestId) -> Result<Option<(AccountId, Entry)>, BookError>;

    /// Notes who changed what. A note is never changed.
    ///
    /// # Errors
    /// The book is not available.
    fn note(&mut self, note: &Note) -> Result<(), BookError>;

    /// At most `most` notes after the one numbered `after`.
    ///
    /// # Errors
    /// The book is not available.
    fn notes(&mut self, after: u64, most: u32) -> Result<Vec<Note>, BookError>;
}

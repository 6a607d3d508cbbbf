//! The book in one SQLite file, for one replica: WAL mode with full sync, so that what was
//! answered is durable.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{
    AccountKind, Audit, Book, BookError, Claim, Credited, Entry, Fence, Granted, KeyRow, LogEnd,
    NewKey, Shipment, Statement, Wish, WriteOff, channels, money_moves, records,
    registry::{
        Added, KeyProfile, KeyRules, KeySecret, NewChannel, NewUser, Note, Registry, UserRow,
    },
    schema::MIGRATIONS,
    users,
};
use crate::{
    channel::ChannelRow,
    clock::WallMillis,
    id::{AccountId, ChannelId, KeyId, ReplicaId, RequestId, Seq},
    money::{Currency, Nano},
    price::{PriceVersion, SignedPriceBook},
};

/// How long another connection's write is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that are kept ready.
const STATEMENT_CACHE: usize = 64;

/// The book in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

pub(super) type Done<T> = Result<T, BookError>;

impl From<rusqlite::Error> for BookError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Broken(Box::new(error)),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

impl Sqlite {
    /// Opens the book in the file at `path`, made where it is missing (0600), and brings its
    /// tables up to date.
    ///
    /// # Errors
    /// The file cannot be opened, is no book, or is one of a later version.
    pub fn open(path: &Path) -> Result<Self, BookError> {
        let unavailable = |source| BookError::Unavailable(Box::new(source));
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        options.open(path).map_err(unavailable)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(unavailable)?;
        Self::prepare(Connection::open(path)?)
    }

    /// A book in memory alone, for tests.
    ///
    /// # Errors
    /// SQLite refused it.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Result<Self, BookError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    /// Does to the book what nobody should.
    #[cfg(test)]
    pub(crate) fn tamper(&mut self, sql: &str) {
        self.try_tamper(sql).unwrap();
    }

    /// Tries to do to the book what it should not let happen.
    #[cfg(test)]
    pub(crate) fn try_tamper(&mut self, sql: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(sql)
    }

    fn prepare(mut connection: Connection) -> Done<Self> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", "on")?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: usize = transaction.query_row("PRAGMA user_version", [], |row| {
            row.get::<_, u32>(0).map(|version| version as usize)
        })?;
        if version > MIGRATIONS.len() {
            return Err(BookError::Unreadable { what: "schema of a later version" });
        }
        for migration in &MIGRATIONS[version..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// Does `work` as one transaction that sees no other writer.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Done<T>) -> Done<T> {
        let behaviour = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behaviour)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn read<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Done<T>) -> Done<T> {
        work(&self.connection.transaction()?)
    }
}

impl Book for Sqlite {
    fn claim(&mut self, replica: &ReplicaId, log: LogEnd, now: WallMillis) -> Done<Claim> {
        self.write(|t| money_moves::claim(t, replica, log, now))
    }

    fn begin(&mut self, fence: &Fence) -> Done<()> {
        self.write(|t| money_moves::begin(t, fence))
    }

    fn contact(&mut self, fence: &Fence, now: WallMillis) -> Done<()> {
        self.write(|t| money_moves::contact(t, fence, now))
    }

    fn grant(&mut self, fence: &Fence, wish: &Wish) -> Done<Option<Granted>> {
        self.write(|t| money_moves::grant(t, fence, wish))
    }

    fn applied(&mut self, fence: &Fence) -> Done<Seq> {
        self.read(|t| money_moves::applied(t, fence))
    }

    fn ship(&mut self, fence: &Fence, shipment: &Shipment) -> Done<()> {
        self.write(|t| money_moves::ship(t, fence, shipment))
    }

    fn close_older(&mut self, fence: &Fence) -> Done<Nano> {
        self.write(|t| money_moves::close_older(t, fence))
    }

    fn write_off(&mut self, replica: &ReplicaId, now: WallMillis) -> Done<WriteOff> {
        self.write(|t| money_moves::write_off(t, replica, now))
    }

    fn open_account(
        &mut self,
        name: &str,
        kind: AccountKind,
        currency: Currency,
    ) -> Done<AccountId> {
        self.write(|t| records::open_account(t, name, kind, currency))
    }

    fn credit(
        &mut self,
        account: AccountId,
        amount: Nano,
        reference: &str,
        now: WallMillis,
    ) -> Done<Credited> {
        self.write(|t| money_moves::credit(t, account, amount, reference, now))
    }

    fn statement(&mut self, account: AccountId) -> Done<Statement> {
        self.read(|t| records::statement(t, account))
    }

    fn entries(&mut self, account: AccountId, after: u64, most: u32) -> Done<Vec<Entry>> {
        self.read(|t| records::entries(t, account, after, most))
    }

    fn add_key(&mut self, key: &NewKey) -> Done<KeyRow> {
        self.write(|t| records::add_key(t, key))
    }

    fn find_key(&mut self, digest: &[u8; 32]) -> Done<Option<KeyRow>> {
        self.read(|t| records::find_key(t, digest))
    }

    fn revoke_key(&mut self, key: KeyId) -> Done<()> {
        self.write(|t| records::revoke_key(t, key))
    }

    fn keys_after(&mut self, version: u64, most: u32) -> Done<Vec<KeyRow>> {
        self.read(|t| records::keys_after(t, version, most))
    }

    fn add_prices(&mut self, version: PriceVersion, prices: &SignedPriceBook) -> Done<()> {
        self.write(|t| records::add_prices(t, version, prices))
    }

    fn prices(&mut self) -> Done<Vec<SignedPriceBook>> {
        self.read(records::prices)
    }

    fn audit(&mut self) -> Done<Audit> {
        self.read(records::audit)
    }
    fn registry(&mut self) -> Done<&mut dyn Registry> {
        Ok(self)
    }
}

impl Registry for Sqlite {
    fn add_channel(&mut self, channel: &NewChannel) -> Done<Added<ChannelId>> {
        self.write(|t| channels::add(t, channel))
    }

    fn channels(&mut self) -> Done<Vec<ChannelRow>> {
        self.read(channels::all)
    }

    fn enable_channel(&mut self, channel: ChannelId, enabled: bool, reason: &str) -> Done<()> {
        self.write(|t| channels::enable(t, channel, enabled, reason))
    }

    fn remove_channel(&mut self, channel: ChannelId) -> Done<()> {
        self.write(|t| channels::remove(t, channel))
    }

    fn sign_up(
        &mut self,
        user: &NewUser,
        key: &KeySecret,
        now: WallMillis,
    ) -> Done<Added<UserRow>> {
        self.write(|t| users::sign_up(t, user, key, now))
    }

    fn user(&mut self, external_id: &str) -> Done<Option<UserRow>> {
        self.read(|t| users::find(t, external_id))
    }

    fn rotate_key(&mut self, user: u64, key: &KeySecret) -> Done<UserRow> {
        self.write(|t| users::rotate_key(t, user, key))
    }

    fn disable_user(&mut self, user: u64) -> Done<()> {
        self.write(|t| users::disable(t, user))
    }

    fn add_named_key(&mut self, key: &NewKey, name: &str, rules: &KeyRules) -> Done<KeyRow> {
        self.write(|t| users::add_named_key(t, key, name, rules))
    }

    fn profiles_after(&mut self, version: u64, most: u32) -> Done<Vec<KeyProfile>> {
        self.read(|t| users::profiles_after(t, version, most))
    }

    fn entry_of(&mut self, request: RequestId) -> Done<Option<(AccountId, Entry)>> {
        self.read(|t| users::entry_of(t, request))
    }

    fn note(&mut self, note: &Note) -> Done<()> {
        self.write(|t| channels::note(t, note))
    }

    fn notes(&mut self, after: u64, most: u32) -> Done<Vec<Note>> {
        self.read(|t| channels::notes(t, after, most))
    }
}

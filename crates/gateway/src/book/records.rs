//! What the book keeps and shows: accounts, entries, keys, prices, and the audit of it all.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{AccountKind, Audit, BookError, Entry, KeyRow, NewKey, Statement, sqlite::Done};
use crate::{
    clock::WallMillis,
    id::{AccountId, ChannelId, KeyId, RequestId},
    money::{Currency, Nano},
    price::{PriceRef, PriceVersion, SignedPriceBook},
    usage::{Usage, UsageSource},
};

pub(super) fn open_account(
    t: &Transaction<'_>,
    name: &str,
    kind: AccountKind,
    currency: Currency,
) -> Done<AccountId> {
    if name.is_empty() || name.starts_with('.') || name.len() > 200 {
        return Err(BookError::Invalid("an account's name has 1 to 200 bytes and no dot in front"));
    }
    t.execute(
        "INSERT INTO account (name, kind, currency) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO NOTHING",
        params![name, kind.as_str(), currency.as_str()],
    )?;
    let sql = "SELECT id FROM account WHERE name = ?1 AND kind = ?2 AND currency = ?3";
    let values = params![name, kind.as_str(), currency.as_str()];
    let id: Option<u64> = t.query_row(sql, values, |row| row.get(0)).optional()?;
    let other = BookError::Invalid("an account of that name has another kind or currency");
    id.map(AccountId).ok_or(other)
}

pub(super) fn statement(t: &Transaction<'_>, account: AccountId) -> Done<Statement> {
    let mut query = t.prepare_cached(
        "SELECT currency, available, last_entry,
            (SELECT coalesce(sum(amount), 0) FROM transfer WHERE credit = account.id),
            (SELECT coalesce(sum(granted - consumed), 0) FROM lease
                WHERE lease.account = account.id AND state = 'open'),
            (SELECT coalesce(sum(consumed), 0) FROM lease WHERE lease.account = account.id)
         FROM account WHERE id = ?1 AND kind <> 'system'",
    )?;
    let row = query.query_row([account.0], |row| {
        let currency: String = row.get(0)?;
        let amount = |place: usize| row.get(place).map(Nano::new);
        let sums = (amount(1)?, amount(3)?, amount(4)?, amount(5)?);
        Ok((currency, sums, row.get(2)?))
    });
    let found = row.optional()?.ok_or(BookError::NotFound { what: "account" })?;
    let (currency, (available, credited, leased, settled), last_entry) = found;
    let currency = currency.parse().map_err(|_| BookError::Unreadable { what: "currency" })?;
    Ok(Statement { currency, credited, available, leased, settled, last_entry })
}

pub(super) fn entries(
    t: &Transaction<'_>,
    account: AccountId,
    after: u64,
    most: u32,
) -> Done<Vec<Entry>> {
    let mut query = t.prepare_cached(
        "SELECT number, request_id, key, amount, loss, input, cached_input, cache_write, output,
            reasoning, source, price_version, price_line, channel, at
         FROM entry WHERE account = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let rows = query.query_map(params![account.0, after, most], entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let source: String = row.get(10)?;
    Ok(Entry {
        number: row.get(0)?,
        request: RequestId::from_bytes(row.get(1)?),
        key: KeyId(row.get(2)?),
        amount: Nano::new(row.get(3)?),
        loss: Nano::new(row.get(4)?),
        usage: Usage {
            input: row.get(5)?,
            cached_input: row.get(6)?,
            cache_write: row.get(7)?,
            output: row.get(8)?,
            reasoning: row.get(9)?,
        },
        source: match source.as_str() {
            "reported" => UsageSource::Reported,
            "counted" => UsageSource::Counted,
            "unresolved" => UsageSource::Unresolved,
            _ => UsageSource::Estimated,
        },
        price: PriceRef { version: PriceVersion(row.get(11)?), line: row.get(12)? },
        channel: ChannelId(row.get(13)?),
        at: WallMillis(row.get(14)?),
    })
}

const KEY_COLUMNS: &str =
    "id, digest, account, limit_1, limit_2, expires_at, sealed, revoked, version";

fn next_key_version(t: &Transaction<'_>) -> Done<u64> {
    let sql = "SELECT coalesce(max(version), 0) + 1 FROM key";
    Ok(t.query_row(sql, [], |row| row.get(0))?)
}

pub(super) fn add_key(t: &Transaction<'_>, key: &NewKey) -> Done<KeyRow> {
    if key.limits.len() > 2 {
        return Err(BookError::Invalid("a key has at most two limits"));
    }
    let version = next_key_version(t)?;
    let limit = |place: usize| key.limits.get(place).map(|account| account.0);
    let expires_at = key.expires_at.map(|at| at.0);
    t.execute(
        "INSERT INTO key (digest, account, limit_1, limit_2, expires_at, sealed, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![key.digest, key.account.0, limit(0), limit(1), expires_at, key.sealed, version],
    )?;
    let id = KeyId(t.last_insert_rowid().unsigned_abs());
    Ok(KeyRow { id, key: key.clone(), revoked: false, version })
}

pub(super) fn find_key(t: &Transaction<'_>, digest: &[u8; 32]) -> Done<Option<KeyRow>> {
    let mut query =
        t.prepare_cached(&format!("SELECT {KEY_COLUMNS} FROM key WHERE digest = ?1"))?;
    Ok(query.query_row([digest], key_row).optional()?)
}

pub(super) fn revoke_key(t: &Transaction<'_>, key: KeyId) -> Done<()> {
    let version = next_key_version(t)?;
    let sql = "UPDATE key SET revoked = 1, version = ?2 WHERE id = ?1";
    match t.execute(sql, params![key.0, version])? {
        1 => Ok(()),
        _ => Err(BookError::NotFound { what: "key" }),
    }
}

pub(super) fn keys_after(t: &Transaction<'_>, version: u64, most: u32) -> Done<Vec<KeyRow>> {
    let mut query = t.prepare_cached(&format!(
        "SELECT {KEY_COLUMNS} FROM key WHERE version > ?1 ORDER BY version LIMIT ?2"
    ))?;
    let rows = query.query_map(params![version, most], key_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let limits: [Option<u64>; 2] = [row.get(3)?, row.get(4)?];
    let expires_at: Option<i64> = row.get(5)?;
    Ok(KeyRow {
        id: KeyId(row.get(0)?),
        key: NewKey {
            digest: row.get(1)?,
            account: AccountId(row.get(2)?),
            limits: limits.into_iter().flatten().map(AccountId).collect(),
            expires_at: expires_at.map(WallMillis),
            sealed: row.get(6)?,
        },
        revoked: row.get(7)?,
        version: row.get(8)?,
    })
}

pub(super) fn add_prices(
    t: &Transaction<'_>,
    version: PriceVersion,
    prices: &SignedPriceBook,
) -> Done<()> {
    t.execute(
        "INSERT INTO price (version, body, signature) VALUES (?1, ?2, ?3)
         ON CONFLICT (version) DO NOTHING",
        params![version.0, prices.body, prices.signature],
    )?;
    let sql = "SELECT body = ?2 AND signature = ?3 FROM price WHERE version = ?1";
    let values = params![version.0, prices.body, prices.signature];
    let same: bool = t.query_row(sql, values, |row| row.get(0))?;
    same.then_some(()).ok_or(BookError::Invalid("another price book of that version is kept"))
}

pub(super) fn prices(t: &Transaction<'_>) -> Done<Vec<SignedPriceBook>> {
    let mut query = t.prepare_cached("SELECT body, signature FROM price ORDER BY version")?;
    let rows = query
        .query_map([], |row| Ok(SignedPriceBook { body: row.get(0)?, signature: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Each rule as a query that yields what breaks it.
const RULES: &[(&str, &str)] = &[
    (
        "account: credits are not available + leased + settled",
        "SELECT name FROM account a WHERE kind <> 'system' AND
            (SELECT coalesce(sum(amount), 0) FROM transfer WHERE credit = a.id) <> a.available
            + (SELECT coalesce(sum(granted), 0) FROM lease WHERE lease.account = a.id)",
    ),
    (
        "lease: what was consumed is not what its entries say",
        "SELECT l.id FROM lease l JOIN account a ON a.id = l.account WHERE a.kind = 'organization'
            AND l.consumed <> (SELECT coalesce(sum(amount), 0) FROM entry WHERE lease = l.id)",
    ),
    (
        "account: entries are not numbered without a gap",
        "SELECT a.name FROM account a LEFT JOIN entry e ON e.account = a.id GROUP BY a.id
            HAVING count(e.number) <> a.last_entry OR coalesce(max(e.number), 0) <> a.last_entry",
    ),
    (
        "book: debits and credits do not sum to zero",
        "SELECT 'sum' WHERE (SELECT sum(available) FROM account)
            + (SELECT coalesce(sum(granted - consumed), 0) FROM lease) <> 0",
    ),
    ("account: below zero", "SELECT name FROM account WHERE kind <> 'system' AND available < 0"),
    ("lease: more consumed than granted", "SELECT id FROM lease WHERE consumed > granted"),
];

pub(super) fn audit(t: &Transaction<'_>) -> Done<Audit> {
    let count = |table: &str| -> Done<u64> {
        Ok(t.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
    };
    let mut audit =
        Audit { accounts: count("account")?, entries: count("entry")?, findings: Vec::new() };
    for (rule, sql) in RULES {
        let mut query = t.prepare_cached(sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let which: rusqlite::types::Value = row.get(0)?;
            audit.findings.push(format!("{rule}: {which:?}"));
        }
    }
    Ok(audit)
}

//! Users, and what keys may do, in SQLite: each function is the inside of one transaction.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    AccountKind, BookError, Entry, KeyRow, NewKey, records,
    registry::{Added, KeyProfile, KeyRules, KeySecret, NewUser, UserRow},
    sqlite::Done,
};
use crate::{
    clock::WallMillis,
    id::{AccountId, KeyId, RequestId},
};

const UNREADABLE: BookError = BookError::Unreadable { what: "rule of a key" };

pub(super) fn sign_up(
    t: &Transaction<'_>,
    user: &NewUser,
    key: &KeySecret,
    now: WallMillis,
) -> Done<Added<UserRow>> {
    if let Some(known) = find(t, &user.external_id)? {
        let again = known.idempotency_key == user.idempotency_key;
        let again = again && !user.idempotency_key.is_empty();
        return Ok(if again { Added::Before(known) } else { Added::Other(known) });
    }
    let name = format!("org/{}", user.tenant);
    let account = records::open_account(t, &name, AccountKind::Organization, user.currency)?;
    let row = give_key(t, account, key, &user.external_id)?;
    t.execute(
        "INSERT INTO user (external_id, email, tenant, tier, metadata, idempotency_key, account,
            key, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            user.external_id,
            user.email,
            user.tenant,
            user.tier,
            user.metadata,
            user.idempotency_key,
            account.0,
            row.id.0,
            now.0,
        ],
    )?;
    let made = find(t, &user.external_id)?.ok_or(BookError::NotFound { what: "user" })?;
    Ok(Added::Now(made))
}

const COLUMNS: &str = "user.id, external_id, user.account, user.key, key.sealed, idempotency_key,
    disabled, created_at FROM user JOIN key ON key.id = user.key";

pub(super) fn find(t: &Transaction<'_>, external_id: &str) -> Done<Option<UserRow>> {
    let mut query = t.prepare_cached(&format!("SELECT {COLUMNS} WHERE external_id = ?1"))?;
    Ok(query.query_row([external_id], user).optional()?)
}

fn by_id(t: &Transaction<'_>, id: u64) -> Done<UserRow> {
    let mut query = t.prepare_cached(&format!("SELECT {COLUMNS} WHERE user.id = ?1"))?;
    query.query_row([id], user).optional()?.ok_or(BookError::NotFound { what: "user" })
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        external_id: row.get(1)?,
        account: AccountId(row.get(2)?),
        key: KeyId(row.get(3)?),
        sealed: row.get(4)?,
        idempotency_key: row.get(5)?,
        disabled: row.get(6)?,
        created_at: WallMillis(row.get(7)?),
    })
}

fn give_key(t: &Transaction<'_>, account: AccountId, key: &KeySecret, name: &str) -> Done<KeyRow> {
    let KeySecret { digest, sealed, rules } = key.clone();
    let new = NewKey { digest, account, limits: Vec::new(), expires_at: None, sealed };
    add_named_key(t, &new, name, &rules)
}

pub(super) fn add_named_key(
    t: &Transaction<'_>,
    key: &NewKey,
    name: &str,
    rules: &KeyRules,
) -> Done<KeyRow> {
    let row = records::add_key(t, key)?;
    let rules = serde_json::to_string(rules).map_err(|_| UNREADABLE)?;
    let sql = "INSERT INTO key_profile (key, name, rules) VALUES (?1, ?2, ?3)";
    t.execute(sql, params![row.id.0, name, rules])?;
    Ok(row)
}

pub(super) fn rotate_key(t: &Transaction<'_>, id: u64, key: &KeySecret) -> Done<UserRow> {
    let before = by_id(t, id)?;
    if before.disabled {
        return Err(BookError::Invalid("the user is disabled"));
    }
    records::revoke_key(t, before.key)?;
    let row = give_key(t, before.account, key, &before.external_id)?;
    t.execute("UPDATE user SET key = ?2 WHERE id = ?1", params![id, row.id.0])?;
    by_id(t, id)
}

pub(super) fn disable(t: &Transaction<'_>, id: u64) -> Done<()> {
    let user = by_id(t, id)?;
    if !user.disabled {
        records::revoke_key(t, user.key)?;
        t.execute("UPDATE user SET disabled = 1 WHERE id = ?1", [id])?;
    }
    Ok(())
}

pub(super) fn profiles_after(
    t: &Transaction<'_>,
    version: u64,
    most: u32,
) -> Done<Vec<KeyProfile>> {
    let mut query = t.prepare_cached("SELECT name, rules FROM key_profile WHERE key = ?1")?;
    let mut profiles = Vec::new();
    for row in records::keys_after(t, version, most)? {
        let said = query.query_row([row.id.0], |row| Ok((row.get(0)?, row.get(1)?)));
        let (name, rules): (String, String) = said.optional()?.unwrap_or_default();
        let rules = match rules.as_str() {
            "" => KeyRules::default(),
            text => serde_json::from_str(text).map_err(|_| UNREADABLE)?,
        };
        profiles.push(KeyProfile { row, name, rules });
    }
    Ok(profiles)
}

pub(super) fn entry_of(
    t: &Transaction<'_>,
    request: RequestId,
) -> Done<Option<(AccountId, Entry)>> {
    let sql = "SELECT account, number FROM entry WHERE request_id = ?1";
    let found = t.query_row(sql, params![request.to_bytes()], |row| {
        Ok((AccountId(row.get(0)?), row.get::<_, u64>(1)?))
    });
    let Some((account, number)) = found.optional()? else { return Ok(None) };
    let entry = records::entries(t, account, number.saturating_sub(1), 1)?.pop();
    Ok(entry.map(|entry| (account, entry)))
}

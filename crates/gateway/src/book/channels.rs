//! Channels and notes in SQLite: each function is the inside of one transaction.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    BookError,
    registry::{Added, NewChannel, Note},
    sqlite::Done,
};
use crate::{
    channel::{Attestation, Attested, ChannelRow},
    clock::WallMillis,
    id::ChannelId,
};

const UNREADABLE: BookError = BookError::Unreadable { what: "channel" };

pub(super) fn add(t: &Transaction<'_>, channel: &NewChannel) -> Done<Added<ChannelId>> {
    let name = &channel.definition.name;
    let sql = "SELECT id, digest FROM channel WHERE name = ?1";
    let known = t.query_row(sql, [name], |row| Ok((ChannelId(row.get(0)?), row.get(1)?)));
    if let Some((id, digest)) = known.optional()? {
        let digest: [u8; 32] = digest;
        let same = digest == channel.digest;
        return Ok(if same { Added::Before(id) } else { Added::Other(id) });
    }
    let definition = serde_json::to_string(&channel.definition).map_err(|_| UNREADABLE)?;
    let attested = channel.attestation.as_ref();
    let (by, reference) = attested.map_or(("", ""), |attested| attested.by.parts());
    t.execute(
        "INSERT INTO channel (name, definition, sealed, digest, enabled, reason, attestation,
            attested_by, reference, attested_until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            name,
            definition,
            channel.sealed,
            channel.digest,
            channel.enabled,
            channel.reason,
            attested.map(|attested| attested.by.kind()),
            by,
            reference,
            attested.and_then(|attested| attested.expires_at).map(|at| at.0),
        ],
    )?;
    Ok(Added::Now(ChannelId(t.last_insert_rowid().unsigned_abs())))
}

pub(super) fn all(t: &Transaction<'_>) -> Done<Vec<ChannelRow>> {
    let mut query = t.prepare_cached(
        "SELECT id, definition, sealed, enabled, reason, attestation, attested_by, reference,
            attested_until FROM channel ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    let mut channels = Vec::new();
    while let Some(row) = rows.next()? {
        channels.push(channel(row)?);
    }
    Ok(channels)
}

fn channel(row: &Row<'_>) -> Done<ChannelRow> {
    let definition: String = row.get(1)?;
    let kind: Option<String> = row.get(5)?;
    let until: Option<i64> = row.get(8)?;
    let attestation = match kind {
        None => None,
        Some(kind) => {
            let by = Attestation::of(&kind, row.get(6)?, row.get(7)?).ok_or(UNREADABLE)?;
            Some(Attested { by, expires_at: until.map(WallMillis) })
        }
    };
    Ok(ChannelRow {
        id: ChannelId(row.get(0)?),
        definition: serde_json::from_str(&definition).map_err(|_| UNREADABLE)?,
        sealed: row.get(2)?,
        attestation,
        enabled: row.get(3)?,
        reason: row.get(4)?,
    })
}

pub(super) fn enable(
    t: &Transaction<'_>,
    channel: ChannelId,
    enabled: bool,
    reason: &str,
) -> Done<()> {
    let sql = "UPDATE channel SET enabled = ?2, reason = ?3 WHERE id = ?1";
    one(t.execute(sql, params![channel.0, enabled, reason])?)
}

pub(super) fn remove(t: &Transaction<'_>, channel: ChannelId) -> Done<()> {
    one(t.execute("DELETE FROM channel WHERE id = ?1", [channel.0])?)
}

fn one(changed: usize) -> Done<()> {
    if changed == 1 { Ok(()) } else { Err(BookError::NotFound { what: "channel" }) }
}

pub(super) fn note(t: &Transaction<'_>, note: &Note) -> Done<()> {
    t.execute(
        "INSERT INTO note (at, actor, place, action, target) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![note.at.0, note.actor, note.from, note.action, note.target],
    )?;
    Ok(())
}

pub(super) fn notes(t: &Transaction<'_>, after: u64, most: u32) -> Done<Vec<Note>> {
    let mut query = t.prepare_cached(
        "SELECT number, at, actor, place, action, target FROM note WHERE number > ?1
         ORDER BY number LIMIT ?2",
    )?;
    let rows = query.query_map(params![after, most], |row| {
        Ok(Note {
            number: row.get(0)?,
            at: WallMillis(row.get(1)?),
            actor: row.get(2)?,
            from: row.get(3)?,
            action: row.get(4)?,
            target: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

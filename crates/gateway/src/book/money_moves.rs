//! What moves money in the book: each function is the inside of one transaction.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    BookError, Claim, Credited, Fence, Granted, LogEnd, Shipment, Wish, WriteOff,
    schema::{CREDITS, LIMITS, LIMITS_USED, REVENUE},
    sqlite::Done,
};
use crate::{
    clock::WallMillis,
    id::{AccountId, Epoch, LeaseId, ReplicaId, Seq},
    money::Nano,
    record::{Closed, Record, Settled},
};

/// What the book knows of a replica.
struct Replica {
    epoch: Epoch,
    /// The last epoch whose first segment is known to be durable.
    begun: Epoch,
    /// The epoch of the last write-off: folders from before it are refused.
    fenced: Epoch,
    applied: Seq,
}

fn replica(t: &Transaction<'_>, replica: &ReplicaId) -> Done<Option<Replica>> {
    let mut query =
        t.prepare_cached("SELECT epoch, begun, fenced, seq FROM applied WHERE replica = ?1")?;
    let row = query.query_row([replica.as_str()], |row| {
        Ok(Replica {
            epoch: Epoch(row.get(0)?),
            begun: Epoch(row.get(1)?),
            fenced: Epoch(row.get(2)?),
            applied: Seq(row.get(3)?),
        })
    });
    Ok(row.optional()?)
}

/// The replica's row, when `fence` is of its epoch.
fn fenced(t: &Transaction<'_>, fence: &Fence) -> Done<Replica> {
    replica(t, &fence.replica)?
        .filter(|known| known.epoch == fence.epoch)
        .ok_or_else(|| BookError::Fenced { replica: fence.replica.clone() })
}

pub(super) fn claim(
    t: &Transaction<'_>,
    name: &ReplicaId,
    log: LogEnd,
    now: WallMillis,
) -> Done<Claim> {
    let known = replica(t, name)?;
    let none = Replica { epoch: Epoch(0), begun: Epoch(0), fenced: Epoch(0), applied: Seq(0) };
    let Replica { epoch, begun, fenced, applied } = known.unwrap_or(none);
    let fits = match log.epoch {
        Epoch(0) => begun == Epoch(0),
        found => found >= begun.max(fenced) && found <= epoch,
    };
    if !fits {
        let replica = name.clone();
        return Err(BookError::OtherFolder { replica, begun, found: log.epoch });
    }
    if log.last < applied {
        return Err(BookError::OldFolder { replica: name.clone(), applied, last: log.last });
    }
    let next = epoch.next();
    t.execute(
        "INSERT INTO applied (replica, epoch, begun, seq, seen_at) VALUES (?1, ?2, 0, 0, ?3)
         ON CONFLICT (replica) DO UPDATE SET epoch = excluded.epoch, seen_at = excluded.seen_at",
        params![name.as_str(), next.0, now.0],
    )?;
    Ok(Claim { epoch: next, applied })
}

pub(super) fn begin(t: &Transaction<'_>, fence: &Fence) -> Done<()> {
    fenced(t, fence)?;
    let sql = "UPDATE applied SET begun = epoch WHERE replica = ?1";
    t.execute(sql, [fence.replica.as_str()])?;
    Ok(())
}

pub(super) fn contact(t: &Transaction<'_>, fence: &Fence, now: WallMillis) -> Done<()> {
    fenced(t, fence)?;
    let mut update = t.prepare_cached("UPDATE applied SET seen_at = ?2 WHERE replica = ?1")?;
    update.execute(params![fence.replica.as_str(), now.0])?;
    Ok(())
}

pub(super) fn applied(t: &Transaction<'_>, fence: &Fence) -> Done<Seq> {
    fenced(t, fence).map(|known| known.applied)
}

pub(super) fn grant(t: &Transaction<'_>, fence: &Fence, wish: &Wish) -> Done<Option<Granted>> {
    fenced(t, fence)?;
    let mut query =
        t.prepare_cached("SELECT available FROM account WHERE id = ?1 AND kind <> 'system'")?;
    let available: Option<i64> = query.query_row([wish.account.0], |row| row.get(0)).optional()?;
    let available = available.ok_or(BookError::NotFound { what: "account" })?;
    let Some(amount) = wish.size(Nano::new(available)) else { return Ok(None) };
    let mut take = t.prepare_cached(
        "UPDATE account SET available = available - ?2 WHERE id = ?1 AND available >= ?2",
    )?;
    if take.execute(params![wish.account.0, amount.get()])? != 1 {
        return Ok(None);
    }
    let mut lease = t.prepare_cached(
        "INSERT INTO lease (account, replica, epoch, granted) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (replica, epoch, account) DO UPDATE SET granted = granted + excluded.granted
         RETURNING id",
    )?;
    let values = params![wish.account.0, fence.replica.as_str(), fence.epoch.0, amount.get()];
    let lease = lease.query_row(values, |row| row.get(0))?;
    Ok(Some(Granted { lease: LeaseId(lease), amount }))
}

pub(super) fn ship(t: &Transaction<'_>, fence: &Fence, shipment: &Shipment) -> Done<()> {
    let known = fenced(t, fence)?;
    if known.applied != shipment.after || shipment.through < shipment.after {
        return Err(BookError::NotNext { applied: known.applied, after: shipment.after });
    }
    let mut paid = Paid::default();
    for (seq, record) in &shipment.records {
        match record {
            Record::Settle(settled) => settle(t, fence, *seq, settled, &mut paid)?,
            Record::Close(closed) => close(t, closed)?,
            _ => {}
        }
    }
    paid.post(t)?;
    let mut update = t.prepare_cached("UPDATE applied SET seq = ?2 WHERE replica = ?1")?;
    update.execute(params![fence.replica.as_str(), shipment.through.0])?;
    Ok(())
}

/// What a shipment adds to the accounts where payments go: one update each.
#[derive(Default)]
struct Paid {
    revenue: Nano,
    limits_used: Nano,
}

impl Paid {
    fn add(&mut self, kind: &str, amount: Nano) -> Done<()> {
        let sum = if kind == "limit" { &mut self.limits_used } else { &mut self.revenue };
        *sum = sum.plus(amount).map_err(|e| BookError::Broken(Box::new(e)))?;
        Ok(())
    }

    fn post(&self, t: &Transaction<'_>) -> Done<()> {
        for (account, amount) in [(REVENUE, self.revenue), (LIMITS_USED, self.limits_used)] {
            if amount != Nano::ZERO {
                add(t, account, amount)?;
            }
        }
        Ok(())
    }
}

fn add(t: &Transaction<'_>, account: u64, amount: Nano) -> Done<()> {
    let mut update =
        t.prepare_cached("UPDATE account SET available = available + ?2 WHERE id = ?1")?;
    match update.execute(params![account, amount.get()])? {
        1 => Ok(()),
        _ => Err(BookError::NotFound { what: "account" }),
    }
}

fn settle(
    t: &Transaction<'_>,
    fence: &Fence,
    seq: Seq,
    settled: &Settled,
    paid: &mut Paid,
) -> Done<()> {
    let mut consume = t.prepare_cached(
        "UPDATE lease SET consumed = consumed + ?3
         WHERE id = ?1 AND replica = ?2 AND state = 'open' RETURNING account,
            (SELECT kind FROM account WHERE account.id = lease.account)",
    )?;
    let mut organization = None;
    for lease in settled.leases.iter() {
        let values = params![lease.0, fence.replica.as_str(), settled.amount.get()];
        let row = consume.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (account, kind): (u64, String) = row.ok_or(BookError::NotFound { what: "lease" })?;
        paid.add(&kind, settled.amount)?;
        organization = organization.or(Some((account, lease)));
    }
    let (account, lease) = organization.ok_or(BookError::NotFound { what: "lease" })?;
    let mut number = t.prepare_cached(
        "UPDATE account SET last_entry = last_entry + 1 WHERE id = ?1 RETURNING last_entry",
    )?;
    let number: u64 = number.query_row([account], |row| row.get(0))?;
    let mut insert = t.prepare_cached(
        "INSERT INTO entry (request_id, kind, account, number, lease, key, amount, loss, input,
            cached_input, cache_write, output, reasoning, source, price_version, price_line,
            channel, at, replica, seq)
         VALUES (?1, 'usage', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
            ?17, ?18, ?19)",
    )?;
    let u = &settled.usage;
    insert.execute(params![
        settled.request.to_bytes(),
        account,
        number,
        lease.0,
        settled.key.0,
        settled.amount.get(),
        settled.loss.get(),
        u.input,
        u.cached_input,
        u.cache_write,
        u.output,
        u.reasoning,
        settled.source.as_str(),
        settled.price.version.0,
        settled.price.line,
        settled.channel.0,
        settled.at.0,
        fence.replica.as_str(),
        seq.0,
    ])?;
    Ok(())
}

fn close(t: &Transaction<'_>, closed: &Closed) -> Done<()> {
    let mut query =
        t.prepare_cached("SELECT account, granted - consumed FROM lease WHERE id = ?1")?;
    let row = query.query_row([closed.lease.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (account, held): (u64, i64) = row.ok_or(BookError::NotFound { what: "lease" })?;
    // A lease that is closed holds nothing, so closing it again returns nothing.
    let back = if closed.last { Nano::new(held) } else { closed.amount };
    let state = if closed.last { "closed" } else { "open" };
    give_back(t, closed.lease.0, account, back, state)
}

fn give_back(t: &Transaction<'_>, lease: u64, account: u64, back: Nano, state: &str) -> Done<()> {
    let mut update =
        t.prepare_cached("UPDATE lease SET granted = granted - ?2, state = ?3 WHERE id = ?1")?;
    update.execute(params![lease, back.get(), state])?;
    if back == Nano::ZERO { Ok(()) } else { add(t, account, back) }
}

pub(super) fn close_older(t: &Transaction<'_>, fence: &Fence) -> Done<Nano> {
    fenced(t, fence)?;
    let older = open_leases(t, &fence.replica, fence.epoch)?;
    let mut returned = Nano::ZERO;
    for (lease, account, held) in older {
        give_back(t, lease, account, held, "closed")?;
        returned = returned.plus(held).map_err(|e| BookError::Broken(Box::new(e)))?;
    }
    Ok(returned)
}

/// The open leases of a replica from before `epoch`: lease, account and what it holds.
fn open_leases(
    t: &Transaction<'_>,
    replica: &ReplicaId,
    epoch: Epoch,
) -> Done<Vec<(u64, u64, Nano)>> {
    let mut query = t.prepare_cached(
        "SELECT id, account, granted - consumed FROM lease
         WHERE replica = ?1 AND epoch < ?2 AND state = 'open' ORDER BY id",
    )?;
    let rows = query.query_map(params![replica.as_str(), epoch.0], |row| {
        Ok((row.get(0)?, row.get(1)?, Nano::new(row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn write_off(t: &Transaction<'_>, name: &ReplicaId, now: WallMillis) -> Done<WriteOff> {
    let known = replica(t, name)?.ok_or(BookError::NotFound { what: "replica" })?;
    let epoch = known.epoch.next();
    let sql = "UPDATE applied SET epoch = ?2, begun = 0, fenced = ?2, seq = 0 WHERE replica = ?1";
    t.execute(sql, params![name.as_str(), epoch.0])?;
    let mut done = WriteOff { epoch, leases: 0, returned: Nano::ZERO };
    for (lease, account, held) in open_leases(t, name, epoch)? {
        give_back(t, lease, account, held, "written-off")?;
        t.execute(
            "INSERT INTO write_off (replica, epoch, lease, amount, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name.as_str(), epoch.0, lease, held.get(), now.0],
        )?;
        done.leases += 1;
        done.returned = done.returned.plus(held).map_err(|e| BookError::Broken(Box::new(e)))?;
    }
    Ok(done)
}

pub(super) fn credit(
    t: &Transaction<'_>,
    account: AccountId,
    amount: Nano,
    reference: &str,
    now: WallMillis,
) -> Done<Credited> {
    if amount <= Nano::ZERO {
        return Err(BookError::Invalid("a credit is above zero"));
    }
    let sql = "SELECT credit, amount FROM transfer WHERE reference = ?1";
    let before = t.query_row(sql, [reference], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((to, sum)) = before {
        let same = (to, sum) == (account.0, amount.get());
        return same.then_some(Credited::Before).ok_or(BookError::ReferenceUsed);
    }
    let sql = "SELECT kind FROM account WHERE id = ?1";
    let kind: Option<String> = t.query_row(sql, [account.0], |row| row.get(0)).optional()?;
    let from = match kind.as_deref() {
        Some("organization") => CREDITS,
        Some("limit") => LIMITS,
        _ => return Err(BookError::NotFound { what: "account" }),
    };
    t.execute(
        "INSERT INTO transfer (reference, debit, credit, amount, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![reference, from, account.0, amount.get(), now.0],
    )?;
    let debit = Nano::ZERO.minus(amount).map_err(|e| BookError::Broken(Box::new(e)))?;
    add(t, from, debit)?;
    add(t, account.0, amount)?;
    Ok(Credited::Added)
}

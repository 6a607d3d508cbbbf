//! What the records so far mean: which leases are held and which requests are open.
//!
//! One function, [`Fold::apply`], serves the writer and the start after a crash alike. It refuses
//! what cannot be: a settlement without a reserve, or more spent than was leased.

use std::collections::{BTreeMap, HashMap};

use crate::{
    frame::Frame,
    id::{AccountId, ChannelId, LeaseId, RequestId, Seq},
    money::{Nano, OutOfRange},
    record::{Attempt, Closed, Leased, Leases, Progress, Record, Reserved, Settled},
};

/// A lease as the log knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseState {
    pub(crate) account: AccountId,
    /// Granted, and neither paid nor given back.
    pub(crate) held: Nano,
    /// The part of it that open requests have set aside.
    pub(crate) reserved: Nano,
}

/// A request that is reserved and neither settled nor void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) seq: Seq,
    pub(crate) reserved: Reserved,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) progress: Option<Progress>,
}

/// The state that the log's records amount to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    open: HashMap<RequestId, Open>,
    leases: BTreeMap<LeaseId, LeaseState>,
}

/// A record that cannot follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// A request is reserved twice.
    #[error("request {0} is reserved twice")]
    ReservedTwice(RequestId),
    /// A request that is not open is sent, settled or void.
    #[error("request {0} is not open")]
    NotOpen(RequestId),
    /// A lease nobody granted is used.
    #[error("lease {0} is not held")]
    NotHeld(LeaseId),
    /// More is set aside, paid or given back than a lease holds.
    #[error("lease {0} is overdrawn")]
    Overdrawn(LeaseId),
    /// A settlement names other leases than the reserve it is for.
    #[error("request {0} is settled from other leases than it was reserved from")]
    OtherLeases(RequestId),
    /// A sum does not fit, or an amount is below zero.
    #[error("an amount is out of range")]
    OutOfRange,
}

impl From<OutOfRange> for Illegal {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

impl Fold {
    /// Takes a record in.
    pub(crate) fn apply(&mut self, frame: &Frame) -> Result<(), Illegal> {
        match &frame.record {
            Record::Lease(leased) => self.lease(leased),
            Record::Reserve(reserved) => self.reserve(frame.seq, reserved),
            Record::Attempt(attempt) => self.attempt(attempt),
            Record::Progress(progress) => self.progress(progress),
            Record::Settle(settled) => self.settle(settled),
            Record::Void(request) => self.void(*request),
            Record::Close(closed) => self.close(closed),
            Record::Nothing => Ok(()),
        }
    }

    /// The requests that are open, the oldest first.
    pub(crate) fn open(&self) -> Vec<Open> {
        let mut open: Vec<_> = self.open.values().copied().collect();
        open.sort_by_key(|open| open.seq);
        open
    }

    /// The leases that are held.
    pub(crate) fn leases(&self) -> impl Iterator<Item = (LeaseId, LeaseState)> + '_ {
        self.leases.iter().map(|(lease, state)| (*lease, *state))
    }

    /// The records that lead an empty fold to this state: the head of the next segment.
    pub(crate) fn carry(&self) -> Vec<Record> {
        let lease = |(lease, state): (LeaseId, LeaseState)| {
            Record::Lease(Leased { lease, account: state.account, amount: state.held })
        };
        let mut records: Vec<_> = self.leases().map(lease).collect();
        for open in self.open() {
            let request = open.reserved.request;
            records.push(Record::Reserve(open.reserved));
            let attempt = open.channel.map(|channel| Record::Attempt(Attempt { request, channel }));
            records.extend(attempt);
            records.extend(open.progress.map(Record::Progress));
        }
        records
    }

    fn lease(&mut self, leased: &Leased) -> Result<(), Illegal> {
        if leased.amount.is_negative() {
            return Err(Illegal::OutOfRange);
        }
        let new = LeaseState { account: leased.account, held: Nano::ZERO, reserved: Nano::ZERO };
        let state = self.leases.entry(leased.lease).or_insert(new);
        state.held = state.held.plus(leased.amount)?;
        Ok(())
    }

    fn reserve(&mut self, seq: Seq, reserved: &Reserved) -> Result<(), Illegal> {
        if self.open.contains_key(&reserved.request) {
            return Err(Illegal::ReservedTwice(reserved.request));
        }
        self.change(&reserved.leases, |state| {
            state.reserved = state.reserved.plus(reserved.amount)?;
            Ok(())
        })?;
        let open = Open { seq, reserved: *reserved, channel: None, progress: None };
        self.open.insert(reserved.request, open);
        Ok(())
    }

    fn attempt(&mut self, attempt: &Attempt) -> Result<(), Illegal> {
        let request = attempt.request;
        let open = self.open.get_mut(&request).ok_or(Illegal::NotOpen(request))?;
        open.channel = Some(attempt.channel);
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) -> Result<(), Illegal> {
        let request = progress.request;
        let open = self.open.get_mut(&request).ok_or(Illegal::NotOpen(request))?;
        open.progress = Some(*progress);
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Illegal> {
        let request = settled.request;
        let reserved = self.open.get(&request).ok_or(Illegal::NotOpen(request))?.reserved;
        if reserved.leases != settled.leases {
            return Err(Illegal::OtherLeases(request));
        }
        if settled.amount.is_negative() || settled.loss.is_negative() {
            return Err(Illegal::OutOfRange);
        }
        self.change(&settled.leases, |state| {
            state.reserved = state.reserved.minus(reserved.amount)?;
            state.held = state.held.minus(settled.amount)?;
            Ok(())
        })?;
        self.open.remove(&request);
        Ok(())
    }

    fn void(&mut self, request: RequestId) -> Result<(), Illegal> {
        let reserved = self.open.get(&request).ok_or(Illegal::NotOpen(request))?.reserved;
        self.change(&reserved.leases, |state| {
            state.reserved = state.reserved.minus(reserved.amount)?;
            Ok(())
        })?;
        self.open.remove(&request);
        Ok(())
    }

    fn close(&mut self, closed: &Closed) -> Result<(), Illegal> {
        if closed.amount.is_negative() {
            return Err(Illegal::OutOfRange);
        }
        let of = Leases::new(&[closed.lease]).ok_or(Illegal::NotHeld(closed.lease))?;
        self.change(&of, |state| {
            state.held = state.held.minus(closed.amount)?;
            Ok(())
        })?;
        if closed.last {
            self.leases.remove(&closed.lease);
        }
        Ok(())
    }

    /// Changes each of `leases`; what is set aside must stay covered by what is held.
    fn change(
        &mut self,
        leases: &Leases,
        change: impl Fn(&mut LeaseState) -> Result<(), Illegal>,
    ) -> Result<(), Illegal> {
        for lease in leases.iter() {
            let state = self.leases.get_mut(&lease).ok_or(Illegal::NotHeld(lease))?;
            change(state)?;
            if state.reserved.is_negative() || state.reserved > state.held {
                return Err(Illegal::Overdrawn(lease));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        clock::WallMillis,
        id::KeyId,
        price::PriceRef,
        usage::{Usage, UsageSource},
    };

    pub(crate) fn leased(lease: u64, amount: i64) -> Record {
        let (lease, account) = (LeaseId(lease), AccountId(100 + lease));
        Record::Lease(Leased { lease, account, amount: Nano::new(amount) })
    }

    pub(crate) fn reserved(request: u128, lease: u64, amount: i64) -> Record {
        Record::Reserve(Reserved {
            request: RequestId(request),
            key: KeyId(1),
            leases: Leases::new(&[LeaseId(lease)]).unwrap(),
            amount: Nano::new(amount),
            input_cost: Nano::new(amount / 10),
            input_tokens: 10,
            price: PriceRef::default(),
            at: WallMillis(0),
        })
    }

    pub(crate) fn settled(request: u128, lease: u64, amount: i64) -> Record {
        Record::Settle(Settled {
            request: RequestId(request),
            key: KeyId(1),
            leases: Leases::new(&[LeaseId(lease)]).unwrap(),
            amount: Nano::new(amount),
            loss: Nano::ZERO,
            usage: Usage::default(),
            source: UsageSource::Reported,
            price: PriceRef::default(),
            channel: ChannelId(1),
            at: WallMillis(0),
        })
    }

    fn folded(records: &[Record]) -> Result<Fold, Illegal> {
        let mut fold = Fold::default();
        for (record, seq) in records.iter().zip(1..) {
            fold.apply(&Frame { seq: Seq(seq), place: 0, carried: false, record: *record })?;
        }
        Ok(fold)
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let lease = leased(1, 100);
        let closed = |amount, last| {
            Record::Close(Closed { lease: LeaseId(1), amount: Nano::new(amount), last })
        };
        let table = [
            (vec![reserved(1, 1, 1)], Illegal::NotHeld(LeaseId(1))),
            (vec![lease, reserved(1, 1, 101)], Illegal::Overdrawn(LeaseId(1))),
            (vec![lease, settled(1, 1, 1)], Illegal::NotOpen(RequestId(1))),
            (vec![lease, Record::Void(RequestId(1))], Illegal::NotOpen(RequestId(1))),
            (
                vec![lease, reserved(1, 1, 1), reserved(1, 1, 1)],
                Illegal::ReservedTwice(RequestId(1)),
            ),
            (
                vec![lease, reserved(1, 1, 60), reserved(2, 1, 40), settled(1, 1, 61)],
                Illegal::Overdrawn(LeaseId(1)),
            ),
            (
                vec![lease, leased(2, 9), reserved(1, 1, 5), settled(1, 2, 5)],
                Illegal::OtherLeases(RequestId(1)),
            ),
            (vec![lease, reserved(1, 1, 60), closed(41, false)], Illegal::Overdrawn(LeaseId(1))),
            (vec![lease, reserved(1, 1, 5), settled(1, 1, -1)], Illegal::OutOfRange),
        ];
        for (records, expected) in table {
            assert_eq!(folded(&records).map(|_| ()), Err(expected), "{records:?}");
        }
    }

    #[test]
    fn what_is_carried_leads_to_the_same_state() {
        let progress = Progress { request: RequestId(2), output_tokens: 3, cost: Nano::new(12) };
        let attempt = Attempt { request: RequestId(2), channel: ChannelId(5) };
        let fold = folded(&[
            leased(1, 1_000),
            leased(2, 50),
            reserved(1, 1, 100),
            reserved(2, 1, 200),
            Record::Attempt(attempt),
            Record::Progress(progress),
            settled(1, 1, 70),
        ])
        .unwrap();
        let again = folded(&fold.carry()).unwrap();
        assert_eq!(again.leases, fold.leases);
        let without_seq = |fold: &Fold| -> Vec<_> {
            fold.open().into_iter().map(|o| (o.reserved, o.channel, o.progress)).collect()
        };
        assert_eq!(without_seq(&again), without_seq(&fold));
    }
}

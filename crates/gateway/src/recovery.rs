//! What becomes of requests that were open when the process ended, and of its leases.

use std::collections::BTreeMap;

use crate::{
    clock::WallMillis,
    fold::{Fold, Open},
    id::{ChannelId, LeaseId},
    money::Nano,
    record::{Closed, Record, Settled},
    usage::{Usage, UsageSource},
};

/// How open requests are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// Input and last progress are charged, the rest goes back: a request whose reserve is durable
    /// counts as sent.
    #[default]
    InputAndProgress,
    /// A mutant that the tests must find: nothing is charged.
    #[cfg(test)]
    ReleaseAll,
    /// A mutant that the tests must find: the whole reserve is charged.
    #[cfg(test)]
    ChargeAll,
}

impl Policy {
    fn charge(self, open: &Open) -> Nano {
        let progress = open.progress.map_or(Nano::ZERO, |progress| progress.cost);
        match self {
            Self::InputAndProgress => {
                open.reserved.input_cost.max(progress).min(open.reserved.amount)
            }
            #[cfg(test)]
            Self::ReleaseAll => Nano::ZERO,
            #[cfg(test)]
            Self::ChargeAll => open.reserved.amount,
        }
    }
}

/// The records that end all that `fold` holds: a settlement for each open request, then the
/// closing of each lease.
pub(crate) fn ending(fold: &Fold, policy: Policy, now: WallMillis) -> Vec<Record> {
    let mut records = Vec::new();
    let mut paid: BTreeMap<LeaseId, Nano> = BTreeMap::new();
    for open in fold.open() {
        let reserved = &open.reserved;
        let amount = policy.charge(&open);
        let output = open.progress.map_or(0, |progress| progress.output_tokens);
        for lease in reserved.leases.iter() {
            let sum = paid.entry(lease).or_default();
            *sum = sum.plus(amount).unwrap_or(Nano::MAX);
        }
        records.push(Record::Settle(Settled {
            request: reserved.request,
            key: reserved.key,
            leases: reserved.leases,
            amount,
            loss: Nano::ZERO,
            usage: Usage { input: reserved.input_tokens, output, ..Usage::default() },
            source: UsageSource::Unresolved,
            price: reserved.price,
            channel: open.channel.unwrap_or(ChannelId(0)),
            at: now,
        }));
    }
    for (lease, state) in fold.leases() {
        // The book returns what is left by its own figures; the amount here is for the reader.
        let paid = paid.get(&lease).copied().unwrap_or(Nano::ZERO);
        let amount = state.held.less(paid).unwrap_or(Nano::ZERO);
        records.push(Record::Close(Closed { lease, amount, last: true }));
    }
    records
}

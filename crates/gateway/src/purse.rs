//! What is left of a lease, in memory: taken by compare-and-swap, so it is never below zero, not
//! even for a moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    id::{AccountId, LeaseId},
    money::Nano,
    record::{Leases, MAX_LEASES},
};

/// The time for which a lease should last.
const WINDOW: Duration = Duration::from_mins(15);

/// One account's lease.
#[derive(Debug)]
pub(crate) struct Purse {
    pub(crate) account: AccountId,
    lease: AtomicU64,
    left: AtomicI64,
    largest: AtomicI64,
    spent: AtomicI64,
    spent_before: AtomicI64,
    window_began_ms: AtomicU64,
    /// Whether the account has so little that what is not used goes back at once.
    pub(crate) scarce: AtomicBool,
}

impl Purse {
    pub(crate) fn new(account: AccountId) -> Self {
        Self {
            account,
            lease: AtomicU64::new(0),
            left: AtomicI64::new(0),
            largest: AtomicI64::new(0),
            spent: AtomicI64::new(0),
            spent_before: AtomicI64::new(0),
            window_began_ms: AtomicU64::new(0),
            scarce: AtomicBool::new(false),
        }
    }

    /// The lease; 0 before the first grant.
    pub(crate) fn lease(&self) -> LeaseId {
        LeaseId(self.lease.load(Ordering::Acquire))
    }

    pub(crate) fn left(&self) -> Nano {
        Nano::new(self.left.load(Ordering::Acquire))
    }

    pub(crate) fn largest(&self) -> Nano {
        Nano::new(self.largest.load(Ordering::Relaxed))
    }

    /// Notes the lease a grant was added to; before anything of it is given.
    pub(crate) fn set_lease(&self, lease: LeaseId) {
        self.lease.store(lease.0, Ordering::Release);
    }

    /// Takes `amount` if so much is left of a lease.
    pub(crate) fn take(&self, amount: Nano) -> bool {
        self.largest.fetch_max(amount.get(), Ordering::Relaxed);
        if self.lease().0 == 0 {
            return false;
        }
        let less = |left: i64| Nano::new(left).less(amount).map(Nano::get);
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    /// Takes as much of `amount` as is left.
    pub(crate) fn take_up_to(&self, amount: Nano) -> Nano {
        let less = |left: i64| Some(left - left.min(amount.get()).max(0));
        let before = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        Nano::new(before.unwrap_or(0).min(amount.get()).max(0))
    }

    /// Takes all.
    pub(crate) fn take_all(&self) -> Nano {
        Nano::new(self.left.swap(0, Ordering::AcqRel))
    }

    /// Puts `amount` (never below zero) back.
    pub(crate) fn give(&self, amount: Nano) {
        self.left.fetch_add(amount.get(), Ordering::AcqRel);
    }

    /// Notes that `amount` was paid at `now` (monotonic).
    pub(crate) fn spend(&self, amount: Nano, now: Duration) {
        self.turn(now);
        self.spent.fetch_add(amount.get(), Ordering::Relaxed);
    }

    /// What was paid in about the last 15 minutes.
    pub(crate) fn recent_spend(&self, now: Duration) -> Nano {
        self.turn(now);
        let (spent, before) =
            (self.spent.load(Ordering::Relaxed), self.spent_before.load(Ordering::Relaxed));
        Nano::new(spent.max(before))
    }

    fn turn(&self, now: Duration) {
        let now_ms = now.as_millis() as u64;
        let began = self.window_began_ms.load(Ordering::Relaxed);
        if now_ms < began.saturating_add(WINDOW.as_millis() as u64) {
            return;
        }
        let (order, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.window_began_ms.compare_exchange(began, now_ms, order, seen).is_ok() {
            let spent = self.spent.swap(0, Ordering::Relaxed);
            self.spent_before.store(spent, Ordering::Relaxed);
        }
    }
}

/// Who pays for a key's requests: the Organization and up to two limits within it. Cheap to clone;
/// made once a key by [`crate::Ledger::payer`].
#[derive(Debug, Clone)]
pub struct Payer {
    pub(crate) purses: Arc<[Arc<Purse>]>,
}

impl Payer {
    /// Accounts one payer has at most.
    pub const MAX_ACCOUNTS: usize = MAX_LEASES;

    pub(crate) fn leases(&self) -> Option<Leases> {
        let leases: Vec<_> = self.purses.iter().map(|purse| purse.lease()).collect();
        Leases::new(&leases)
    }

    pub(crate) fn give(&self, amount: Nano) {
        self.purses.iter().for_each(|purse| purse.give(amount));
    }

    /// Takes as much of `amount` as every purse has.
    pub(crate) fn take_up_to(&self, amount: Nano) -> Nano {
        let mut taken = amount;
        for (place, purse) in self.purses.iter().enumerate() {
            let got = purse.take_up_to(taken);
            if got < taken {
                let too_much = Nano::new(taken.get() - got.get());
                self.purses[..place].iter().for_each(|earlier| earlier.give(too_much));
                taken = got;
            }
        }
        taken
    }
}

/// An amount that was taken of some of a payer's purses; goes back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    payer: Payer,
    amount: Nano,
    of: usize,
}

impl Taken {
    pub(crate) fn nothing(payer: &Payer, amount: Nano) -> Self {
        Self { payer: payer.clone(), amount, of: 0 }
    }

    /// The purse that is to be taken of next.
    pub(crate) fn next(&self) -> Option<&Arc<Purse>> {
        self.payer.purses.get(self.of)
    }

    /// Notes that the amount was taken of the next purse.
    pub(crate) fn took(&mut self) {
        self.of += 1;
    }

    /// Hands the amount on: it no longer goes back by itself.
    pub(crate) fn keep(mut self) {
        self.of = 0;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.payer.purses[..self.of].iter().for_each(|purse| purse.give(self.amount));
    }
}

/// An amount that was granted for one request and is on its way to it; goes into the purse when
/// nobody takes it.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) purse: Arc<Purse>,
    pub(crate) amount: Nano,
}

impl Handed {
    /// Takes the amount out.
    pub(crate) fn accept(mut self) {
        self.amount = Nano::ZERO;
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.purse.give(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn purse(account: u64, left: i64) -> Arc<Purse> {
        let purse = Purse::new(AccountId(account));
        purse.set_lease(LeaseId(account));
        purse.give(Nano::new(left));
        Arc::new(purse)
    }

    #[test]
    fn a_thousand_at_once_take_exactly_what_is_left() {
        let purse = purse(1, 10 * 7 + 3);
        let taken: usize = thread::scope(|scope| {
            let take = || (0..125).filter(|_| purse.take(Nano::new(7))).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((taken, purse.left()), (10, Nano::new(3)));
    }

    #[test]
    fn more_than_any_one_purse_has_is_taken_of_none() {
        let (credit, cap) = (purse(1, 100), purse(2, 30));
        let payer = Payer { purses: [credit.clone(), cap.clone()].into() };
        assert_eq!(payer.take_up_to(Nano::new(50)), Nano::new(30));
        assert_eq!((credit.left(), cap.left()), (Nano::new(70), Nano::ZERO));
        let mut taken = Taken::nothing(&payer, Nano::new(60));
        assert!(taken.next().unwrap().take(Nano::new(60)));
        taken.took();
        assert!(!taken.next().unwrap().take(Nano::new(60)));
        drop(taken);
        assert_eq!(credit.left(), Nano::new(70));
    }

    #[test]
    fn the_last_quarter_of_an_hour_is_what_a_lease_is_measured_by() {
        let purse = purse(1, 0);
        purse.spend(Nano::new(5), Duration::from_mins(16));
        assert_eq!(purse.recent_spend(Duration::from_mins(30)), Nano::new(5));
        assert_eq!(purse.recent_spend(Duration::from_mins(32)), Nano::new(5));
        assert_eq!(purse.recent_spend(Duration::from_mins(48)), Nano::ZERO);
    }
}

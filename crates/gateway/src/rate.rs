//! A key's limits: requests and tokens a minute as buckets that refill steadily, and requests at
//! one time. These are rates; what may be spent in all is the ledger's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    book::KeyRules,
    fault::{Fault, Kind},
};

/// Parts of a bucket's unit: a bucket of `n` a minute refills by `n` parts a millisecond.
const PARTS: u64 = 60_000;

/// What one key uses now.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<Use>);

#[derive(Debug, Default)]
struct Use {
    open: u32,
    requests: Bucket,
    tokens: Bucket,
}

/// A bucket by what is missing in it, so that a new one is full whatever its size.
#[derive(Debug, Default)]
struct Bucket {
    missing: u64,
    at: Duration,
}

impl Bucket {
    /// Takes `count` of a bucket of `size`; or says how long to wait. What is larger than the
    /// whole bucket needs it full.
    fn take(&mut self, count: u64, size: u64, now: Duration) -> Result<(), Duration> {
        let whole = size.saturating_mul(PARTS);
        let refilled = (now.saturating_sub(self.at).as_millis() as u64).saturating_mul(size);
        (self.missing, self.at) = (self.missing.saturating_sub(refilled), now);
        let after = self.missing.saturating_add(count.min(size).saturating_mul(PARTS));
        if after > whole {
            let wait = (after - whole).checked_div(size).unwrap_or(PARTS);
            return Err(Duration::from_millis(wait + 1));
        }
        self.missing = after;
        Ok(())
    }

    fn give(&mut self, count: u64) {
        self.missing = self.missing.saturating_sub(count.saturating_mul(PARTS));
    }
}

/// A request within its key's limits; its place is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    rate: Arc<Rate>,
    tokens: u64,
}

impl Rate {
    /// Lets a request in that uses at most `tokens`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        rules: &KeyRules,
        tokens: u64,
        now: Duration,
    ) -> Result<Admitted, Fault> {
        let mut using = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.concurrency.is_some_and(|most| using.open >= most) {
            let text = "This key has as many requests open as it may.";
            return Err(Fault::new(&Kind::CONCURRENCY, text).after(Duration::from_secs(1)));
        }
        let too_many = |what: &str, wait| {
            let text = format!("This key has used its {what} of this minute.");
            Fault::new(&Kind::RATE, text).after(wait)
        };
        if let Some(size) = rules.rpm {
            let taken = using.requests.take(1, u64::from(size), now);
            taken.map_err(|wait| too_many("requests", wait))?;
        }
        let mut taken = 0;
        if let Some(size) = rules.tpm {
            if let Err(wait) = using.tokens.take(tokens, size, now) {
                using.requests.give(1);
                return Err(too_many("tokens", wait));
            }
            taken = tokens.min(size);
        }
        using.open += 1;
        Ok(Admitted { rate: self.clone(), tokens: taken })
    }
}

impl Admitted {
    /// Gives back what the request did not use.
    pub(crate) fn used(&mut self, tokens: u64) {
        let unused = std::mem::take(&mut self.tokens).saturating_sub(tokens);
        self.rate.0.lock().unwrap_or_else(PoisonError::into_inner).tokens.give(unused);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut using = self.rate.0.lock().unwrap_or_else(PoisonError::into_inner);
        using.open = using.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_minutes_requests_come_back_one_by_one() {
        let rate = Arc::new(Rate::default());
        let rules = KeyRules { rpm: Some(2), ..KeyRules::default() };
        let admit = |at| rate.admit(&rules, 0, at).map(drop);
        assert!(admit(seconds(100)).is_ok() && admit(seconds(100)).is_ok());
        assert_eq!(admit(seconds(100)).unwrap_err().code(), "rate_limit_exceeded");
        assert!(admit(seconds(129)).is_err());
        assert!(admit(seconds(131)).is_ok());
        assert!(admit(seconds(132)).is_err());
    }

    #[test]
    fn tokens_that_were_not_used_come_back() {
        let rate = Arc::new(Rate::default());
        let rules = KeyRules { tpm: Some(100), ..KeyRules::default() };
        let mut first = rate.admit(&rules, 90, seconds(1)).unwrap();
        assert!(rate.admit(&rules, 90, seconds(1)).is_err());
        first.used(5);
        assert!(rate.admit(&rules, 90, seconds(1)).is_ok());
        let alone = Arc::new(Rate::default());
        assert!(
            alone.admit(&rules, 5_000, seconds(1)).is_ok(),
            "an empty minute takes any request"
        );
    }

    #[test]
    fn a_place_is_free_when_its_request_has_gone() {
        let rate = Arc::new(Rate::default());
        let rules = KeyRules { concurrency: Some(1), ..KeyRules::default() };
        let first = rate.admit(&rules, 0, seconds(1)).unwrap();
        let full = rate.admit(&rules, 0, seconds(1)).unwrap_err();
        assert_eq!(full.code(), "concurrency_limit_exceeded");
        drop(first);
        assert!(rate.admit(&rules, 0, seconds(1)).is_ok());
    }
}

//! Honest estimates: the pinned seconds, scaled by what this machine has shown so far.

use std::time::Duration;

/// A tool that runs over its estimate is said to need at least this share of it still.
const OVERRUN_SHARE: f64 = 0.05;

/// Estimates the time left of a row of builds.
#[derive(Debug, Clone)]
pub(super) struct Eta {
    /// Pinned seconds of what is still to be built, the current one first.
    ahead: Vec<f64>,
    pinned_done: f64,
    measured_done: f64,
}

impl Eta {
    /// For builds of these pinned seconds, in this order.
    pub(super) fn new(pinned: impl IntoIterator<Item = u64>) -> Self {
        let ahead = pinned.into_iter().map(|seconds| seconds as f64).collect();
        Self { ahead, pinned_done: 0.0, measured_done: 0.0 }
    }

    /// Records that the current build is done.
    pub(super) fn finished(&mut self, took: Duration) {
        if !self.ahead.is_empty() {
            self.pinned_done += self.ahead.remove(0);
            self.measured_done += took.as_secs_f64();
        }
    }

    /// The time left of the current build alone, `elapsed` into it.
    pub(super) fn current_left(&self, elapsed: Duration) -> Duration {
        let estimate = self.ahead.first().copied().unwrap_or(0.0) * self.pace(elapsed);
        let left = (estimate - elapsed.as_secs_f64()).max(estimate * OVERRUN_SHARE);
        Duration::from_secs_f64(left)
    }

    /// The time left of all builds, `elapsed` into the current one.
    pub(super) fn left(&self, elapsed: Duration) -> Duration {
        let later: f64 = self.ahead.iter().skip(1).sum();
        self.current_left(elapsed) + Duration::from_secs_f64(later * self.pace(elapsed))
    }

    /// Seconds measured per pinned second. A current build that is over its time counts too, so
    /// that the estimate of the others grows while it runs and not only afterwards.
    fn pace(&self, elapsed: Duration) -> f64 {
        let (mut pinned, mut measured) = (self.pinned_done, self.measured_done);
        let current = self.ahead.first().copied().unwrap_or(0.0);
        let so_far = if pinned > 0.0 { measured / pinned } else { 1.0 };
        if elapsed.as_secs_f64() > current * so_far {
            pinned += current;
            measured += elapsed.as_secs_f64();
        }
        if pinned > 0.0 { measured / pinned } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn first_estimate_is_the_pinned_one_and_later_ones_follow_the_measured_pace() {
        let mut eta = Eta::new([100, 200, 100]);
        assert_eq!(eta.left(s(0)), s(400));
        assert_eq!(eta.left(s(40)), s(360));
        eta.finished(s(200));
        assert_eq!(eta.left(s(0)), s(600), "twice as slow as pinned");
        assert_eq!(eta.current_left(s(100)), s(300));
        eta.finished(s(400));
        eta.finished(s(200));
        assert_eq!(eta.left(s(0)), s(0));
    }

    #[test]
    fn an_overrun_never_says_zero_and_raises_the_estimate_of_the_rest() {
        let eta = Eta::new([100, 100]);
        assert!(eta.current_left(s(300)) > s(0));
        assert_eq!(eta.left(s(300)), s(15 + 300));
    }
}

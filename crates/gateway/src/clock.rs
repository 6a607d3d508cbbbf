//! The two clocks behind one trait, so that a test can set either.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A time of day: milliseconds since 1970, UTC. It may step backwards and decides nothing about
/// money; it is only noted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallMillis(pub i64);

/// Where times come from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn wall(&self) -> WallMillis;

    /// The time since some fixed moment; never goes back, and goes on while the machine sleeps or
    /// the process is stopped.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> WallMillis {
        let now = clock_gettime(ClockId::Realtime);
        WallMillis(now.tv_sec * 1_000 + now.tv_nsec / 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

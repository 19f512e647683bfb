//! Time, as the caller tells it.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the caller's monotonic clock: time since some fixed moment of the caller's choosing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Duration);

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// How much later `self` is than `earlier`; zero if it is earlier, since the clocks of some platforms step back.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

//! Bytes spread over time.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The place in time of everything that was to be sent so far.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the next byte may be sent.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes the time that these bytes last at this many bytes a second. Returns when they may be sent, if that is
    /// later than now.
    pub fn take(&self, bytes: u64, rate: NonZeroU64, now: Instant) -> Option<Instant> {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free_at.map_or(now, |free_at| free_at.max(now));
        *free_at = Some(start + Duration::from_secs_f64(bytes as f64 / rate.get() as f64));
        (start > now).then_some(start)
    }
}

//! How many bytes may be requested under the user's limit. It is a bucket that fills at the limit, and every request
//! draws from it.
//!
//! Bytes that were never requested pile up nowhere. So a limit costs no memory, and nothing waits behind a queue.
//! Blocks count when they are requested. Their hashes, which are 0.4 % of them, don't count.
//!
//! It knows neither blocks nor connections, and only the time that it is told.

use std::time::Duration;

use wstp_protocol::BLOCK_SIZE;

use crate::Instant;

/// The size of one request, as time at the limit, so that bytes come evenly.
const RUN_TIME: Duration = Duration::from_millis(50);
/// How much may be caught up after the caller woke the engine late.
const SLACK: Duration = Duration::from_millis(50);
/// The bucket counts billionths of a byte, so that no rate loses bytes to rounding.
const PER_BYTE: i128 = 1_000_000_000;

/// The bucket.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// Bytes a second, at least 1.
    rate: Option<u64>,
    /// Billionths of a byte; below zero when a request carried more than was there.
    level: i128,
    filled_at: Instant,
}

impl Limit {
    /// A full bucket.
    pub(crate) fn new(rate: Option<u64>, now: Instant) -> Self {
        let mut limit = Self { rate: None, level: 0, filled_at: now };
        limit.set(now, rate);
        limit.level = limit.capacity();
        limit
    }

    /// Most bytes of one request, at least a block.
    pub(crate) fn run_bytes(&self) -> u64 {
        self.rate.map_or(u64::MAX, |rate| bytes_in(rate, RUN_TIME).max(BLOCK_SIZE))
    }

    /// The time at which this many bytes may be requested, as of `now`. Never later than `now` without a limit.
    pub(crate) fn ready_at(&self, now: Instant, bytes: u64) -> Instant {
        let Some(rate) = self.rate else { return now };
        // A request from before the limit was set may be longer than a run. It leaves the bucket in debt.
        let missing = i128::from(bytes.min(self.run_bytes())) * PER_BYTE - self.level;
        let wait = u64::try_from(missing.max(0).div_euclid(rate.into())).unwrap_or(u64::MAX);
        if missing <= 0 { now } else { now + Duration::from_nanos(wait.saturating_add(1)) }
    }

    /// Time passes.
    pub(crate) fn refill(&mut self, now: Instant) {
        let passed = now - self.filled_at;
        self.filled_at = now;
        if let Some(rate) = self.rate {
            let added = i128::from(rate).saturating_mul(i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX));
            self.level = self.level.saturating_add(added).min(self.capacity());
        }
    }

    /// The user sets another limit, in bytes a second. Savings and debts under the previous limit count for no more
    /// than a bucket of this one.
    pub(crate) fn set(&mut self, now: Instant, rate: Option<u64>) {
        self.refill(now);
        self.rate = rate.map(|rate| rate.max(1));
        self.level = self.level.clamp(-self.capacity(), self.capacity());
    }

    /// Bytes are requested.
    pub(crate) fn take(&mut self, bytes: u64) {
        if self.rate.is_some() {
            self.level -= i128::from(bytes) * PER_BYTE;
        }
    }

    /// Requested bytes did not have to come.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.level = self.level.saturating_add(i128::from(bytes) * PER_BYTE).min(self.capacity());
    }

    fn capacity(&self) -> i128 {
        self.rate.map_or(0, |rate| i128::from(self.run_bytes().saturating_add(bytes_in(rate, SLACK))) * PER_BYTE)
    }
}

fn bytes_in(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB: u64 = 1024;

    fn ms(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    /// Bytes requested until `end` by a client that requests a run as soon as it may.
    fn asked(limit: &mut Limit, now: &mut Instant, end: Instant) -> u64 {
        let mut asked = 0;
        loop {
            let run = (limit.run_bytes() / BLOCK_SIZE).clamp(1, 32) * BLOCK_SIZE;
            let at = limit.ready_at(*now, run);
            if at > end {
                *now = end;
                limit.refill(end);
                return asked;
            }
            *now = at;
            limit.refill(at);
            limit.take(run);
            asked += run;
        }
    }

    fn assert_near(asked: u64, wanted: u64) {
        assert!((asked as f64 / wanted as f64 - 1.0).abs() < 0.05, "{asked} bytes instead of {wanted}");
    }

    #[test]
    fn every_limit_holds_over_five_seconds() {
        for rate in [64 * KIB, 100_000, 1024 * KIB, 10_000_001, 100 * 1024 * KIB] {
            let (mut limit, mut now) = (Limit::new(Some(rate), ms(0)), ms(0));
            assert_near(asked(&mut limit, &mut now, ms(5000)), 5 * rate);
            assert_near(asked(&mut limit, &mut now, ms(10_000)), 5 * rate);
        }
    }

    #[test]
    fn idle_time_saves_up_no_burst() {
        let (mut limit, mut now) = (Limit::new(Some(64 * KIB), ms(0)), ms(3_600_000));
        limit.refill(now);
        assert_near(asked(&mut limit, &mut now, ms(3_605_000)), 5 * 64 * KIB);
    }

    #[test]
    fn no_limit_never_waits() {
        let mut limit = Limit::new(None, ms(0));
        limit.take(u64::MAX);
        assert_eq!(limit.ready_at(ms(1), u64::MAX), ms(1));
        assert_eq!(limit.run_bytes(), u64::MAX);
    }

    #[test]
    fn a_change_counts_at_once_both_ways() {
        let (mut limit, mut now) = (Limit::new(Some(64 * 1024 * KIB), ms(0)), ms(0));
        asked(&mut limit, &mut now, ms(1000));
        limit.set(now, Some(64 * KIB));
        assert_near(asked(&mut limit, &mut now, ms(6000)), 5 * 64 * KIB);
        limit.set(now, Some(64 * 1024 * KIB));
        assert_near(asked(&mut limit, &mut now, ms(7000)), 64 * 1024 * KIB);
    }

    proptest! {
        #[test]
        fn what_is_ready_at_a_time_may_be_asked_for_then(rate in 1u64.., bytes in 1u64.., taken in 0u64..1 << 40, passed in 0u64..1 << 40) {
            let mut limit = Limit::new(Some(rate), ms(0));
            limit.take(taken);
            let now = Instant(Duration::from_nanos(passed));
            limit.refill(now);
            let at = limit.ready_at(now, bytes);
            limit.refill(at);
            prop_assert_eq!(limit.ready_at(at, bytes), at);
        }
    }
}

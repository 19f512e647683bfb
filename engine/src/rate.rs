//! How fast bytes arrive, averaged over the last three seconds.

use std::time::Duration;

use crate::Instant;

const BUCKETS: u64 = 12;
const BUCKET: Duration = Duration::from_millis(250);

/// A moving average of bytes a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// Bytes of each quarter of a second. Quarter `n` is at `n % BUCKETS`.
    buckets: [u64; BUCKETS as usize],
    /// The last counted quarter.
    newest: u64,
    /// The quarter in which counting began. A pause begins it anew.
    oldest: u64,
}

impl Rate {
    fn quarter(now: Instant) -> u64 {
        (now.0.as_millis() / BUCKET.as_millis()) as u64
    }

    /// Counts bytes that arrived now.
    pub(crate) fn add(&mut self, now: Instant, bytes: u64) {
        let quarter = Self::quarter(now).max(self.newest);
        if quarter - self.newest >= BUCKETS {
            self.buckets = [0; BUCKETS as usize];
            self.oldest = quarter;
        } else {
            for passed in self.newest + 1..=quarter {
                self.buckets[(passed % BUCKETS) as usize] = 0;
            }
        }
        self.newest = quarter;
        self.buckets[(quarter % BUCKETS) as usize] += bytes;
    }

    /// Bytes a second as of now.
    pub(crate) fn at(&self, now: Instant) -> f64 {
        let quarter = Self::quarter(now).max(self.newest);
        let first = (quarter + 1).saturating_sub(BUCKETS).max(self.oldest);
        let counted: u64 = (first..=self.newest).map(|n| self.buckets[(n % BUCKETS) as usize]).sum();
        let begin = BUCKET.as_secs_f64() * first as f64;
        let elapsed = (now.0.as_secs_f64() - begin).max(BUCKET.as_secs_f64());
        counted as f64 / elapsed
    }

    /// When the figure changes although no data arrives; `None` once it is zero.
    pub(crate) fn next_change(&self, now: Instant) -> Option<Instant> {
        let quarter = Self::quarter(now);
        (self.newest + BUCKETS > quarter && self.at(now) > 0.0)
            .then(|| Instant(Duration::from_millis((quarter + 1) * BUCKET.as_millis() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    #[test]
    fn a_steady_stream_shows_its_rate() {
        let mut rate = Rate::default();
        for step in 0..100 {
            rate.add(ms(10_000 + step * 100), 1000);
        }
        let shown = rate.at(ms(20_000));
        assert!((shown - 10_000.0).abs() < 1000.0, "{shown}");
    }

    #[test]
    fn it_falls_to_zero_when_nothing_arrives() {
        let mut rate = Rate::default();
        rate.add(ms(1000), 1_000_000);
        assert!(rate.at(ms(1100)) > 0.0);
        assert!(rate.next_change(ms(1100)).is_some());
        assert_eq!(rate.at(ms(5000)), 0.0);
        assert_eq!(rate.next_change(ms(5000)), None);
    }

    #[test]
    fn the_first_second_is_not_diluted_by_time_before_it() {
        let mut rate = Rate::default();
        for step in 0..10 {
            rate.add(ms(60_000 + step * 100), 1000);
        }
        let shown = rate.at(ms(61_000));
        assert!((9_000.0..=11_000.0).contains(&shown), "{shown}");
    }
}

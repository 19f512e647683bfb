//! How long to wait before a retry: doubling, with jitter from a seed. So a thousand clients of a restarted server do
//! not come back at the same moment, and a run can be repeated.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Numbers that look random, from a seed (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The duration, a quarter more or less.
    pub(crate) fn around(&mut self, delay: Duration) -> Duration {
        delay.mul_f64(self.factor())
    }

    /// A factor from 0.75 up to 1.25.
    fn factor(&mut self) -> f64 {
        0.75 + (self.next() >> 11) as f64 / (1u64 << 53) as f64 / 2.0
    }
}

/// The delays of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next delay, twice the one before.
    pub(crate) fn next_delay(&mut self, jitter: &mut Jitter) -> Duration {
        let delay = FIRST.saturating_mul(1 << self.failures.min(7)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        jitter.around(delay)
    }

    /// A try succeeded: begin with the shortest delay again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_with_a_quarter_of_jitter() {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(7));
        for step in 0..12 {
            let plain = Duration::from_millis(250 << step.min(7)).min(LONGEST);
            let delay = backoff.next_delay(&mut jitter);
            assert!(delay >= plain.mul_f64(0.75) && delay <= plain.mul_f64(1.25), "{step}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay(&mut jitter) <= Duration::from_millis(313));
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let delays = |seed| {
            let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(seed));
            [(); 5].map(|()| backoff.next_delay(&mut jitter))
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}

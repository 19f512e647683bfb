//! One direction of a wire: which packets arrive, and when. It does no I/O and knows no clock.

use std::time::{Duration, Instant};

use super::Profile;

/// One direction.
#[derive(Debug)]
pub struct Pipe {
    profile: Profile,
    /// When the last packet that was taken has left.
    free_at: Instant,
    random: u64,
}

impl Pipe {
    /// A direction whose losses follow from a seed.
    #[must_use]
    pub fn new(profile: Profile, seed: u64, now: Instant) -> Self {
        Self { profile, free_at: now, random: seed }
    }

    /// When a packet of this size arrives at the other end; `None` if it is lost, or dropped by a full queue.
    pub fn offer(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begins = self.free_at.max(now);
        if begins - now > self.profile.queue {
            return None;
        }
        self.free_at = begins + Duration::from_secs_f64(bytes as f64 / self.profile.rate as f64);
        let is_lost = self.draw() < self.profile.loss;
        (!is_lost).then(|| self.free_at + self.profile.delay)
    }

    /// From 0 to 1 (SplitMix64).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1500;

    fn profile(loss: f64) -> Profile {
        let ms = Duration::from_millis;
        Profile { name: "test", delay: ms(50), rate: 1_500_000, queue: ms(100), loss }
    }

    #[test]
    fn packets_leave_at_the_rate_and_arrive_after_the_delay() {
        let now = Instant::now();
        let mut pipe = Pipe::new(profile(0.0), 1, now);
        let arrivals: Vec<_> = (0..10).map(|_| pipe.offer(now, PACKET).unwrap() - now).collect();
        let wanted: Vec<_> = (51..61).map(Duration::from_millis).collect();
        assert_eq!(arrivals, wanted);
    }

    #[test]
    fn a_full_queue_drops() {
        let now = Instant::now();
        let mut pipe = Pipe::new(profile(0.0), 1, now);
        let taken = (0..500).filter(|_| pipe.offer(now, PACKET).is_some()).count();
        assert_eq!(taken, 101, "100 ms of queue, and the packet that leaves");
        assert!(pipe.offer(now + Duration::from_millis(10), PACKET).is_some());
    }

    #[test]
    fn losses_come_as_often_as_they_are_told_to_and_repeat_with_the_seed() {
        let lost = |seed| {
            let mut now = Instant::now();
            let mut pipe = Pipe::new(profile(0.01), seed, now);
            let each = (0..100_000).map(|_| {
                now += Duration::from_millis(1);
                pipe.offer(now, PACKET).is_none()
            });
            each.collect::<Vec<_>>()
        };
        let first = lost(1);
        let count = first.iter().filter(|lost| **lost).count();
        assert!((900..=1100).contains(&count), "{count}");
        assert_eq!(first, lost(1));
        assert_ne!(first, lost(2));
    }
}

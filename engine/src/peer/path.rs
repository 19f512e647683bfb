//! The line to one server, which all connections to it share: how fast it is, how long it is, and how much may be under
//! way on it.
//!
//! A [`Window`](super::Window) knows one connection. Each of them asks for what its connection would need at its best,
//! and many of them together fill the line's queue. A small request then waits behind it, for half a second on some
//! lines. So this bounds the sum: to the bytes that the line delivers in its shortest round trip, and a short wait more.
//!
//! Packets that get lost delay what follows them on their connection, so a line that loses many needs more under way
//! than that. Its rate falls under the bound, and the wait is raised until it does not. A line that is full carries as
//! much under the bound as above it, and keeps a short queue.
//!
//! The shortest round trip is measured anew now and then. All connections drain for that: the queue is theirs.

use std::collections::VecDeque;
use std::time::Duration;

use wstp_protocol::BLOCK_SIZE;

use crate::Instant;

/// How long a byte may wait in the line's queue.
const WAIT: Duration = Duration::from_millis(70);
/// The longest wait, where the rate falls under a shorter one. If it is still low then, the line carries no more.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// So much time is always allowed. Messages on a short line would be small otherwise, and cost both sides more.
const LEAST_TIME: Duration = Duration::from_millis(100);
/// The wait is raised and lowered by these factors.
const RAISED: f64 = 1.5;
const LOWERED: f64 = 0.95;
/// A usual rate below this part of the best one has fallen.
const FALLEN: f64 = 0.96;
/// The best rate is forgotten by this factor with each count: it may have been luck.
const FORGOTTEN: f64 = 0.995;
/// The rate is counted over at least so many of the shortest round trips, and for at least this time.
const ROUND_TRIPS: u32 = 4;
const SHORTEST_COUNT: Duration = Duration::from_millis(200);
/// The mean of so many counts is the usual rate, and the best of them what the line takes.
const COUNTS: usize = 5;
/// A count that is not this much above the best one before is no growth.
const GROWTH: f64 = 1.25;
/// After so many counts without growth the line counts as full. By then its best rate was seen, without a bound.
const COUNTS_WITHOUT_GROWTH: u32 = COUNTS as u32;
/// The shortest round trip is measured anew after this time, and after so many of them.
const AGE: Duration = Duration::from_secs(10);
const AGE_ROUND_TRIPS: u32 = 20;
/// So much is always allowed.
const LEAST: u64 = 4 * BLOCK_SIZE;
/// The part of what the line needs that stays under way meanwhile.
const DRAINED: f64 = 0.75;

/// The line to one server.
#[derive(Debug)]
pub(crate) struct Path {
    shortest: Option<Duration>,
    shortest_at: Instant,
    drain: Option<Drain>,
    /// Bytes since `count_from`.
    counted: u64,
    count_from: Instant,
    /// Whether there was too little to ask for since then.
    is_limited: bool,
    /// The last rates, in bytes a second.
    rates: VecDeque<f64>,
    /// The best usual rate, which is forgotten slowly.
    best: f64,
    /// The rate of the last growth.
    grown: f64,
    without_growth: u32,
    wait: Duration,
}

/// Little is under way, so that the shortest round trip shows.
#[derive(Debug)]
struct Drain {
    began: Instant,
    /// The shortest round trip since then, and when the first one was seen.
    seen: Option<(Duration, Instant)>,
}

impl Path {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            shortest: None,
            shortest_at: now,
            drain: None,
            counted: 0,
            count_from: now,
            is_limited: true,
            rates: VecDeque::new(),
            best: 0.0,
            grown: 0.0,
            without_growth: 0,
            wait: WAIT,
        }
    }

    /// The answer to a request of `sent` arrived on some connection, with this many bytes.
    pub(crate) fn arrived(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.note_delay(now, sent);
        self.counted += bytes;
        let passed = now - self.count_from;
        if passed >= (self.shortest.unwrap_or_default() * ROUND_TRIPS).max(SHORTEST_COUNT) {
            self.note_rate(self.counted as f64 / passed.as_secs_f64());
            self.count_from(now);
        }
    }

    /// There was too little to ask for, so the count says nothing of the line.
    pub(crate) fn nothing_to_ask(&mut self) {
        self.is_limited = true;
    }

    /// Bytes that may be under way over all connections; `None` while that is unknown.
    pub(crate) fn most(&self) -> Option<u64> {
        let (shortest, rate) = (self.shortest?, self.rate()?);
        let time = match self.drain {
            Some(_) => shortest.mul_f64(DRAINED),
            None if self.is_full() => (shortest + self.wait).max(LEAST_TIME),
            None => return None,
        };
        Some(((rate * time.as_secs_f64()) as u64).max(LEAST))
    }

    /// Whether it is being drained, so that it carries less than it could.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    fn is_full(&self) -> bool {
        self.without_growth >= COUNTS_WITHOUT_GROWTH
    }

    fn rate(&self) -> Option<f64> {
        self.rates.iter().copied().reduce(f64::max)
    }

    fn count_from(&mut self, now: Instant) {
        (self.counted, self.count_from, self.is_limited) = (0, now, false);
    }

    fn note_delay(&mut self, now: Instant, sent: Instant) {
        let delay = now - sent;
        if self.shortest.is_none_or(|least| delay <= least) {
            (self.shortest, self.shortest_at, self.drain) = (Some(delay), now, None);
            return;
        }
        let age = (self.shortest.unwrap_or_default() * AGE_ROUND_TRIPS).max(AGE);
        match &mut self.drain {
            None if now - self.shortest_at > age => self.drain = Some(Drain { began: now, seen: None }),
            // Only what was asked for since then found the line drained.
            Some(drain) if sent > drain.began => {
                let (least, first) = drain.seen.map_or((delay, now), |(least, first)| (least.min(delay), first));
                drain.seen = Some((least, first));
                if now - first >= self.shortest.unwrap_or_default() {
                    (self.shortest, self.shortest_at, self.drain) = (Some(least), now, None);
                    self.count_from(now);
                }
            }
            _ => {}
        }
    }

    fn note_rate(&mut self, rate: f64) {
        if self.is_draining() || (self.is_limited && self.rate().is_some_and(|best| rate < best)) {
            return;
        }
        if self.rates.len() == COUNTS {
            self.rates.pop_front();
        }
        self.rates.push_back(rate);
        if self.rates.len() == COUNTS {
            self.judge_wait();
        }
        if rate >= self.grown * GROWTH {
            (self.grown, self.without_growth) = (rate, 0);
        } else {
            self.without_growth = self.without_growth.saturating_add(1);
        }
    }
    fn judge_wait(&mut self) {
        let usual = self.rates.iter().sum::<f64>() / COUNTS as f64;
        if self.is_full() {
            let has_fallen = usual < self.best * FALLEN;
            if has_fallen && self.wait == LONGEST_WAIT {
                self.best = usual;
            }
            let wait = self.wait.mul_f64(if has_fallen { RAISED } else { LOWERED });
            self.wait = wait.clamp(WAIT, LONGEST_WAIT);
        }
        self.best = usual.max(self.best * FORGOTTEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);
    const TICK: Duration = Duration::from_millis(20);

    /// A line on which answers arrive steadily.
    struct Line {
        path: Path,
        now: Instant,
    }

    impl Line {
        fn new() -> Self {
            let now = Instant(Duration::from_secs(1));
            Self { path: Path::new(now), now }
        }

        /// So many bytes a second arrive, each this long after it was asked for.
        fn carry(&mut self, seconds: u32, rate: u64, delay: Duration) {
            let end = self.now + Duration::from_secs(1) * seconds;
            while self.now < end {
                self.now = self.now + TICK;
                self.path.arrived(self.now, Instant(self.now.0 - delay), rate / 50);
            }
        }

        /// How long the line takes for what may be under way, in milliseconds.
        fn time(&self, rate: u64) -> Option<u64> {
            self.path.most().map(|bytes| bytes * 1000 / rate)
        }
    }

    #[test]
    fn nothing_bounds_a_line_whose_rate_still_grows() {
        let mut line = Line::new();
        assert_eq!(line.path.most(), None);
        for doubling in 0..5 {
            line.carry(1, 1_000_000 << doubling, ROUND_TRIP);
            assert_eq!(line.path.most(), None);
        }
    }

    #[test]
    fn a_full_line_has_its_round_trip_and_a_short_wait_under_way() {
        let mut line = Line::new();
        line.carry(4, 1_000_000, ROUND_TRIP);
        assert_eq!(line.time(1_000_000), Some(170));
    }

    #[test]
    fn the_wait_is_raised_where_the_rate_falls_under_the_bound_and_lowered_once_it_does_not() {
        let mut line = Line::new();
        line.carry(4, 1_000_000, ROUND_TRIP);
        line.carry(3, 900_000, ROUND_TRIP);
        assert!(line.time(900_000) > Some(250), "{:?}", line.time(900_000));
        line.carry(60, 1_000_000, ROUND_TRIP);
        assert_eq!(line.time(1_000_000), Some(170));
        // A line that carries less for good gets no long wait for that.
        line.carry(60, 500_000, ROUND_TRIP);
        assert_eq!(line.time(500_000), Some(170));
    }

    #[test]
    fn a_line_that_became_longer_is_drained_and_then_known() {
        let mut line = Line::new();
        line.carry(4, 1_000_000, ROUND_TRIP);
        let longer = ROUND_TRIP * 2;
        line.carry(5, 1_000_000, longer);
        assert_eq!(line.time(1_000_000), Some(170));
        while line.path.drain.is_none() {
            line.now = line.now + TICK;
            line.path.arrived(line.now, Instant(line.now.0 - longer), 20_000);
        }
        assert_eq!(line.time(1_000_000), Some(75));
        line.carry(1, 1_000_000, longer);
        assert_eq!(line.time(1_000_000), Some(270));
    }

    #[test]
    fn a_rate_with_little_to_ask_for_says_nothing() {
        let mut line = Line::new();
        line.carry(4, 1_000_000, ROUND_TRIP);
        for _ in 0..2500 {
            line.path.nothing_to_ask();
            line.now = line.now + TICK;
            line.path.arrived(line.now, Instant(line.now.0 - ROUND_TRIP), 200);
        }
        assert_eq!(line.time(1_000_000), Some(170));
    }

    #[test]
    fn a_slow_line_always_takes_some_blocks() {
        let mut line = Line::new();
        line.carry(60, 1000, ROUND_TRIP);
        assert_eq!(line.path.most(), Some(LEAST));
    }
}

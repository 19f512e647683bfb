//! How many connections a transfer has when the user sets no number. It doubles them while that carries more, and
//! halves them while the rest carry as much.
//!
//! On a line that loses packets each connection carries its own share, so twice as many carry twice as much. A full
//! line carries no more, and every connection costs both sides memory and time. A step is judged by the bytes that
//! arrive, and only while nothing else held the transfer back. On a short round trip a verdict takes a fraction of a
//! second.
//!
//! A long line starts with the most connections. A judgement at its beginning would mislead: each connection speeds up
//! for seconds until it loses its first packet, and carries a fraction of that afterwards. By then a file of 100 MB is
//! nearly here.

mod delivery;

use std::time::Duration;

use self::delivery::{Delivery, Rate};
use crate::{ConnectionId, Instant};

/// How many connections a transfer may have over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// A fixed number, at least 1.
    Fixed(u8),
    /// As many as help, up to this number, and up to 16 to one source.
    Auto {
        /// At least 1.
        most: u8,
    },
}

/// Connections at the beginning. While one waits, the others carry data. Few transfers last long enough for a climb
/// from one.
const FIRST: u8 = 4;
/// The shortest round trip of a long line.
const LONG: Duration = Duration::from_millis(20);
/// Time until the number on a long line is judged for the first time.
const LONG_START: Duration = Duration::from_secs(8);
/// The most to one source that are used without the user's word. Other programs use no more either.
const MOST_TO_ONE: u8 = 16;
/// Round trips for which a step is left to settle, and then counted at least.
const ROUND_TRIPS: u32 = 3;
/// The least and the greatest such time.
const PACE: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];
/// How long arrivals are counted to see small differences.
const COUNT: Duration = Duration::from_secs(2);
/// A step that can't be judged within this time is taken back.
const LONGEST_COUNT: Duration = Duration::from_secs(60);
/// Twice the connections have to carry this much more.
const GAIN: f64 = 1.1;
/// Half of them may carry this much less.
const LOSS: f64 = 0.93;
/// When less than this share of what was found arrives, the line is another one than it was.
const FALL: f64 = 0.7;
/// Time until the next step after a step that did not help. It doubles each time.
const FIRST_REST: Duration = Duration::from_secs(15);
/// The longest such time.
const LONGEST_REST: Duration = Duration::from_secs(240);

/// A step that is being judged, with the number and the rate before it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    None,
    More(u8, Rate),
    Fewer(u8, Rate),
}

/// The connections that limit the speed: exactly as many as allowed carry blocks, as fast as they can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrying {
    pub(crate) connections: usize,
    /// The longest of the shortest times from request to answer.
    pub(crate) round_trip: Duration,
}

/// The number of connections over time.
#[derive(Clone, Debug)]
pub(crate) struct Width {
    setting: Connections,
    target: u8,
    step: Step,
    /// When counting begins; `None` while nothing can be judged.
    counting: Option<Instant>,
    delivery: Delivery,
    /// How long to settle, and to count at least.
    pace: Duration,
    /// The rate of the number that was settled on.
    found: Option<Rate>,
    rest: Duration,
    rested_at: Instant,
    /// Whether the next step is fewer.
    narrows: bool,
    has_begun: bool,
}

impl Connections {
    fn most(self) -> u8 {
        match self {
            Self::Fixed(number) | Self::Auto { most: number } => number.max(1),
        }
    }

    /// The most over so many sources.
    fn most_over(self, sources: usize) -> u8 {
        match self {
            Self::Fixed(_) => self.most(),
            Self::Auto { .. } => {
                let sources = u8::try_from(sources.max(1)).unwrap_or(u8::MAX);
                self.most().min(MOST_TO_ONE.saturating_mul(sources))
            }
        }
    }
}

impl Width {
    pub(crate) fn new(setting: Connections) -> Self {
        let target = match setting {
            Connections::Fixed(_) => setting.most(),
            Connections::Auto { .. } => FIRST.min(setting.most()),
        };
        Self {
            setting,
            target,
            step: Step::None,
            counting: None,
            delivery: Delivery::default(),
            pace: PACE[0],
            found: None,
            rest: FIRST_REST,
            rested_at: Instant::default(),
            narrows: false,
            has_begun: false,
        }
    }

    /// The user sets another number.
    pub(crate) fn set(&mut self, setting: Connections) {
        if setting != self.setting {
            let before = self.target;
            *self = Self::new(setting);
            if matches!(setting, Connections::Auto { .. }) {
                (self.target, self.has_begun) = (before.min(setting.most()), true);
            }
        }
    }

    /// Connections that may be open now if `sources` can be used. Each source gets one if the total allows.
    pub(crate) fn connections(&self, sources: usize) -> usize {
        let most = self.setting.most_over(sources);
        usize::from(self.target.min(most)).max(sources.min(usize::from(most)))
    }

    /// The most connections to one source.
    pub(crate) fn to_one(&self) -> usize {
        usize::from(self.setting.most_over(1))
    }

    /// The first block is here, and this is the round trip of its line.
    pub(crate) fn begin(&mut self, now: Instant, sources: usize, round_trip: Duration) {
        let is_new = !std::mem::replace(&mut self.has_begun, true);
        if is_new && round_trip >= LONG && matches!(self.setting, Connections::Auto { .. }) {
            self.target = self.setting.most_over(sources);
            (self.narrows, self.rested_at) = (true, now + LONG_START);
        }
    }

    /// Bytes of blocks arrived on a connection.
    pub(crate) fn arrived(&mut self, now: Instant, connection: ConnectionId, bytes: u64) {
        if self.counting.is_some_and(|from| from <= now) {
            self.delivery.arrived(now, connection, bytes);
        }
    }

    /// Judges the last step and takes the next one. `carrying` is given while the number limits the speed.
    pub(crate) fn adapt(&mut self, now: Instant, sources: usize, carrying: Option<Carrying>) {
        if matches!(self.setting, Connections::Fixed(_)) {
            return;
        }
        let Some(carrying) = carrying else { return self.count_from(None) };
        self.pace = (carrying.round_trip * ROUND_TRIPS).clamp(PACE[0], PACE[1]);
        let Some(from) = self.counting else { return self.settle(now) };
        if now < from + self.pace {
            return;
        }
        match self.delivery.rate(now, carrying.connections) {
            Some(rate) => self.judge(now, self.setting.most_over(sources), rate, now >= from + COUNT),
            None if now < from + LONGEST_COUNT => {}
            None => self.take_back(now),
        }
    }

    /// `is_long` says whether the rate was measured for long enough to see small differences.
    fn judge(&mut self, now: Instant, most: u8, rate: Rate, is_long: bool) {
        let is_exact = is_long && rate.is_exact();
        let verdict = match self.step {
            Step::None => return self.look(now, most, rate, is_exact),
            Step::More(_, before) => rate.is_at_least(GAIN, before),
            Step::Fewer(_, before) => rate.is_at_least(LOSS, before),
        };
        match verdict {
            Some(true) if is_exact || matches!(self.step, Step::More(..)) => self.accept(now, most, rate),
            Some(false) => self.take_back(now),
            _ => {}
        }
    }

    /// No step is being judged: begins one where it is time for it, or the line has changed.
    fn look(&mut self, now: Instant, most: u8, rate: Rate, is_exact: bool) {
        let has_fallen = self.found.is_some_and(|found| rate.is_at_least(FALL, found) == Some(false));
        if has_fallen {
            (self.narrows, self.rest, self.rested_at) = (false, FIRST_REST, now);
        }
        if now >= self.rested_at && (is_exact || !self.narrows) {
            self.begin_step(now, most, rate);
        } else if is_exact {
            self.count_from(Some(now));
        }
    }

    fn begin_step(&mut self, now: Instant, most: u8, rate: Rate) {
        let (can_narrow, can_widen) = (self.target > 1, self.target < most);
        self.narrows = can_narrow && (self.narrows || !can_widen);
        self.step = match (self.narrows, can_widen) {
            (true, _) => Step::Fewer(self.target, rate),
            (false, true) => Step::More(self.target, rate),
            (false, false) => return self.count_from(Some(now)),
        };
        self.target = if self.narrows { self.target / 2 } else { self.target.saturating_mul(2).min(most) };
        self.settle(now);
    }

    /// The step was right: the next one goes the same way.
    fn accept(&mut self, now: Instant, most: u8, rate: Rate) {
        (self.step, self.rest, self.found) = (Step::None, FIRST_REST, Some(rate));
        let goes_on = if self.narrows { self.target > 1 } else { self.target < most };
        if goes_on {
            return self.begin_step(now, most, rate);
        }
        self.rested_at = now + self.rest;
        self.count_from(Some(now));
    }

    /// The step was wrong: after a while the next one goes the other way.
    fn take_back(&mut self, now: Instant) {
        if let Step::More(target, before) | Step::Fewer(target, before) = self.step {
            (self.target, self.found) = (target, Some(before));
            (self.narrows, self.rested_at) = (!self.narrows, now + self.rest);
            self.rest = (self.rest * 2).min(LONGEST_REST);
        }
        self.step = Step::None;
        self.settle(now);
    }

    /// A change needs a while to show: connections that get a greater share take some round trips to use it.
    fn settle(&mut self, now: Instant) {
        let times = if matches!(self.step, Step::Fewer(..)) { 2 } else { 1 };
        self.count_from(Some(now + self.pace * times));
    }

    fn count_from(&mut self, from: Option<Instant>) {
        self.delivery = Delivery::default();
        self.counting = from;
    }

    /// When [`Width::adapt`] has something to do if nothing arrives.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let from = self.counting.filter(|_| matches!(self.setting, Connections::Auto { .. }))?;
        Some(from + LONGEST_COUNT).filter(|due| *due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Jitter;

    /// A line that carries so many bytes a second over so many connections, in messages that are a little late.
    struct Line<F> {
        carries: F,
        message: u64,
        round_trip: Duration,
        sources: usize,
        jitter: Jitter,
    }

    impl<F: Fn(usize) -> f64> Line<F> {
        /// Runs for a time, with every connection in the same phase. Gives the number of connections at each second.
        fn run(&mut self, width: &mut Width, seconds: u64) -> Vec<usize> {
            let (mut seen, mut turns) = (Vec::new(), Vec::<Instant>::new());
            let mut now = width.counting.unwrap_or_default();
            let began = now.0.as_secs() as usize;
            while (seen.len() as u64) < seconds {
                let open = width.connections(self.sources);
                let each = Duration::from_secs_f64(self.message as f64 * open as f64 / (self.carries)(open));
                turns.resize(open, now + each);
                let (next, _) = turns.iter().enumerate().min_by_key(|(_, turn)| **turn).unwrap();
                let late = self.jitter.around(each) - each * 3 / 4;
                now = now.max(turns[next] + late);
                turns[next] = turns[next] + each;
                width.arrived(now, ConnectionId(next as u64), self.message);
                width.adapt(now, self.sources, Some(Carrying { connections: open, round_trip: self.round_trip }));
                seen.resize(now.0.as_secs() as usize - began, open);
            }
            seen
        }
    }

    /// A line of 100 ms to one source.
    fn line<F>(carries: F, message: u64, seed: u64) -> Line<F> {
        Line { carries, message, round_trip: Duration::from_millis(100), sources: 1, jitter: Jitter::new(seed) }
    }

    /// Runs on a line of small messages.
    fn run(width: &mut Width, seconds: u64, carries: impl Fn(usize) -> f64) -> Vec<usize> {
        line(carries, 16 << 10, 1).run(width, seconds)
    }

    #[test]
    fn a_line_that_shares_by_connection_has_its_number_in_seconds() {
        let mut width = Width::new(Connections::Auto { most: 32 });
        let seen = run(&mut width, 40, |connections| (connections as f64 * 6e5).min(25e6));
        assert_eq!(seen[3], 16, "{seen:?}");
        assert!(seen.iter().all(|connections| (4..=16).contains(connections)), "{seen:?}");
    }

    #[test]
    fn a_long_line_has_the_most_at_once_and_is_judged_later() {
        let auto = Connections::Auto { most: 32 };
        for (round_trip, setting, number) in [
            (LONG, auto, 16),
            (LONG / 2, auto, 4),
            (LONG, Connections::Fixed(3), 3),
            (LONG, Connections::Auto { most: 8 }, 8),
        ] {
            let mut width = Width::new(setting);
            width.begin(Instant::default(), 1, round_trip);
            assert_eq!(width.connections(1), number, "{round_trip:?} {setting:?}");
        }
        let mut width = Width::new(auto);
        width.begin(Instant::default(), 1, LONG);
        let seen = run(&mut width, 60, |_| 20e6);
        assert!(seen[..8].iter().all(|connections| *connections == 16), "{seen:?}");
        assert!(seen[20..].iter().all(|connections| *connections <= 2), "{seen:?}");
        width.begin(Instant(Duration::from_secs(60)), 1, LONG);
        assert!(width.connections(1) <= 2, "it begins once");
    }

    #[test]
    fn two_sources_have_more_connections_than_one_and_no_more_than_the_total() {
        let mut width = Width::new(Connections::Auto { most: 32 });
        let mut line = Line { sources: 2, ..line(|connections| connections as f64 * 6e5, 16 << 10, 1) };
        assert_eq!(line.run(&mut width, 8)[7], 32);
        assert_eq!((width.connections(1), width.connections(3), width.to_one()), (16, 32, 16));
    }

    #[test]
    fn a_line_that_is_full_only_at_first_gets_more_once_it_no_longer_is() {
        let mut width = Width::new(Connections::Auto { most: 32 });
        assert_eq!(run(&mut width, 4, |_| 20e6)[3], 4);
        let seen = run(&mut width, 12, |connections| connections as f64 * 6e5);
        assert_eq!(seen[11], 16, "{seen:?}");
    }

    #[test]
    fn a_full_line_gets_no_more_than_it_needs() {
        let mut width = Width::new(Connections::Auto { most: 32 });
        let seen = run(&mut width, 600, |connections| (connections as f64 * 5e6).min(20e6));
        let more = seen.iter().filter(|connections| **connections > 4).count();
        let fewer = seen.iter().filter(|connections| **connections < 4).count();
        assert!(more < 12 && fewer < 6, "{more} {fewer} {seen:?}");
    }

    #[test]
    fn one_is_enough_where_it_carries_all() {
        let mut width = Width::new(Connections::Auto { most: 8 });
        let seen = run(&mut width, 600, |_| 20e6);
        assert_eq!(seen[60..].iter().min(), Some(&1));
        assert!(seen[60..].iter().filter(|connections| **connections == 1).count() > 500, "{seen:?}");
    }

    #[test]
    fn a_full_line_needs_one_however_slow_it_is_and_however_large_the_messages_are() {
        let (kib, mib) = (1 << 10, 1 << 20);
        let lines = [(2e5, 8 * kib), (2e5, 64 * kib), (2e6, 8 * kib), (2e6, 256 * kib), (2e6, mib), (1e8, 256 * kib)];
        for (seed, (rate, message)) in (0..8).flat_map(|seed| lines.map(|line| (seed, line))) {
            let mut width = Width::new(Connections::Auto { most: 16 });
            let mut line = line(|_| rate, message, seed);
            let seen = line.run(&mut width, 900);
            let settled = &seen[450..];
            assert!(settled.iter().all(|connections| *connections <= 2), "{rate} {message} {seed}: {seen:?}");
        }
    }

    #[test]
    fn a_line_too_slow_to_judge_keeps_what_it_has() {
        let mut width = Width::new(Connections::Auto { most: 16 });
        let mut line = line(|_| 2e5, 1 << 20, 1);
        assert!(line.run(&mut width, 900).iter().all(|connections| *connections == 4));
    }

    #[test]
    fn nothing_is_judged_while_something_else_holds_it_back() {
        let mut width = Width::new(Connections::Auto { most: 8 });
        for second in 0..600 {
            let now = Instant(Duration::from_secs(second));
            width.arrived(now, ConnectionId(0), 1_000_000);
            width.adapt(now, 1, (second % 2 == 0).then_some(Carrying { connections: 1, round_trip: Duration::ZERO }));
            assert_eq!(width.connections(1), 4);
        }
    }

    #[test]
    fn a_fixed_number_stays_and_every_source_gets_one_if_there_may_be_so_many() {
        let mut width = Width::new(Connections::Fixed(4));
        assert!(run(&mut width, 60, |connections| connections as f64).iter().all(|connections| *connections == 4));
        assert_eq!((width.connections(3), width.connections(9), width.due_at(Instant::default())), (4, 4, None));
        let automatic = Width::new(Connections::Auto { most: 6 });
        assert_eq!((automatic.connections(1), automatic.connections(5), automatic.connections(9)), (4, 5, 6));
    }

    #[test]
    fn a_new_setting_keeps_what_was_found() {
        let mut width = Width::new(Connections::Fixed(5));
        width.set(Connections::Auto { most: 8 });
        assert_eq!(width.connections(1), 5);
        width.set(Connections::Auto { most: 3 });
        assert_eq!(width.connections(1), 3);
        width.set(Connections::Fixed(0));
        assert_eq!(width.connections(1), 1);
    }
}

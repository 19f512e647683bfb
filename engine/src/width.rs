//! How many connections a transfer has when the user sets no number. It adds one while that carries more, and removes
//! one while the rest carry as much.
//!
//! It climbs in steps of one, judged by the bytes that arrive. A link that shares its rate by connection carries more
//! with more of them. A full link does not, and every connection costs both sides memory and time. A step is judged
//! only while nothing else held the transfer back.

mod delivery;

use std::time::Duration;

use self::delivery::Delivery;
use crate::{ConnectionId, Instant};

/// How many connections a transfer may have over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// A fixed number, at least 1.
    Fixed(u8),
    /// As many as help, up to this number.
    Auto {
        /// At least 1.
        most: u8,
    },
}

/// Connections at the beginning. While one waits, the others carry data. Few transfers last long enough for a climb
/// from one.
const FIRST: u8 = 4;
/// A new connection gets its share only after a while.
const SETTLE: Duration = Duration::from_secs(1);
/// The least time for which arrivals are counted before a step is judged. On a slow line, enough of them take longer.
const COUNT: Duration = Duration::from_secs(2);
/// A step that can't be judged within this time is taken back.
const LONGEST_COUNT: Duration = Duration::from_secs(60);
/// One more connection has to carry this much more.
const GAIN: f64 = 1.06;
/// One fewer may carry this much less.
const LOSS: f64 = 0.97;
/// Time until the next step after a step that did not help. It doubles each time.
const FIRST_REST: Duration = Duration::from_secs(15);
/// The longest such time.
const LONGEST_REST: Duration = Duration::from_secs(240);

/// A step that is being judged.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    None,
    /// One more than before, when this many bytes a second arrived.
    More(f64),
    /// One fewer.
    Fewer(f64),
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
    rest: Duration,
    rested_at: Instant,
    /// Whether the next step is one fewer.
    narrows: bool,
}

impl Connections {
    fn most(self) -> u8 {
        match self {
            Self::Fixed(number) | Self::Auto { most: number } => number.max(1),
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
            rest: FIRST_REST,
            rested_at: Instant::default(),
            narrows: false,
        }
    }

    /// The user sets another number.
    pub(crate) fn set(&mut self, setting: Connections) {
        if setting != self.setting {
            let before = self.target;
            *self = Self::new(setting);
            if matches!(setting, Connections::Auto { .. }) {
                self.target = before.min(setting.most());
            }
        }
    }

    /// Connections that may be open now if `sources` can be used. Each source gets one if the total allows.
    pub(crate) fn connections(&self, sources: usize) -> usize {
        usize::from(self.target).max(sources.min(usize::from(self.setting.most())))
    }

    /// Bytes of blocks arrived on a connection.
    pub(crate) fn arrived(&mut self, now: Instant, connection: ConnectionId, bytes: u64) {
        if self.counting.is_some_and(|from| from <= now) {
            self.delivery.arrived(now, connection, bytes);
        }
    }

    /// Judges the last step and takes the next one. `carrying` is the number of connections if it limits the speed:
    /// exactly as many as allowed carry blocks, as fast as they can.
    pub(crate) fn adapt(&mut self, now: Instant, carrying: Option<usize>) {
        let Connections::Auto { most } = self.setting else { return };
        let Some((from, carrying)) = self.counting.zip(carrying) else {
            self.count_from(carrying.map(|_| now + SETTLE));
            return;
        };
        if now < from + COUNT {
            return;
        }
        let rate = self.delivery.rate(carrying);
        if rate.is_none() && now < from + LONGEST_COUNT {
            return;
        }
        self.count_from(Some(now));
        match (self.step, rate) {
            (Step::None, Some(rate)) if now >= self.rested_at => self.begin_step(now, most.max(1), rate),
            (Step::None, _) => {}
            (Step::More(before), Some(rate)) if rate >= before * GAIN => self.accept(now, most.max(1), rate),
            (Step::Fewer(before), Some(rate)) if rate >= before * LOSS => self.accept(now, most.max(1), rate),
            (Step::More(_), _) => self.take_back(now, self.target - 1),
            (Step::Fewer(_), _) => self.take_back(now, self.target + 1),
        }
    }

    fn count_from(&mut self, from: Option<Instant>) {
        self.delivery = Delivery::default();
        self.counting = from;
    }

    fn begin_step(&mut self, now: Instant, most: u8, rate: f64) {
        let (can_narrow, can_widen) = (self.target > 1, self.target < most);
        let narrows = can_narrow && (self.narrows || !can_widen);
        if !narrows && !can_widen {
            return;
        }
        self.narrows = narrows;
        self.step = if narrows { Step::Fewer(rate) } else { Step::More(rate) };
        self.target = if narrows { self.target - 1 } else { self.target + 1 };
        self.count_from(Some(now + SETTLE));
    }

    /// The step was right: the next one goes the same way.
    fn accept(&mut self, now: Instant, most: u8, rate: f64) {
        (self.step, self.rest) = (Step::None, FIRST_REST);
        let goes_on = if self.narrows { self.target > 1 } else { self.target < most };
        match goes_on {
            true => self.begin_step(now, most, rate),
            false => self.rested_at = now + self.rest,
        }
    }

    /// The step was wrong: after a while the next one goes the other way.
    fn take_back(&mut self, now: Instant, target: u8) {
        (self.step, self.target, self.narrows) = (Step::None, target, !self.narrows);
        (self.rested_at, self.rest) = (now + self.rest, (self.rest * 2).min(LONGEST_REST));
        self.count_from(Some(now + SETTLE));
    }

    /// When [`Width::adapt`] has something to do, if nothing happens before.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let from = self.counting.filter(|_| matches!(self.setting, Connections::Auto { .. }))?;
        let counted = from + COUNT;
        let due = if self.step == Step::None { counted.max(self.rested_at) } else { counted };
        [due, from + LONGEST_COUNT].into_iter().find(|due| *due > now)
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
        jitter: Jitter,
    }

    impl<F: Fn(usize) -> f64> Line<F> {
        /// Runs for a time, with every connection in the same phase. Gives the number of connections at each second.
        fn run(&mut self, width: &mut Width, seconds: u64) -> Vec<usize> {
            let (mut seen, mut turns) = (Vec::new(), Vec::<Instant>::new());
            let mut now = Instant::default();
            while (seen.len() as u64) < seconds {
                let open = width.connections(1);
                let each = Duration::from_secs_f64(self.message as f64 * open as f64 / (self.carries)(open));
                turns.resize(open, now + each);
                let (next, _) = turns.iter().enumerate().min_by_key(|(_, turn)| **turn).unwrap();
                let late = self.jitter.around(each) - each * 3 / 4;
                now = now.max(turns[next] + late);
                turns[next] = turns[next] + each;
                width.arrived(now, ConnectionId(next as u64), self.message);
                width.adapt(now, Some(open));
                seen.resize(now.0.as_secs() as usize, open);
            }
            seen
        }
    }

    /// Runs on a line of small messages.
    fn run(width: &mut Width, seconds: u64, carries: impl Fn(usize) -> f64) -> Vec<usize> {
        Line { carries, message: 64 << 10, jitter: Jitter::new(1) }.run(width, seconds)
    }

    #[test]
    fn more_are_used_while_each_carries_its_own() {
        let mut width = Width::new(Connections::Auto { most: 8 });
        let seen = run(&mut width, 40, |connections| connections as f64 * 5e6);
        assert_eq!(seen[0], 4);
        assert_eq!(seen.iter().max(), Some(&8));
        assert!(seen.windows(2).all(|pair| pair[1].abs_diff(pair[0]) <= 1), "{seen:?}");
    }

    #[test]
    fn a_full_link_gets_no_more_than_it_needs() {
        let mut width = Width::new(Connections::Auto { most: 8 });
        let seen = run(&mut width, 600, |connections| (connections as f64 * 5e6).min(20e6));
        let settled = &seen[60..];
        assert!(settled.iter().all(|connections| (3..=5).contains(connections)), "{settled:?}");
        assert!(settled.iter().filter(|connections| **connections == 4).count() > settled.len() * 3 / 4, "{settled:?}");
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
            let mut line = Line { carries: |_| rate, message, jitter: Jitter::new(seed) };
            let seen = line.run(&mut width, 900);
            let settled = &seen[450..];
            assert!(settled.iter().all(|connections| *connections <= 2), "{rate} {message} {seed}: {seen:?}");
        }
    }

    #[test]
    fn a_line_too_slow_to_judge_keeps_what_it_has() {
        let mut width = Width::new(Connections::Auto { most: 16 });
        let mut line = Line { carries: |_| 2e5, message: 1 << 20, jitter: Jitter::new(1) };
        assert!(line.run(&mut width, 900).iter().all(|connections| *connections == 4));
    }

    #[test]
    fn nothing_is_judged_while_something_else_holds_it_back() {
        let mut width = Width::new(Connections::Auto { most: 8 });
        for second in 0..600 {
            let now = Instant(Duration::from_secs(second));
            width.arrived(now, ConnectionId(0), 1_000_000);
            width.adapt(now, (second % 2 == 0).then_some(1));
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

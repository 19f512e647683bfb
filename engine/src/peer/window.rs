//! How much to request from one connection ahead of the data that has arrived.
//!
//! It begins with the rule of WSTP's ancestor: each arrived block requests two more. That doubles the window every
//! round trip. When the rate of delivery stops growing, the pipe is full. The window then settles at a gain times
//! bandwidth times the shortest delay. These come from a maximum filter over rounds and a minimum filter over time
//! (BBR, Cardwell et al. 2016). A larger window would only make queues longer.
//!
//! It knows neither blocks nor requests, only bytes and times.

use std::collections::VecDeque;
use std::time::Duration;

use wstp_protocol::BLOCK_SIZE;

use crate::Instant;

const INITIAL: u64 = 8 * BLOCK_SIZE;
const SMALLEST: u64 = 4 * BLOCK_SIZE;
/// Round trips on loopback are shorter than a wake-up. Below this size, the pipe runs empty between two of them.
const FLOOR: u64 = 1024 * 1024;
/// On a slow link the floor must not become seconds of queue.
const FLOOR_TIME: f64 = 0.1;
const GAIN: f64 = 2.0;
/// While the window doubles, each round's bandwidth is about half of the next one's.
const FIRST_GAIN: f64 = 4.0;
const BANDWIDTH_ROUNDS: u32 = 10;
/// A connection that lost packets may carry a tenth of what it did. Its rounds then take ten times as long, so they
/// alone would keep the old bandwidth for minutes, and a window with seconds of queue. A bandwidth therefore also ages
/// by time: in as many of the shortest round trips, and within these bounds.
const BANDWIDTH_AGE: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];
/// The least silence after which a connection counts as stalled.
const PATIENCE: Duration = Duration::from_secs(10);
/// The slowest line that does not count as stalled, in bytes a millisecond.
const SLOWEST: u64 = 4;
/// Most bytes of a request, and of those sent with it, for which the engine waits on a slow line.
const MOST_AWAITED: u64 = 128 << 10;
const MIN_DELAY_AGE: Duration = Duration::from_secs(10);
/// While the shortest delay is measured again, the window is smaller than the pipe, so that queues drain.
const PROBE_GAIN: f64 = 0.75;
/// Least growth over the best round before. A round with less does not count as growth.
const GROWTH: f64 = 1.25;
const ROUNDS_WITHOUT_GROWTH: u32 = 3;
/// Doubling ends when a request waited for so many of the shortest round trips, and for a time beyond them. The window
/// is far larger than the pipe then, and its rounds take so long that growth would be seen to end too late.
const MOST_WAIT: u32 = 4;
const WAIT_MARGIN: Duration = Duration::from_millis(100);

/// The state when a request was sent. It comes back with the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    sent: Instant,
    delivered: u64,
    delivered_at: Instant,
    limited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Doubles every round trip.
    SlowStart,
    /// Follows bandwidth times delay.
    Steady,
    /// Drains the queue, to see the shortest delay again. Only requests sent since it began show it, because they are
    /// sent once the queue is drained. `until` is how much is delivered at the end, once one of them was answered.
    Probe { began: Instant, until: Option<u64> },
}

/// A measured bandwidth.
#[derive(Clone, Copy, Debug)]
struct Bandwidth {
    round: u64,
    at: Instant,
    /// Bytes a second.
    rate: f64,
}

/// The window of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    mode: Mode,
    size: u64,
    delivered: u64,
    delivered_at: Instant,
    /// A request sent after this much was delivered belongs to the next round.
    round_end: u64,
    round: u64,
    /// The best first, each later one slower.
    bandwidth: VecDeque<Bandwidth>,
    full_bandwidth: f64,
    rounds_without_growth: u32,
    min_delay: Option<Duration>,
    min_delay_at: Instant,
    smoothed: Option<Duration>,
    /// Until this much is delivered, the sender had too little to request, so rates say nothing about the pipe.
    limited_until: u64,
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            mode: Mode::SlowStart,
            size: INITIAL,
            delivered: 0,
            delivered_at: now,
            round_end: 0,
            round: 0,
            bandwidth: VecDeque::new(),
            full_bandwidth: 0.0,
            rounds_without_growth: 0,
            min_delay: None,
            min_delay_at: now,
            smoothed: None,
            limited_until: 0,
        }
    }

    /// Bytes that may be in flight, at most `cap`.
    pub(crate) fn size(&self, cap: u64) -> u64 {
        self.size.min(cap.max(BLOCK_SIZE))
    }

    /// How many blocks one request should carry: a power of two, so that several requests fit into the window.
    pub(crate) fn run_blocks(&self, cap: u64) -> u32 {
        let quarter = (self.size(cap) / BLOCK_SIZE / 4).clamp(1, 1 << 16) as u32;
        1 << quarter.ilog2()
    }

    /// The smoothed round trip of requests.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The shortest round trip of requests, which waited in no queue.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.min_delay
    }

    /// Silence after which a connection counts as stalled when its next answer may be for this many bytes.
    pub(crate) fn patience(&self, awaited: u64) -> Duration {
        let usual = PATIENCE.max(self.smoothed.unwrap_or_default() * 4);
        usual + Duration::from_millis(awaited.min(MOST_AWAITED) / SLOWEST)
    }

    /// A request is sent while `in_flight` bytes are in flight.
    pub(crate) fn sent(&mut self, now: Instant, in_flight: u64) -> Stamp {
        if in_flight == 0 {
            self.delivered_at = now;
        }
        Stamp {
            sent: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            limited: self.delivered < self.limited_until,
        }
    }

    /// The window had room, and nothing was left to request.
    pub(crate) fn nothing_to_ask(&mut self, in_flight: u64) {
        self.limited_until = self.delivered + in_flight.max(1);
    }

    /// The answer to a request arrived.
    pub(crate) fn arrived(&mut self, now: Instant, stamp: &Stamp, bytes: u64) {
        self.delivered += bytes;
        self.delivered_at = now;
        self.note_delay(now, now - stamp.sent);
        let new_round = stamp.delivered >= self.round_end;
        if new_round {
            self.round += 1;
            self.round_end = self.delivered;
        }
        self.note_bandwidth(now, stamp);
        if self.mode == Mode::SlowStart {
            if stamp.limited {
                return;
            }
            let grown = self.size.saturating_add(bytes).min(self.most_at_first());
            self.size = self.size.max(grown);
            if new_round {
                self.look_for_growth();
            }
            if now - stamp.sent > self.min_delay.unwrap_or_default() * MOST_WAIT + WAIT_MARGIN {
                self.mode = Mode::Steady;
            }
        } else {
            self.follow(now, stamp);
        }
    }

    /// The answer to a request came without the bytes. It shows the delay, and nothing of the line.
    pub(crate) fn answered_without_data(&mut self, now: Instant, stamp: &Stamp, in_flight: u64) {
        self.note_delay(now, now - stamp.sent);
        self.nothing_to_ask(in_flight);
    }

    fn note_delay(&mut self, now: Instant, delay: Duration) {
        self.smoothed = Some(self.smoothed.map_or(delay, |smoothed| (smoothed * 7 + delay) / 8));
        if self.min_delay.is_none_or(|least| delay <= least) {
            self.min_delay = Some(delay);
            self.min_delay_at = now;
        }
    }

    fn note_bandwidth(&mut self, now: Instant, stamp: &Stamp) {
        let interval = now - stamp.delivered_at;
        if interval.is_zero() {
            return;
        }
        let rate = (self.delivered - stamp.delivered) as f64 / interval.as_secs_f64();
        if stamp.limited && rate < self.best_bandwidth() {
            return;
        }
        while self.bandwidth.back().is_some_and(|slower| slower.rate <= rate) {
            self.bandwidth.pop_back();
        }
        self.bandwidth.push_back(Bandwidth { round: self.round, at: now, rate });
        let age = (self.min_delay.unwrap_or_default() * BANDWIDTH_ROUNDS).clamp(BANDWIDTH_AGE[0], BANDWIDTH_AGE[1]);
        let is_old = |old: &Bandwidth| old.round + u64::from(BANDWIDTH_ROUNDS) < self.round || now - old.at > age;
        while self.bandwidth.len() > 1 && self.bandwidth.front().is_some_and(is_old) {
            self.bandwidth.pop_front();
        }
    }

    fn best_bandwidth(&self) -> f64 {
        self.bandwidth.front().map_or(0.0, |best| best.rate)
    }

    /// The size at which doubling ends even before growth is seen to end, so that it does not fill seconds of queue.
    fn most_at_first(&self) -> u64 {
        let best = self.best_bandwidth();
        let pipe = best * self.min_delay.unwrap_or_default().as_secs_f64();
        let floor = ((best * FLOOR_TIME) as u64).min(FLOOR);
        ((pipe * FIRST_GAIN) as u64).max(floor).max(2 * INITIAL)
    }

    fn look_for_growth(&mut self) {
        let best = self.best_bandwidth();
        if best >= self.full_bandwidth * GROWTH {
            self.full_bandwidth = best;
            self.rounds_without_growth = 0;
            return;
        }
        self.rounds_without_growth += 1;
        if self.rounds_without_growth >= ROUNDS_WITHOUT_GROWTH {
            self.mode = Mode::Steady;
        }
    }

    fn follow(&mut self, now: Instant, stamp: &Stamp) {
        let least = self.min_delay.unwrap_or_default();
        let best = self.best_bandwidth();
        let pipe = best * least.as_secs_f64();
        match self.mode {
            Mode::Steady if now - self.min_delay_at > MIN_DELAY_AGE => {
                self.mode = Mode::Probe { began: now, until: None };
                self.size = ((pipe * PROBE_GAIN) as u64).max(SMALLEST);
            }
            Mode::Probe { began, until: None } => {
                if stamp.sent > began {
                    (self.min_delay, self.min_delay_at) = (Some(now - stamp.sent), now);
                    self.mode = Mode::Probe { began, until: Some(self.delivered + self.size) };
                }
            }
            Mode::Probe { until: Some(until), .. } if self.delivered < until => {}
            _ => {
                self.mode = Mode::Steady;
                let floor = ((best * FLOOR_TIME) as u64).min(FLOOR);
                self.size = ((pipe * GAIN) as u64).max(floor).max(SMALLEST);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A pipe of one rate and delay, kept as full as the window allows. Returns the window and the delivered bytes.
    fn run(bytes_per_second: f64, delay: Duration, seconds: u64, cap: u64) -> (Window, u64) {
        let mut window = Window::new(Instant::default());
        let delivered = go_on(&mut window, Instant::default(), bytes_per_second, delay, seconds, cap);
        (window, delivered)
    }

    /// The same with a window from before, and nothing in flight.
    fn go_on(
        window: &mut Window,
        begin: Instant,
        bytes_per_second: f64,
        delay: Duration,
        seconds: u64,
        cap: u64,
    ) -> u64 {
        let mut now = begin;
        let end = now + Duration::from_secs(seconds);
        let mut queue: VecDeque<(Instant, Stamp, u64)> = VecDeque::new();
        let (mut in_flight, mut free_at, mut delivered) = (0, now, 0);
        while now < end {
            let run = u64::from(window.run_blocks(cap).min(32)) * BLOCK_SIZE;
            while in_flight == 0 || in_flight + run <= window.size(cap) {
                let stamp = window.sent(now, in_flight);
                let start = free_at.max(now + delay);
                free_at = start + Duration::from_secs_f64(run as f64 / bytes_per_second);
                queue.push_back((free_at, stamp, run));
                in_flight += run;
            }
            let (at, stamp, run) = queue.pop_front().unwrap();
            now = at;
            in_flight -= run;
            delivered += run;
            window.arrived(now, &stamp, run);
        }
        delivered
    }

    #[test]
    fn the_window_doubles_each_round_trip_at_first() {
        let mut now = Instant::default();
        let mut window = Window::new(now);
        for _ in 0..6 {
            let before = window.size(u64::MAX);
            let stamp = window.sent(now, 0);
            now = now + Duration::from_millis(100);
            window.arrived(now, &stamp, before);
            assert_eq!(window.size(u64::MAX), 2 * before);
        }
    }

    #[test]
    fn a_long_fat_pipe_is_filled() {
        let (window, delivered) = run(25e6, Duration::from_millis(100), 30, 64 * MIB);
        assert!(delivered as f64 > 0.95 * 25e6 * 30.0, "{delivered}");
        assert!(window.size(u64::MAX) < 8 * MIB, "{}", window.size(u64::MAX));
    }

    #[test]
    fn a_connection_that_became_slow_has_no_seconds_of_queue_soon_after() {
        let delay = Duration::from_millis(100);
        let (mut window, _) = run(8e6, delay, 5, 4 * MIB);
        assert!(window.size(u64::MAX) > 1_000_000, "{}", window.size(u64::MAX));
        go_on(&mut window, Instant(Duration::from_secs(5)), 250e3, delay, 8, 4 * MIB);
        assert!(window.size(u64::MAX) <= 100_000, "{}", window.size(u64::MAX));
    }

    #[test]
    fn doubling_ends_once_requests_wait_although_a_round_takes_long() {
        let delay = Duration::from_millis(100);
        let (mut window, _) = run(12e6, delay, 1, 64 * MIB);
        assert_eq!(window.mode, Mode::SlowStart);
        // It lost packets, and carries a tenth from here on.
        go_on(&mut window, Instant(Duration::from_secs(1)), 1e6, delay, 2, 64 * MIB);
        assert!(window.size(u64::MAX) <= 400_000, "{}", window.size(u64::MAX));
    }

    #[test]
    fn a_slow_link_gets_no_seconds_of_queue() {
        let (window, delivered) = run(100e3, Duration::from_millis(50), 60, 64 * MIB);
        assert!(delivered as f64 > 0.9 * 100e3 * 60.0, "{delivered}");
        assert!(window.size(u64::MAX) <= 200_000, "{}", window.size(u64::MAX));
    }

    #[test]
    fn loopback_keeps_the_floor() {
        let (window, _) = run(500e6, Duration::from_micros(50), 2, 64 * MIB);
        assert!(window.size(u64::MAX) >= FLOOR, "{}", window.size(u64::MAX));
    }

    #[test]
    fn the_cap_holds() {
        let (window, _) = run(500e6, Duration::from_millis(50), 5, 2 * MIB);
        assert_eq!(window.size(2 * MIB), 2 * MIB);
    }

    /// Requests a block only every 100 ms; each is answered after `delay`.
    fn dawdle(window: &mut Window, mut now: Instant, delay: Duration, rounds: u32) {
        for _ in 0..rounds {
            window.nothing_to_ask(0);
            let stamp = window.sent(now, 0);
            window.arrived(now + delay, &stamp, BLOCK_SIZE);
            now = now + Duration::from_millis(100);
        }
    }

    #[test]
    fn a_sender_with_little_to_ask_for_leaves_the_window_as_it_is() {
        let delay = Duration::from_millis(50);
        let (mut window, _) = run(25e6, delay, 20, 64 * MIB);
        let before = window.size(u64::MAX);
        // This lasts longer than the engine believes a measured shortest delay.
        dawdle(&mut window, Instant(Duration::from_secs(20)), delay, 300);
        let after = window.size(u64::MAX);
        assert!(after >= before / 2 && after <= before * 2, "{after} after {before}");
    }

    #[test]
    fn a_sender_with_little_to_ask_for_from_the_start_has_nothing_to_grow_for() {
        let mut window = Window::new(Instant::default());
        dawdle(&mut window, Instant::default(), Duration::from_millis(50), 300);
        assert_eq!(window.size(u64::MAX), INITIAL);
        assert_eq!(window.mode, Mode::SlowStart);
    }
}

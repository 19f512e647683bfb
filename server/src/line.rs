//! How fast a client takes what it asks for, on all its connections together.
//!
//! The socket's buffers hold what a client on several connections has under way, so the sender hardly ever waits for a
//! slow line. The time from one frame to the next shows the line instead: a client asks for more as frames arrive. A
//! single connection shows little, because its frames come in bursts while the others pause.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second below which a line is slow: a quarter of a gigabit. One processor compresses several times as fast.
const SLOW: f64 = 32e6;
/// Bytes before anything is said: a client begins with a small window.
const FIRST: u64 = 128 << 10;
/// The most that one pause counts. The client may have wanted nothing.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Bytes after which those before count for a third.
const MEMORY: f64 = 2e6;

/// The way to a caller. It counts as fast until it is known.
#[derive(Debug, Default)]
pub struct Line {
    meter: Mutex<Meter>,
    is_slow: AtomicBool,
}

/// The last bytes count most, and the time that they took.
#[derive(Debug, Default)]
struct Meter {
    bytes: f64,
    seconds: f64,
    sent: u64,
    last: Option<Instant>,
}

impl Line {
    /// Whether it is slow, as far as is known.
    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Relaxed)
    }

    /// A frame of so many bytes is sent.
    pub fn sent(&self, bytes: u64, now: Instant) {
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes_per_second) = meter.sent(bytes, now) {
            self.is_slow.store(bytes_per_second < SLOW, Relaxed);
        }
    }
}

impl Meter {
    /// Bytes a second, once enough are sent.
    fn sent(&mut self, bytes: u64, now: Instant) -> Option<f64> {
        let pause = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last).min(LONGEST_PAUSE));
        self.last = Some(now);
        self.sent = self.sent.saturating_add(bytes);
        let kept = (-(bytes as f64) / MEMORY).exp();
        self.bytes = self.bytes * kept + bytes as f64;
        self.seconds = self.seconds * kept + pause.as_secs_f64();
        (self.sent >= FIRST).then(|| self.bytes / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 256 << 10;

    struct Sender {
        line: Line,
        now: Instant,
    }

    impl Sender {
        fn new() -> Self {
            Self { line: Line::default(), now: Instant::now() }
        }

        /// Sends frames, one after each pause.
        fn send(&mut self, frames: u32, pause: Duration) {
            for _ in 0..frames {
                self.now += pause;
                self.line.sent(FRAME, self.now);
            }
        }
    }

    const FAST: Duration = Duration::from_micros(500);
    /// 12 MB/s, which is 100 Mbit/s.
    const OF_100_MBIT: Duration = Duration::from_millis(21);

    #[test]
    fn a_line_is_slow_while_frames_go_slowly() {
        let mut sender = Sender::new();
        assert!(!sender.line.is_slow(), "nothing is known");
        sender.send(2, OF_100_MBIT);
        assert!(sender.line.is_slow());
        sender.send(40, FAST);
        assert!(!sender.line.is_slow());
        sender.send(20, OF_100_MBIT);
        assert!(sender.line.is_slow());
    }

    #[test]
    fn a_long_pause_is_soon_forgotten() {
        let mut sender = Sender::new();
        sender.send(20, FAST);
        sender.send(1, Duration::from_secs(3600));
        sender.send(40, FAST);
        assert!(!sender.line.is_slow());
    }

    #[test]
    fn bursts_show_the_line_by_the_pauses_between_them() {
        let mut sender = Sender::new();
        for _ in 0..10 {
            sender.send(1, 8 * OF_100_MBIT);
            sender.send(7, Duration::ZERO);
        }
        assert!(sender.line.is_slow());
    }

    #[test]
    fn small_answers_show_nothing_at_first() {
        let sender = Sender::new();
        sender.line.sent(FIRST / 2, sender.now);
        sender.line.sent(FIRST / 2 - 1, sender.now + LONGEST_PAUSE);
        assert!(!sender.line.is_slow());
    }
}

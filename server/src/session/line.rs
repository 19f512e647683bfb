//! How fast a client takes what it asks for.
//!
//! The socket's buffers hold what a client on several connections has under way, so the sender hardly ever waits for a
//! slow line. The time from one frame to the next shows the line instead: a client asks for more as frames arrive.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second below which a line is slow: a quarter of a gigabit. One processor compresses several times as fast.
const SLOW: u64 = 32_000_000;
/// Bytes of a connection before anything is said: a client begins with a small window, on several connections at once.
const FIRST: u64 = 128 << 10;
/// The most that one pause counts. The client may have wanted nothing.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Every frame, those before count for an eighth less.
const MEMORY: f64 = 0.875;

/// The speed of a line; the last frames count most.
#[derive(Debug)]
pub struct Line {
    bytes_per_second: AtomicU64,
}

/// Measures a line for the one that sends.
#[derive(Debug)]
pub struct Meter {
    bytes: f64,
    seconds: f64,
    sent: u64,
    last: Instant,
}

impl Default for Line {
    /// A line counts as fast until it is known.
    fn default() -> Self {
        Self { bytes_per_second: AtomicU64::new(u64::MAX) }
    }
}

impl Line {
    /// Whether `connections` of this kind are slow together.
    pub fn is_slow(&self, connections: u64) -> bool {
        self.bytes_per_second.load(Relaxed).saturating_mul(connections.max(1)) < SLOW
    }
}

impl Meter {
    /// Nothing is sent yet.
    pub fn new(now: Instant) -> Self {
        Self { bytes: 0.0, seconds: 0.0, sent: 0, last: now }
    }

    /// A frame of so many bytes is sent.
    pub fn sent(&mut self, line: &Line, bytes: u64, now: Instant) {
        let pause = (now - self.last).min(LONGEST_PAUSE);
        self.last = now;
        self.sent = self.sent.saturating_add(bytes);
        self.bytes = self.bytes * MEMORY + bytes as f64;
        self.seconds = self.seconds * MEMORY + pause.as_secs_f64();
        if self.sent >= FIRST {
            line.bytes_per_second.store((self.bytes / self.seconds) as u64, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 256 << 10;

    struct Sender {
        line: Line,
        meter: Meter,
        now: Instant,
    }

    impl Sender {
        fn new() -> Self {
            let now = Instant::now();
            Self { line: Line::default(), meter: Meter::new(now), now }
        }

        /// Sends frames, one after each pause.
        fn send(&mut self, frames: u32, pause: Duration) {
            for _ in 0..frames {
                self.now += pause;
                self.meter.sent(&self.line, FRAME, self.now);
            }
        }
    }

    const FAST: Duration = Duration::from_micros(500);
    /// 12 MB/s, which is 100 Mbit/s.
    const OF_100_MBIT: Duration = Duration::from_millis(21);

    #[test]
    fn a_line_is_slow_while_frames_go_slowly() {
        let mut sender = Sender::new();
        assert!(!sender.line.is_slow(1), "nothing is known");
        sender.send(1, OF_100_MBIT);
        assert!(sender.line.is_slow(1));
        sender.send(20, FAST);
        assert!(!sender.line.is_slow(1));
        sender.send(10, OF_100_MBIT);
        assert!(sender.line.is_slow(1));
    }

    #[test]
    fn a_long_pause_is_soon_forgotten() {
        let mut sender = Sender::new();
        sender.send(20, FAST);
        sender.send(1, Duration::from_secs(3600));
        sender.send(20, FAST);
        assert!(!sender.line.is_slow(1));
    }

    #[test]
    fn connections_share_a_line() {
        let mut sender = Sender::new();
        sender.send(50, OF_100_MBIT);
        assert!(sender.line.is_slow(2));
        assert!(!sender.line.is_slow(3));
    }
}

//! How fast a connection takes what it is sent.
//!
//! The time that counts is the time for which the sender had to wait. A client that takes everything at once has a fast
//! line, however little it asks for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second below which a line is slow: a quarter of a gigabit. One processor compresses several times as fast.
const SLOW: u64 = 32_000_000;
/// Every frame, those before count for an eighth less.
const MEMORY: f64 = 0.875;

/// What is known about a line; the last frames count most.
#[derive(Debug)]
pub struct Line {
    bytes_per_second: AtomicU64,
}

/// Measures a line for the one that sends.
#[derive(Debug, Default)]
pub struct Meter {
    bytes: f64,
    seconds: f64,
}

impl Default for Line {
    /// A line counts as fast until a sender had to wait.
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
    /// So many bytes were sent, and the sender waited for so long.
    pub fn sent(&mut self, line: &Line, bytes: u64, waited: Duration) {
        if bytes == 0 {
            return;
        }
        self.bytes = self.bytes * MEMORY + bytes as f64;
        self.seconds = self.seconds * MEMORY + waited.as_secs_f64();
        line.bytes_per_second.store((self.bytes / self.seconds) as u64, Relaxed);
    }
}

/// The outcome of `work`, and for how long it waited. A processor that is busy with the work does not wait.
pub async fn timed<F: Future>(work: F) -> (F::Output, Duration) {
    let (mut work, mut began) = (pin!(work), None);
    let outcome = poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            began.get_or_insert_with(Instant::now);
        }
        polled
    });
    let outcome = outcome.await;
    (outcome, began.map_or(Duration::ZERO, |began| began.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 256 << 10;

    fn send(meter: &mut Meter, line: &Line, frames: u32, waited_ms: u64) {
        (0..frames).for_each(|_| meter.sent(line, FRAME, Duration::from_millis(waited_ms)));
    }

    #[test]
    fn a_line_is_slow_once_its_sender_waits_and_fast_once_it_does_not() {
        let (mut meter, line) = (Meter::default(), Line::default());
        assert!(!line.is_slow(1));
        send(&mut meter, &line, 20, 0);
        assert!(!line.is_slow(1));
        // 12 MB/s, which is 100 Mbit/s.
        send(&mut meter, &line, 10, 21);
        assert!(line.is_slow(1));
        send(&mut meter, &line, 20, 0);
        assert!(!line.is_slow(1));
    }

    #[tokio::test(start_paused = true)]
    async fn only_waiting_counts() {
        assert_eq!(timed(async { 7 }).await, (7, Duration::ZERO));
        let wait = Duration::from_millis(30);
        assert_eq!(timed(tokio::time::sleep(wait)).await, ((), wait));
    }

    #[test]
    fn connections_share_a_line() {
        let (mut meter, line) = (Meter::default(), Line::default());
        // 12 MB/s on each.
        send(&mut meter, &line, 50, 21);
        assert!(line.is_slow(2));
        assert!(!line.is_slow(3));
    }
}

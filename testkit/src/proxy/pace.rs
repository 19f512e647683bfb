//! How fast bytes may follow each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::carrying::PIECE;

/// The longest delay that a late line may make up for.
const LATE: Duration = Duration::from_millis(100);

/// A line that carries so many bytes a second, which may change at any time.
#[derive(Debug)]
pub(super) struct Pace {
    rate: AtomicU64,
    /// When it is free again.
    free_at: Mutex<Instant>,
}

impl Pace {
    /// A pace of so many bytes a second; [`u64::MAX`] is as fast as can be.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: AtomicU64::new(rate), free_at: Mutex::new(Instant::now()) }
    }

    pub(super) fn set(&self, rate: u64) {
        self.rate.store(rate, Ordering::SeqCst);
    }

    /// Most bytes that pass at once: what takes a hundredth of a second.
    pub(super) fn piece(&self) -> usize {
        (self.rate.load(Ordering::SeqCst) / 100).clamp(512, PIECE as u64) as usize
    }

    /// Waits for the line to have carried what was sent before.
    pub(super) async fn wait(&self, bytes: usize) {
        let rate = self.rate.load(Ordering::SeqCst);
        if rate == u64::MAX {
            return;
        }
        let turn = {
            let mut free_at = self.free_at.lock().await;
            let now = Instant::now();
            let turn = (*free_at).max(now.checked_sub(LATE).unwrap_or(now));
            *free_at = turn + Duration::from_secs_f64(bytes as f64 / rate as f64);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_carries_what_it_is_told_to() {
        let (pace, began) = (Pace::new(1000), Instant::now());
        for _ in 0..5 {
            pace.wait(500).await;
        }
        assert_eq!(began.elapsed().as_secs(), 2, "the fifth goes once four were carried");
        assert_eq!((pace.piece(), Pace::new(u64::MAX).piece()), (512, PIECE));
        pace.set(u64::MAX);
        let before = Instant::now();
        pace.wait(1_000_000).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}

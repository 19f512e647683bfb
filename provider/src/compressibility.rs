//! Whether it is worth trying to compress the next bytes of a file.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that are sent as they are after the first ones that did not compress: 4 MiB. Twice as many each further time.
const FIRST_PAUSE: u64 = 4 << 20;
/// Most bytes that are sent as they are before another try: 64 MiB.
const LONGEST_PAUSE: u64 = 64 << 20;
/// Shorter frames gain nothing that a reader could notice.
const SHORTEST: usize = 4 << 10;

/// The findings about one file. Shared by all who read it; a race costs one try more or less.
#[derive(Debug, Default)]
pub struct Compressibility {
    /// Bytes that are left to be sent as they are.
    left: AtomicU64,
    pause: AtomicU64,
}

impl Compressibility {
    /// Most bytes that a frame may have once it is compressed: nine tenths.
    #[must_use]
    pub const fn most(length: usize) -> usize {
        length / 10 * 9
    }

    /// Whether to try a frame of this length. If not, it counts as sent as it is.
    pub fn is_worth_trying(&self, length: usize) -> bool {
        let pass_over = |left: u64| (left > 0).then(|| left.saturating_sub(length as u64));
        length >= SHORTEST && self.left.fetch_update(Relaxed, Relaxed, pass_over).is_err()
    }

    /// Remembers whether a frame became short enough.
    pub fn tried(&self, is_shorter: bool) {
        let pause = match (is_shorter, self.pause.load(Relaxed)) {
            (true, _) => 0,
            (false, 0) => FIRST_PAUSE,
            (false, pause) => (pause * 2).min(LONGEST_PAUSE),
        };
        self.pause.store(pause, Relaxed);
        self.left.store(pause, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: usize = 256 << 10;

    /// How many runs go as they are before the next one is tried.
    fn passed_over(known: &Compressibility) -> u64 {
        (0..10_000).take_while(|_| !known.is_worth_trying(RUN)).count() as u64
    }

    #[test]
    fn a_file_that_does_not_compress_is_tried_ever_less_often() {
        let known = Compressibility::default();
        for pause in [0, 4, 8, 16, 32, 64, 64] {
            assert_eq!(passed_over(&known), pause * 4);
            known.tried(false);
        }
    }

    #[test]
    fn a_file_that_compresses_is_tried_each_time() {
        let known = Compressibility::default();
        known.tried(false);
        passed_over(&known);
        known.tried(true);
        assert_eq!(passed_over(&known), 0);
        known.tried(false);
        assert_eq!(passed_over(&known), 16);
    }

    #[test]
    fn a_short_answer_is_never_tried() {
        assert!(!Compressibility::default().is_worth_trying(SHORTEST - 1));
        assert!(Compressibility::default().is_worth_trying(SHORTEST));
    }
}

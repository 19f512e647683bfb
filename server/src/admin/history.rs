//! The bytes a second of the last hour.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use wstp_admin_messages::{HISTORY, HISTORY_STEP};

/// Remembers how much was sent.
#[derive(Default)]
pub struct History(Mutex<Samples>);

#[derive(Default)]
struct Samples {
    sent: u64,
    rate: u64,
    points: VecDeque<u64>,
    /// Seconds and bytes of the point that is not complete.
    part: (u64, u64),
}

impl History {
    /// Takes note of the bytes that were sent since the start. A second has passed since the last time.
    pub fn sample(&self, sent: u64) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.rate = sent.saturating_sub(samples.sent);
        samples.sent = sent;
        samples.part = (samples.part.0 + 1, samples.part.1 + samples.rate);
        if samples.part.0 == HISTORY_STEP {
            if samples.points.len() == HISTORY {
                samples.points.pop_front();
            }
            let point = samples.part.1 / HISTORY_STEP;
            samples.points.push_back(point);
            samples.part = (0, 0);
        }
    }

    /// Bytes of the last second, bytes since the start, and a point for each half minute of the last hour.
    pub fn shown(&self) -> (u64, u64, Vec<u64>) {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (samples.rate, samples.sent, samples.points.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minute_makes_a_point_and_an_hour_is_kept() {
        let history = History::default();
        for second in 1..=HISTORY_STEP {
            history.sample(second * 100);
        }
        assert_eq!(history.shown(), (100, HISTORY_STEP * 100, vec![100]));
        history.sample(HISTORY_STEP * 100);
        assert_eq!(history.shown(), (0, HISTORY_STEP * 100, vec![100]));
        for _ in 0..HISTORY_STEP * (HISTORY as u64 + 5) {
            history.sample(HISTORY_STEP * 100);
        }
        assert_eq!(history.shown().2, vec![0; HISTORY]);
    }
}

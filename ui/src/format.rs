//! Numbers for people.

pub use wstp_words::units::{bytes, duration, rate};

/// Whole percent, rounded down, so that 100 means everything. A share of nothing is 100.
pub fn percent(done: u64, total: u64) -> u8 {
    if done >= total {
        return 100;
    }
    let share = u128::from(done) * 100 / u128::from(total);
    u8::try_from(share).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_two_units_at_most() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.2, "1 s"),
            (59.0, "59 s"),
            (60.0, "1 min"),
            (80.0, "1 min 20 s"),
            (3600.0, "1 h"),
            (7500.0, "2 h 5 min"),
            (273_600.0, "3 d 4 h"),
            (1e9, "a long time"),
            (f64::INFINITY, "a long time"),
            (f64::NAN, "a long time"),
            (-3.0, "0 s"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(999, 1000), 99);
        assert_eq!(percent(1000, 1000), 100);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }
}

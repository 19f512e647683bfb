//! Sizes and speeds for people.
//!
//! They are decimal (1 kB is 1,000 B), so that the units mean what they say. They have three figures, so that a column
//! of them has one width.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size: `0 B`, `8.19 kB`, `1.07 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    in_english(count as f64)
}

/// A speed in bytes a second: `12.3 MB/s`. Not a number, or below one byte a second, is `0 B/s`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    let rate = if bytes_per_second >= 1.0 { bytes_per_second } else { 0.0 };
    format!("{}/s", in_english(rate))
}

fn in_english(count: f64) -> String {
    let (value, decimals, unit) = scaled(count);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// Three figures of a count of bytes: the value, its decimals, and the unit, 0 for bytes and 6 for exabytes.
#[must_use]
pub fn scaled(count: f64) -> (f64, usize, usize) {
    let (mut value, mut unit) = (count, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if unit == 0 {
        0
    } else if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    (value, decimals, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_figures_and_the_right_unit() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (8192, "8.19 kB"),
            (9_995, "10.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (1 << 30, "1.07 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn speeds_survive_odd_numbers() {
        for (speed, text) in [
            (0.0, "0 B/s"),
            (-5.0, "0 B/s"),
            (f64::NAN, "0 B/s"),
            (12.4, "12 B/s"),
            (999.4, "999 B/s"),
            (999.9, "1.00 kB/s"),
            (23_400_000.0, "23.4 MB/s"),
        ] {
            assert_eq!(rate(speed), text, "{speed}");
        }
        assert!(rate(f64::INFINITY).ends_with("EB/s"));
    }
}

//! Numbers for people. Pure; nothing here knows of a browser.

pub use wstp_text::units::{bytes, rate};

/// A span of time in its two largest units: `4 s`, `1 min 20 s`, `2 h 5 min`, `3 d 4 h`. More than 99 days is
/// `a long time`.
pub fn duration(seconds: f64) -> String {
    const LONGEST: f64 = 100.0 * 86_400.0;
    if seconds.is_nan() || seconds >= LONGEST {
        return "a long time".to_owned();
    }
    let whole = seconds.max(0.0).ceil() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => two(minutes, "min", rest, "s"),
        (0, ..) => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

/// Whole percent, rounded down, so that 100 means everything. A share of nothing is 100.
pub fn percent(done: u64, total: u64) -> u8 {
    if done >= total {
        return 100;
    }
    let share = u128::from(done) * 100 / u128::from(total);
    u8::try_from(share).unwrap_or(100)
}

/// A whole number with its thousands set apart: `100,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 file`, `2 files`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
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

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(100_000, "file", "files"), "100,000 files");
    }
}

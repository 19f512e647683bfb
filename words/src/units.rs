//! Sizes, speeds and spans of time.

use wstp_text::units::scaled;

use crate::language;

/// The keys of the units, each a thousand of the one before.
const UNITS: [&str; 7] = ["size_b", "size_kb", "size_mb", "size_gb", "size_tb", "size_pb", "size_eb"];

/// A size: `0 B`, `8.19 kB`, `1.07 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let (value, decimals, unit) = scaled(count as f64);
    language::word(UNITS[unit]).replace("$1", &language::number(value, decimals))
}

/// A speed in bytes a second: `12.3 MB/s`. Not a number, or below one byte a second, is `0 B/s`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    let whole = if bytes_per_second >= 1.0 { bytes_per_second.round() as u64 } else { 0 };
    language::word("per_second").replace("$1", &bytes(whole))
}

/// A span of time in its two largest units: `4 s`, `1 min 20 s`, `2 h 5 min`, `3 d 4 h`. More than 99 days is
/// `a long time`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    const LONGEST: f64 = 100.0 * 86_400.0;
    if seconds.is_nan() || seconds >= LONGEST {
        return language::word("long_time");
    }
    let whole = seconds.max(0.0).ceil() as u64;
    let parts =
        [("days", whole / 86_400), ("hours", whole / 3600 % 24), ("minutes", whole / 60 % 60), ("seconds", whole % 60)];
    let first = parts.iter().position(|(_, number)| *number > 0).unwrap_or(parts.len() - 1);
    let said = |(unit, number): (&str, u64)| language::word(unit).replace("$1", &language::number(number as f64, 0));
    match parts.get(first + 1) {
        Some((unit, number)) if *number > 0 => {
            let two = language::word("two_units");
            two.replace("$1", &said(parts[first])).replace("$2", &said((unit, *number)))
        }
        _ => said(parts[first]),
    }
}

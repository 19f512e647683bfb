//! The `Range` of a request (RFC 9110, section 14.2): one range of bytes.

use std::ops::Range;

/// The bytes of a file that a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: the request has no range, or one that is ignored.
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Unsatisfiable,
}

/// The bytes that the value of a `Range` field wants of `size` bytes. Only one well-formed range of bytes counts, as
/// section 14.2 allows. Other units, several ranges, and ranges that end before they begin are ignored.
pub fn wanted(value: &str, size: u64) -> Wanted {
    parse(value, size).unwrap_or(Wanted::Whole)
}

fn parse(value: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (number(first)?, number(last)?) {
        (None, None) => None,
        (None, Some(0)) => Some(Wanted::Unsatisfiable),
        // A file without bytes has no last ones, but the range counts as satisfiable (section 14.1.2).
        (None, Some(_)) if size == 0 => Some(Wanted::Whole),
        (None, Some(suffix)) => Some(Wanted::Part(size.saturating_sub(suffix)..size)),
        (Some(first), Some(last)) if last < first => None,
        (Some(first), _) if first >= size => Some(Wanted::Unsatisfiable),
        (Some(first), last) => Some(Wanted::Part(first..last.map_or(size, |last| size.min(last.saturating_add(1))))),
    }
}

/// Digits or nothing; a number larger than any file counts as the largest.
fn number(digits: &str) -> Option<Option<u64>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (value, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("BYTES=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-100", 2..10),
            ("bytes=2-99999999999999999999999", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-100", 0..10),
            ("bytes= 9-9 ", 9..10),
        ] {
            assert_eq!(wanted(value, 10), Wanted::Part(part), "{value}");
        }
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=+1-2",
            "bytes=1--2",
            "lines=0-1",
            "bytes 0-1",
            "bytes=0x1-2",
            "bytes=\u{661}-2",
        ] {
            assert_eq!(wanted(value, 10), Wanted::Whole, "{value}");
        }
        assert_eq!(wanted("bytes=-5", 0), Wanted::Whole);
    }

    #[test]
    fn a_range_past_the_end_can_not_be_satisfied() {
        for value in ["bytes=10-", "bytes=10-11", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(wanted(value, 10), Wanted::Unsatisfiable, "{value}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
    }
}

//! The `Range` of a request (RFC 9110, section 14.2): ranges of bytes.

use std::ops::Range;

/// Most ranges in one answer. A request for more brings the whole, as section 17.15 allows.
const MAX_PARTS: usize = 64;

/// The bytes of a file that a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: the request has no range, or one that is ignored.
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// These bytes, in this order. Two ranges or more, none of them empty; together they are no longer than the whole.
    Parts(Vec<Range<u64>>),
    /// Bytes that the file does not have.
    Unsatisfiable,
}

/// The result of one range of a request.
enum One {
    Part(Range<u64>),
    Unsatisfiable,
}

/// The bytes that the value of a `Range` field wants of `size` bytes. Other units, ranges that end before they begin,
/// and ranges that are longer than the whole or too many are ignored. If several are wanted, those that the file has
/// are sent.
pub fn wanted(value: &str, size: u64) -> Wanted {
    let Some(parts) = parse(value, size) else { return Wanted::Whole };
    match <[Range<u64>; 1]>::try_from(parts) {
        Ok([part]) => Wanted::Part(part),
        Err(parts) if parts.is_empty() => Wanted::Unsatisfiable,
        Err(parts) => Wanted::Parts(parts),
    }
}

/// The ranges that the file has; `None` if the field is to be ignored.
fn parse(value: &str, size: u64) -> Option<Vec<Range<u64>>> {
    let (unit, ranges) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (mut parts, mut count, mut length) = (Vec::new(), 0, 0_u64);
    // A list may have empty elements (section 5.6.1).
    for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        count += 1;
        match one(range, size)? {
            _ if count > MAX_PARTS => return None,
            One::Part(part) => {
                length = length.checked_add(part.end - part.start)?;
                parts.push(part);
            }
            One::Unsatisfiable => {}
        }
    }
    (count > 0 && length <= size).then_some(parts)
}

fn one(range: &str, size: u64) -> Option<One> {
    let (first, last) = range.split_once('-')?;
    match (number(first)?, number(last)?) {
        (None, None) => None,
        (None, Some(0)) => Some(One::Unsatisfiable),
        // A file without bytes has no last ones, but the range counts as satisfiable (section 14.1.2).
        (None, Some(_)) if size == 0 => None,
        (None, Some(suffix)) => Some(One::Part(size.saturating_sub(suffix)..size)),
        (Some(first), Some(last)) if last < first => None,
        (Some(first), _) if first >= size => Some(One::Unsatisfiable),
        (Some(first), last) => Some(One::Part(first..last.map_or(size, |last| size.min(last.saturating_add(1))))),
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
            ("bytes=0-1,", 0..2),
            ("bytes=10-11, 3-4", 3..5),
        ] {
            assert_eq!(wanted(value, 10), Wanted::Part(part), "{value}");
        }
    }

    #[test]
    fn what_is_no_range_of_bytes_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=,",
            "bytes=0-1,3-4,x",
            "bytes=0-1,5-2",
            "bytes=0-5,3-9",
            "bytes=0-9,0-9",
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
        for value in ["bytes=10-", "bytes=10-11", "bytes=99999999999999999999999-", "bytes=-0", "bytes=10-,-0,20-30"] {
            assert_eq!(wanted(value, 10), Wanted::Unsatisfiable, "{value}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn several_ranges_stay_in_their_order() {
        for (value, parts) in [
            ("bytes=0-1,3-4", vec![0..2, 3..5]),
            ("bytes=-2 , ,0-0\t,", vec![8..10, 0..1]),
            ("bytes=0-4,5-", vec![0..5, 5..10]),
            ("bytes=0-0,10-,2-2", vec![0..1, 2..3]),
        ] {
            assert_eq!(wanted(value, 10), Wanted::Parts(parts), "{value}");
        }
    }

    #[test]
    fn a_request_for_very_many_ranges_brings_the_whole() {
        let of = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|number| format!("{0}-{0}", 2 * number)).collect();
            wanted(&format!("bytes={}", ranges.join(",")), 1000)
        };
        assert!(matches!(of(64), Wanted::Parts(parts) if parts.len() == 64));
        assert_eq!(of(65), Wanted::Whole);
    }
}

//! The conditions of a request (RFC 9110, section 13), and the answer if they hold.

use std::time::SystemTime;

use headers::{ETag, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince};
use http::{HeaderMap, Method, header};

use super::byte_range::{Wanted, wanted};

/// The validators that a client may compare its copy with.
#[derive(Clone, Debug)]
pub struct Validators {
    /// A strong tag: it changes whenever the bytes may have changed.
    pub etag: ETag,
    /// The last change of the bytes, not later than now.
    pub modified: Option<SystemTime>,
    /// Bytes.
    pub size: u64,
}

/// The outcome of the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client does not want this version: 412.
    Failed,
    /// The client has this version: 304.
    NotModified,
    /// The file, or a part of it, or 416.
    Send(Wanted),
}

/// Evaluates the conditions in the order of section 13.2.2.
pub fn verdict(method: &Method, headers: &HeaderMap, file: &Validators) -> Verdict {
    if !may_proceed(headers, file) {
        Verdict::Failed
    } else if is_known(headers, file) {
        Verdict::NotModified
    } else {
        Verdict::Send(part(method, headers, file))
    }
}

fn may_proceed(headers: &HeaderMap, file: &Validators) -> bool {
    if let Some(wanted) = headers.typed_get::<IfMatch>() {
        return wanted.precondition_passes(&file.etag);
    }
    match (headers.typed_get::<IfUnmodifiedSince>(), file.modified) {
        (Some(since), Some(modified)) => since.precondition_passes(modified),
        _ => true,
    }
}

fn is_known(headers: &HeaderMap, file: &Validators) -> bool {
    if let Some(known) = headers.typed_get::<IfNoneMatch>() {
        return !known.precondition_passes(&file.etag);
    }
    match (headers.typed_get::<IfModifiedSince>(), file.modified) {
        (Some(since), Some(modified)) => !since.is_modified(modified),
        _ => false,
    }
}

/// `Range` has a meaning for `GET` only (section 14.2), and only if `If-Range` allows it (section 13.1.5).
fn part(method: &Method, headers: &HeaderMap, file: &Validators) -> Wanted {
    let range = only(headers, header::RANGE).filter(|_| *method == Method::GET && is_same_version(headers, file));
    range.map_or(Wanted::Whole, |range| wanted(range, file.size))
}

/// A file may change twice within the second that a date can tell. So only the tag proves that a part fits the client's
/// copy.
fn is_same_version(headers: &HeaderMap, file: &Validators) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let tag = only(headers, header::IF_RANGE).and_then(|value| value.parse::<ETag>().ok());
    tag.is_some_and(|tag| tag == file.etag)
}

/// The value of a field that occurs exactly once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    /// 2001-09-09 01:46:40 GMT, and a part of a second.
    const MODIFIED: Duration = Duration::from_millis(1_000_000_000_700);
    const THEN: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";

    fn of(method: Method, fields: &[(header::HeaderName, &'static str)]) -> Verdict {
        let headers =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect::<HeaderMap>();
        let etag = "\"v1\"".parse().expect("a tag");
        let file = Validators { etag, modified: Some(SystemTime::UNIX_EPOCH + MODIFIED), size: 10 };
        verdict(&method, &headers, &file)
    }

    const WHOLE: Verdict = Verdict::Send(Wanted::Whole);
    const PART: Verdict = Verdict::Send(Wanted::Part(2..10));

    #[test]
    fn a_version_that_is_not_wanted_is_not_sent() {
        for (name, value, expected) in [
            (header::IF_MATCH, "\"v1\"", WHOLE),
            (header::IF_MATCH, "\"v0\", \"v1\"", WHOLE),
            (header::IF_MATCH, "*", WHOLE),
            (header::IF_MATCH, "\"v0\"", Verdict::Failed),
            (header::IF_MATCH, "W/\"v1\"", Verdict::Failed),
            (header::IF_UNMODIFIED_SINCE, THEN, WHOLE),
            (header::IF_UNMODIFIED_SINCE, BEFORE, Verdict::Failed),
            (header::IF_UNMODIFIED_SINCE, "yesterday", WHOLE),
        ] {
            assert_eq!(of(Method::GET, &[(name.clone(), value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_version_that_is_there_is_not_sent_again() {
        for (name, value, expected) in [
            (header::IF_NONE_MATCH, "\"v1\"", Verdict::NotModified),
            (header::IF_NONE_MATCH, "W/\"v1\"", Verdict::NotModified),
            (header::IF_NONE_MATCH, "*", Verdict::NotModified),
            (header::IF_NONE_MATCH, "\"v0\"", WHOLE),
            (header::IF_MODIFIED_SINCE, THEN, Verdict::NotModified),
            (header::IF_MODIFIED_SINCE, BEFORE, WHOLE),
            (header::IF_MODIFIED_SINCE, "yesterday", WHOLE),
        ] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(of(method, &[(name.clone(), value)]), expected, "{name}: {value}");
            }
        }
        let both = [(header::IF_NONE_MATCH, "\"v0\""), (header::IF_MODIFIED_SINCE, THEN)];
        assert_eq!(of(Method::GET, &both), WHOLE);
    }

    #[test]
    fn a_part_is_sent_of_the_version_the_client_has() {
        let range = (header::RANGE, "bytes=2-");
        assert_eq!(of(Method::GET, std::slice::from_ref(&range)), PART);
        assert_eq!(of(Method::HEAD, std::slice::from_ref(&range)), WHOLE);
        assert_eq!(of(Method::GET, &[range.clone(), (header::IF_NONE_MATCH, "\"v1\"")]), Verdict::NotModified);
        for (value, expected) in
            [("\"v1\"", PART), ("\"v0\"", WHOLE), ("W/\"v1\"", WHOLE), (THEN, WHOLE), ("rubbish", WHOLE)]
        {
            assert_eq!(of(Method::GET, &[range.clone(), (header::IF_RANGE, value)]), expected, "{value}");
        }
    }
}

//! One request and its answer (RFC 9110), as far as a source of blocks needs them.

use std::ops::Range;

use bytes::Bytes;

/// Longest time that a `Retry-After` may ask for, in seconds.
const LONGEST_WAIT: u32 = 3600;

/// A `GET` to be made for a range of bytes at the file's URL. It follows redirects and wants no encoding of the
/// content, which a browser asks for wherever there is no range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest(pub Range<u64>);

/// The answer of an HTTP server (RFC 9110): the status, fields as they came, and the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<String>,
    /// `Content-Range`; without it, as a browser hides it from who may not read the site, the size is not known.
    pub content_range: Option<String>,
    /// `ETag`; a browser may hide it.
    pub etag: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// No more of the body than [`HttpRequest::most`].
    pub body: Bytes,
}

impl HttpRequest {
    /// The value of the field `Range` (RFC 9110, section 14.2).
    #[must_use]
    pub fn range(&self) -> String {
        format!("bytes={}-{}", self.0.start, self.0.end - 1)
    }

    /// Most bytes of the answer's body to read: one more than is wanted, so that a longer one shows.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.0.end - self.0.start + 1
    }
}

impl HttpAnswer {
    /// The range that the body holds, and the size of the file, if the server told them.
    pub(super) fn told_range(&self) -> Option<(Range<u64>, Option<u64>)> {
        content_range(self.content_range.as_deref()?)
    }

    /// Whether the body is said to hold another range than this one. A browser may hide the range.
    pub(super) fn is_of_another(&self, range: &Range<u64>) -> bool {
        self.content_range.is_some() && self.told_range().is_none_or(|(told, _)| told != *range)
    }

    /// The size of a file that has no first byte, from an answer of status 416.
    pub(super) fn size_without_range(&self) -> Option<u64> {
        number(self.content_range.as_deref()?.trim().strip_prefix("bytes */")?)
    }

    /// The length of a body without ranges.
    pub(super) fn length(&self) -> Option<u64> {
        self.content_length.as_deref().and_then(number)
    }

    /// A tag that changes with every byte of the file; a weak one says nothing.
    pub(super) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| etag.starts_with('"'))
    }

    /// The wait that the server asks for, in milliseconds.
    pub(super) fn wait(&self) -> Option<u32> {
        let seconds = self.retry_after.as_deref().and_then(number)?;
        Some(u32::try_from(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT) * 1000)
    }
}

/// A number in digits; what `parse` takes besides, such as a sign, is none.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The range and, if told, the size in a `Content-Range` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { None } else { Some(number(size)?) };
    Some((number(first)?..number(last)?.checked_add(1)?, size))
}

//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6).

use std::collections::VecDeque;
use std::ops::Range;

use http::HeaderValue;

use super::download::Part;

/// An answer of several parts.
pub struct Multipart {
    boundary: String,
    parts: VecDeque<Part>,
    length: u64,
}

impl Multipart {
    /// These parts of a content with this type and size.
    pub fn new(media_type: &HeaderValue, size: u64, ranges: Vec<Range<u64>>) -> Self {
        let boundary = boundary();
        let media_type = media_type.to_str().unwrap_or("application/octet-stream");
        let mut multipart = Self { boundary, parts: VecDeque::new(), length: 0 };
        for Range { start, end } in ranges {
            let line_end = if multipart.parts.is_empty() { "" } else { "\r\n" };
            multipart.between(format!(
                "{line_end}--{}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {start}-{}/{size}\r\n\r\n",
                multipart.boundary,
                end - 1
            ));
            multipart.length += end - start;
            multipart.parts.push_back(Part::Content(start..end));
        }
        multipart.between(format!("\r\n--{}--\r\n", multipart.boundary));
        multipart
    }

    /// Its own type.
    pub fn media_type(&self) -> HeaderValue {
        let media_type = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(media_type).expect("the boundary is of hexadecimal digits")
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its parts, in the order in which they are sent.
    pub fn into_parts(self) -> VecDeque<Part> {
        self.parts
    }

    fn between(&mut self, text: String) {
        self.length += text.len() as u64;
        self.parts.push_back(Part::Between(text.into()));
    }
}

/// A line that is in no file: nobody knows it before the answer.
fn boundary() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // A reader that follows the ranges needs no unknown boundary.
        tracing::debug!(%error, "the system gives no random bytes");
    }
    format!("{:032x}", u128::from_be_bytes(bytes))
}

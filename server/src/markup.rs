//! Texts of strangers in pages and addresses. A name is text, never markup.

use std::fmt::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use wstp_protocol::spelling;
use wstp_text::strangers::marked;

/// The characters that need no encoding in a path (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as markup.
pub struct Text<'a>(pub &'a str);

/// Bytes as a segment of a path or a value in a query.
pub struct Encoded<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        marked(&self.0.replace(spelling::is_stand_in, "\u{fffd}")).chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // No name is a place of a template.
            '{' => f.write_str("&#123;"),
            other => f.write_char(other),
        })
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percent_encode(self.0, UNRESERVED).fmt(f)
    }
}

//! The name under which an answer is saved: `Content-Disposition` (RFC 6266).

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use wstp_protocol::spelling;

/// The characters that need no encoding in a parameter of a header (RFC 8187, section 3.2.1).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The field for a name, as the protocol spells it. Programs such as `curl -J` know the first form only, which has a
/// likeness of other names.
pub fn attachment(name: &str) -> HeaderValue {
    // No charset fits a name of arbitrary bytes, so the field has a likeness of it.
    let name = name.replace(spelling::is_stand_in, "\u{fffd}");
    // Some programs decode percent signs, and a backslash begins an escape.
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !"\"\\%".contains(c);
    let likeness: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let exact = utf8_percent_encode(&name, ATTR_CHAR);
    let field = format!("attachment; filename=\"{likeness}\"; filename*=UTF-8''{exact}");
    HeaderValue::try_from(field).expect("both forms are plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_header_is_plain_ascii() {
        for (name, likeness, encoded) in [
            ("a.iso", "a.iso", "a.iso"),
            ("a \"b\"\r\nX: y;", "a _b___X: y;", "a%20%22b%22%0D%0AX%3A%20y%3B"),
            ("späß%", "sp___", "sp%C3%A4%C3%9F%25"),
            ("it's (*)", "it's (*)", "it%27s%20%28%2A%29"),
            ("a\\b", "a_b", "a%5Cb"),
            ("caf\u{efe9}", "caf_", "caf%EF%BF%BD"),
        ] {
            let expected = format!("attachment; filename=\"{likeness}\"; filename*=UTF-8''{encoded}");
            assert_eq!(attachment(name), expected, "{name}");
        }
    }
}

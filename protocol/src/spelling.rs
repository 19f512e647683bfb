//! Names as bytes, and their spelling as text. File systems have names that are not UTF-8, but the protocol has only
//! text.
//!
//! Each byte that is not part of valid UTF-8 is spelled as one character of U+EF80..=U+EFFF, a range for private use.
//! The lowest eight bits of the character are the byte. A character of that range in a name is spelled as its own three
//! bytes. So each name has exactly one spelling, and no two names share one. Nearly every name is UTF-8 without such
//! characters; its spelling is the name itself. The rule is local: a path is spelled name by name.

use std::borrow::Cow;

/// The character that would spell byte 0. Only bytes from 0x80 on are spelled.
const BASE: u32 = 0xef00;

/// The spelling of a name or a path.
#[must_use]
pub fn of(name: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(name) {
        Ok(text) if !text.contains(is_stand_in) => Cow::Borrowed(text),
        _ => Cow::Owned(spelled(name)),
    }
}

/// The name or path that `text` spells. `None` if it is no spelling, because another text spells the same bytes.
#[must_use]
pub fn bytes(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains(is_stand_in) {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if is_stand_in(c) => bytes.push((u32::from(c) & 0xff) as u8),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    (of(&bytes) == text).then_some(Cow::Owned(bytes))
}

/// Whether the character spells a byte.
#[must_use]
pub fn is_stand_in(c: char) -> bool {
    matches!(c, '\u{ef80}'..='\u{efff}')
}

fn spelled(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len() + 16);
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_stand_in(c) {
                text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(stand_in));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    text
}

fn stand_in(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_utf_8_is_spelled_otherwise() {
        for name in ["", "a.txt", "späß", "日本語", "\u{fffd}ff", "%ff", "\u{ee80}\u{f000}"] {
            assert!(matches!(of(name.as_bytes()), Cow::Borrowed(text) if text == name));
        }
        for (name, text) in [
            (&b"caf\xe9.txt"[..], "caf\u{efe9}.txt"),
            (b"\xff\xfe", "\u{efff}\u{effe}"),
            (b"\xc3(", "\u{efc3}("),
            ("\u{efe9}".as_bytes(), "\u{efee}\u{efbf}\u{efa9}"),
            (b"\xc3\xa4/\xe4", "\u{e4}/\u{efe4}"),
        ] {
            assert_eq!(of(name), text);
            assert_eq!(bytes(text).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_second_spelling_of_a_name_is_none() {
        for text in ["\u{efc3}\u{efa4}", "a\u{efc3}\u{efa4}\u{efff}"] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
    }
}

//! Text of strangers on a terminal: names, and words of servers.
//!
//! A terminal obeys the bytes that it is sent, so text of a server passes through here first. Control characters and
//! those that change the direction of text are written out. A name is then seen as it is.

use std::fmt::Write;

use wstp_text::strangers::is_unsafe;

pub use wstp_text::strangers::one_line;

/// A name on a terminal, so that different names look different.
#[must_use]
pub fn name(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '\\' {
            shown.push_str("\\\\");
        } else if is_unsafe(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// JSON whose strings hold nothing unsafe. Outside of strings such characters do not occur, and inside each can be
/// written as a number.
#[must_use]
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _cannot_fail = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_acts_upon_is_written_out() {
        assert_eq!(name("plain — 日本語 👩\u{200d}🚀"), "plain — 日本語 👩\u{200d}🚀");
        assert_eq!(name("\u{1b}[2Jgone\r\n\u{7}"), "\\u{1b}[2Jgone\\r\\n\\u{7}");
        assert_eq!(name("evil\u{202e}fdp.exe"), "evil\\u{202e}fdp.exe");
        assert_eq!(name("c1\u{9b}31m"), "c1\\u{9b}31m");
        assert_eq!(name("a\\nb"), "a\\\\nb");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_through(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f\u{202e}\u{e0041}\\\\]){0,60}") {
            prop_assert!(!name(&text).chars().any(is_unsafe));
            prop_assert!(!one_line(&text).chars().any(is_unsafe));
            let safe = json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!safe.chars().any(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }

        #[test]
        fn different_names_look_different(a in "[a\\\\n\\n\u{1b}]{0,4}", b in "[a\\\\n\\n\u{1b}]{0,4}") {
            prop_assert_eq!(a == b, name(&a) == name(&b));
        }
    }
}

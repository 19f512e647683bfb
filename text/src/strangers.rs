//! Text of strangers: which of its characters mislead a person, a terminal or a file system.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal acts upon the character, or a person is misled by it: controls, line ends, and Unicode's format
/// characters (category Cf). The two joiners that scripts and emoji need are not among them; see [`is_joiner`].
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b | 0x200e..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Whether it is one of the two joiners that scripts and emoji use. A text without them can still be read.
#[must_use]
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether Unicode promises that the code point never becomes a character.
#[must_use]
pub fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Hebrew, Arabic and their neighbours, and the characters that steer direction.
#[must_use]
pub fn runs_right_to_left(c: char) -> bool {
    matches!(u32::from(c), 0x0590..=0x08FF | 0x200E..=0x200F | 0x202A..=0x202E | 0x2066..=0x2069 | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF)
}

/// Whether nothing is drawn for the character, although it is no control: fillers, selectors and blank patterns.
fn is_blank(c: char) -> bool {
    matches!(u32::from(c),
        0x34f | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x2065 | 0x2800 | 0x3164 | 0xffa0)
}

/// Whether a joiner between these two has something to join. Scripts that need joiners, and emoji, begin at U+0600.
fn joins(before: Option<char>, after: Option<char>) -> bool {
    let is_joined = |c: char| u32::from(c) >= 0x600 && !is_unsafe(c) && !is_joiner(c) && !is_blank(c);
    before.is_some_and(is_joined) && after.is_some_and(is_joined)
}

/// A stranger's text as a person may see it. Each character that misleads, breaks the line or is not seen becomes a
/// visible mark: `photo[U+202E]gnp.exe`. Joiners stay where a script or an emoji needs them.
#[must_use]
pub fn marked(text: &str) -> Cow<'_, str> {
    let is_doubtful = |c: char| is_unsafe(c) || is_joiner(c) || is_blank(c);
    if text.is_ascii() && !text.contains(is_doubtful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let (mut before, mut rest) = (None, text.chars());
    while let Some(c) = rest.next() {
        if !is_doubtful(c) || (is_joiner(c) && joins(before, rest.clone().next())) {
            shown.push(c);
        } else {
            // Writing to a string can't fail.
            let _ = write!(shown, "[U+{:04X}]", u32::from(c));
        }
        before = Some(c);
    }
    Cow::Owned(shown)
}

/// Most characters of a stranger's sentence that are shown.
const MOST: usize = 200;

/// A stranger's text with nothing unsafe in it: an unsafe character becomes a space, if it separates words, or U+FFFD.
#[must_use]
pub fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        _ if !is_unsafe(c) => c,
        _ if c.is_whitespace() => ' ',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

/// A stranger's words as one line of bounded length that is never empty.
#[must_use]
pub fn sentence(text: &str) -> String {
    let line = one_line(&text.chars().take(MOST).collect::<String>());
    if line.trim().is_empty() { "it did not say why.".to_owned() } else { line.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_drawn_as_a_mark() {
        for (name, shown) in [
            ("plain name.txt", "plain name.txt"),
            ("photo\u{202e}gnp.exe", "photo[U+202E]gnp.exe"),
            ("a\u{2066}b\u{2069}c", "a[U+2066]b[U+2069]c"),
            ("one\ntwo\u{2028}three\r", "one[U+000A]two[U+2028]three[U+000D]"),
            ("pass\u{200b}word", "pass[U+200B]word"),
            ("pass\u{200d}word", "pass[U+200D]word"),
            ("\u{200c}\u{3164}\u{feff}", "[U+200C][U+3164][U+FEFF]"),
            ("\u{627}\u{200d}\u{200d}\u{627}", "\u{627}[U+200D][U+200D]\u{627}"),
        ] {
            assert_eq!(marked(name), shown);
        }
    }

    #[test]
    fn names_of_all_scripts_stay_as_they_are() {
        for name in [
            "Größe “x” – 日本語.txt",
            "\u{1f469}\u{200d}\u{1f680} \u{2764}\u{fe0f}\u{200d}\u{1f525}.txt",
            "\u{646}\u{627}\u{645}\u{647}\u{200c}\u{647}\u{627}.txt",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}.txt",
        ] {
            assert_eq!(marked(name), name);
        }
    }
}

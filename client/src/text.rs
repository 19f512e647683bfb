//! Text of strangers: which of its characters mislead a person, a terminal or a file system.

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

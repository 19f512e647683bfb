//! Decides when a disk takes two names for one. Disks ignore the case of letters, the form of accents, and invisible
//! characters, each in its own way. The keys here are equal for all names that some disk takes for one. They are a hint
//! to ask the disk, or to tell the names apart by a number.

use wstp_text::strangers::{is_joiner, is_unsafe};

/// The same for all names that some disk takes for one. It works on a path as on a name.
#[must_use]
pub fn key(name: &str) -> String {
    let mut key = fold(name);
    key.truncate(key.trim_end_matches(['.', ' ']).len());
    key
}

/// A name without the case of its letters, the form of its accents, and its characters that are not seen.
#[must_use]
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let lower: String = decompose(name).chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    decompose(&lower).chars().filter(|c| is_seen(*c)).collect()
}

/// The compatibility decomposition (NFKD of Unicode Standard Annex 15).
#[cfg(not(target_arch = "wasm32"))]
fn decompose(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;

    text.nfkd().collect()
}

/// The same by the browser, which has the tables for it.
#[cfg(target_arch = "wasm32")]
fn decompose(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFKD").into()
}

/// Whether the character shows. Variation selectors and the grapheme joiner do not.
fn is_seen(c: char) -> bool {
    !is_unsafe(c) && !is_joiner(c) && !matches!(u32::from(c), 0xfe00..=0xfe0f | 0x34f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_disk_takes_for_one_have_one_key() {
        for names in [
            ["Makefile", "makefile"],
            ["a.", "a"],
            ["a. .", "A"],
            ["é", "e\u{301}"],
            ["straße", "STRASSE"],
            ["Σ", "ς"],
            ["ﬁ", "FI"],
            ["a\u{200d}b", "ab"],
            ["Å", "\u{212b}"],
            ["dir/É", "DIR/e\u{301}"],
        ] {
            assert_eq!(key(names[0]), key(names[1]), "{names:?}");
        }
        for names in [["a", "b"], ["e", "é"], ["a/b", "ab"]] {
            assert_ne!(key(names[0]), key(names[1]), "{names:?}");
        }
    }
}

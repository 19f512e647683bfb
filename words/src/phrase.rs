//! The form of a phrase: one text, which is also how it is serialised.
//!
//! A sentence is its key and arguments between [`BEGIN`] and [`END`], each argument behind a [`NEXT`] and a letter that
//! tells its kind. Everything else is plain text. Journals of older builds hold plain text alone, so they stay readable.

use serde::{Deserialize, Serialize};
use wstp_text::strangers::marked;

pub(crate) const BEGIN: char = '\u{1}';
pub(crate) const NEXT: char = '\u{2}';
pub(crate) const END: char = '\u{3}';

/// Sentences, one after the other. Empty if there is nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phrase(String);

/// A part of a sentence that is not known before.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// A name, an address, or another text that has no language.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// A number of things; it chooses the form of the sentence.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// Bytes a second.
    Rate(f64),
    /// Seconds.
    Seconds(f64),
    /// Another phrase.
    Phrase(&'a Phrase),
}

impl Phrase {
    /// The sentence with this key and these arguments. [`crate::phrase!`] writes this.
    #[must_use]
    pub fn new(key: &str, arguments: &[Arg<'_>]) -> Self {
        let mut form = String::with_capacity(key.len() + 2);
        form.push(BEGIN);
        form.push_str(key);
        for argument in arguments {
            form.push(NEXT);
            argument.write(&mut form);
        }
        form.push(END);
        Self(form)
    }

    /// Adds sentences.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        if !self.0.is_empty() && !other.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&other.0);
        self
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Arg<'_> {
    fn write(self, form: &mut String) {
        let (kind, number) = match self {
            Self::Text(text) => {
                form.push('t');
                return form.push_str(&marked(text));
            }
            Self::Phrase(phrase) => {
                form.push('p');
                return form.push_str(&phrase.0);
            }
            Self::Number(number) => ('n', number),
            Self::Count(number) => ('c', number),
            Self::Bytes(number) => ('b', number),
            Self::Rate(rate) => ('r', rate.round() as u64),
            Self::Seconds(seconds) => ('s', seconds.ceil() as u64),
        };
        form.push(kind);
        form.push_str(&number.to_string());
    }
}

/// Plain text, or [`crate::key!`].
impl From<&str> for Phrase {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Phrase {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&Self> for Phrase {
    fn from(phrase: &Self) -> Self {
        phrase.clone()
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Phrase> for Arg<'a> {
    fn from(phrase: &'a Phrase) -> Self {
        Self::Phrase(phrase)
    }
}

impl From<u8> for Arg<'_> {
    fn from(number: u8) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Arg<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Arg<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::phrase;

    #[test]
    fn a_phrase_is_kept_as_one_text_and_plain_text_of_before_is_a_phrase() {
        let kept = serde_json::to_value(phrase!(saved_as, "a\u{3}.txt")).unwrap();
        assert_eq!(kept, "\u{1}saved_as\u{2}ta[U+0003].txt\u{3}");
        assert_eq!(serde_json::from_value::<Phrase>(kept).unwrap(), phrase!(saved_as, "a\u{3}.txt"));
        assert_eq!(serde_json::from_value::<Phrase>("The disk is full.".into()).unwrap().say(), "The disk is full.");
    }
}

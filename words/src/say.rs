//! From a phrase to words.

use wstp_text::strangers::{marked, runs_right_to_left};

use crate::language;
use crate::phrase::{Arg, BEGIN, END, NEXT, Phrase};
use crate::units;

/// Begins and ends a part whose direction is its own and does not reorder the sentence around it (UAX #9, FSI, PDI).
const ISOLATE: char = '\u{2068}';
const POP: char = '\u{2069}';
/// Phrases within phrases. Ours have three levels.
const DEEPEST: u8 = 8;

impl Phrase {
    /// In the language of this page or program.
    #[must_use]
    pub fn say(&self) -> String {
        let mut said = String::new();
        say_all(self.as_str(), DEEPEST, &mut said);
        said
    }
}

/// The sentence with this key and these arguments, said at once. [`crate::say!`] writes this.
#[must_use]
pub fn say(key: &str, arguments: &[Arg<'_>]) -> String {
    Phrase::new(key, arguments).say()
}

/// A text for people that may contain parts of [`Phrase::say`]: what misleads is drawn as marks, and isolated parts stay
/// isolated.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, isolated, after)) = isolated(rest) {
        shown.push_str(&marked(before));
        isolate(&marked(isolated), &mut shown);
        rest = after;
    }
    shown.push_str(&marked(rest));
    shown
}

fn isolated(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(ISOLATE)?;
    let (isolated, after) = rest.split_once(POP)?;
    Some((before, isolated, after))
}

fn isolate(text: &str, said: &mut String) {
    said.push(ISOLATE);
    said.push_str(text);
    said.push(POP);
}

/// Copies plain text, and says each sentence.
fn say_all(mut rest: &str, deepest: u8, said: &mut String) {
    while let Some((before, sentence)) = rest.split_once(BEGIN) {
        said.push_str(before);
        let end = outer(sentence, END).unwrap_or(sentence.len());
        say_sentence(&sentence[..end], deepest, said);
        rest = sentence.get(end + END.len_utf8()..).unwrap_or_default();
    }
    said.push_str(rest);
}

/// The first place of a mark that belongs to no inner sentence.
fn outer(text: &str, mark: char) -> Option<usize> {
    let mut depth = 0_u32;
    text.char_indices().find_map(|(at, c)| {
        if depth == 0 && c == mark {
            return Some(at);
        }
        match c {
            BEGIN => depth += 1,
            END => depth = depth.saturating_sub(1),
            _ => {}
        }
        None
    })
}

fn say_sentence(sentence: &str, deepest: u8, said: &mut String) {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while let Some(end) = outer(rest, NEXT) {
        parts.push(&rest[..end]);
        rest = &rest[end + NEXT.len_utf8()..];
    }
    parts.push(rest);
    let (key, arguments) = (parts[0], &parts[1..]);
    let count = arguments.iter().find_map(|argument| argument.strip_prefix('c')?.parse().ok());
    let message = match count {
        Some(count) => language::counted(key, count),
        None => language::word(key),
    };
    fill(&message, arguments, deepest, said);
}

/// Puts the arguments into the places `$1` to `$9` of a message.
fn fill(message: &str, arguments: &[&str], deepest: u8, said: &mut String) {
    let mut parts = message.split('$');
    said.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let place = part.bytes().next().filter(|digit| (b'1'..=b'9').contains(digit));
        match place {
            Some(digit) => {
                if let Some(argument) = arguments.get(usize::from(digit - b'1')) {
                    say_argument(argument, deepest, said);
                }
                said.push_str(&part[1..]);
            }
            None => {
                said.push('$');
                said.push_str(part);
            }
        }
    }
}

fn say_argument(argument: &str, deepest: u8, said: &mut String) {
    let (kind, value) = argument.split_at(argument.len().min(1));
    let number = || value.parse::<u64>().unwrap_or_default();
    match kind {
        "p" if deepest > 0 => say_all(value, deepest - 1, said),
        "n" | "c" => said.push_str(&language::number(number() as f64, 0)),
        "b" => said.push_str(&units::bytes(number())),
        "r" => said.push_str(&units::rate(number() as f64)),
        "s" => said.push_str(&units::duration(number() as f64)),
        // In a sentence of the other direction a name would come apart.
        _ if language::is_right_to_left() || value.chars().any(runs_right_to_left) => isolate(value, said),
        _ => said.push_str(value),
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::phrase;

    #[test]
    fn a_sentence_has_its_arguments_in_their_places() {
        assert_eq!(phrase!(saved_as, "a.txt").say(), "Saved as a.txt");
        assert_eq!(phrase!(amount_of, Arg::Bytes(48_200_000), Arg::Bytes(1 << 30)).say(), "48.2 MB of 1.07 GB");
        let inner = phrase!(files, Arg::Count(1200));
        assert_eq!(phrase!(amount_of, 3_u64, &inner).say(), "3 of 1,200 files");
        assert_eq!(phrase!(files, Arg::Count(1)).say(), "1 file");
        assert_eq!(phrase!(time_left, Arg::Seconds(79.2)).say(), "1 min 20 s left");
    }

    #[test]
    fn plain_text_of_an_older_journal_is_said_as_it_is() {
        assert_eq!(Phrase::from("The disk is full.").say(), "The disk is full.");
        assert_eq!(phrase!(saved).and(&"It costs $1.".into()).say(), "Saved It costs $1.");
        assert_eq!(Phrase::from(crate::key!(saved)), phrase!(saved));
    }

    #[test]
    fn a_strangers_text_neither_ends_a_sentence_nor_fills_a_place() {
        for name in ["a\u{3}b\u{1}saved\u{3}", "\u{2}tb", "$1 $PATH$", "\u{202e}gnp"] {
            assert_eq!(phrase!(saved_as, name).say(), format!("Saved as {}", marked(name)));
        }
        let hostile = Phrase::from("\u{1}\u{1}\u{2}\u{1}\u{2}p\u{1}\u{3}\u{1}saved\u{2}");
        assert!(hostile.say().len() < 100);
    }

    #[test]
    fn a_name_of_the_other_direction_is_isolated_and_stays_so() {
        let said = phrase!(saved_as, "שלום (1).txt").say();
        assert_eq!(said, "Saved as \u{2068}שלום (1).txt\u{2069}");
        assert_eq!(shown(&said), said);
        assert_eq!(shown("a\u{2068}b\u{202e}"), "a[U+2068]b[U+202E]");
    }
}

//! The events that an owner of the server wants to read later: logins, refusals, sessions, changes. No secret is in them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use wstp_protocol::SharePath;

use crate::access::Caller;
use crate::accounts::now;

/// Events that are kept. The oldest go.
const KEPT: usize = 2000;
/// Newest events among which the same one is not kept again.
const RECENT: usize = 100;
/// Longest text that is kept, in characters. Names from strangers may be long.
const LONGEST: usize = 300;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number. Later events have higher ones.
    pub id: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// In words.
    pub text: String,
}

/// The newest events.
#[derive(Default)]
pub struct Events(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    next: u64,
}

impl Events {
    /// Keeps an event that happens now. Characters that would break or turn a line are shown as escapes.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into().chars().take(LONGEST).flat_map(shown).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.next += 1;
        let id = kept.next;
        kept.events.push_back(Event { id, at: now(), text });
    }

    /// Keeps an event, unless the same one is among the last: a player asks for one file a hundred times.
    pub fn note_once(&self, text: String) {
        let is_known = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.events.iter().rev().take(RECENT).any(|event| event.text == text)
        };
        if !is_known {
            self.note(text);
        }
    }

    /// Keeps that a caller reads what it names so.
    pub(crate) fn note_reading(&self, caller: &Caller, path: &SharePath) {
        if let Ok(place) = caller.place(path) {
            self.note_once(format!("{} reads {}", caller.identity(), place.as_str()));
        }
    }

    /// The newest events, at most so many, the oldest first.
    #[must_use]
    pub fn newest(&self, most: usize) -> Vec<Event> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.iter().skip(kept.events.len().saturating_sub(most)).cloned().collect()
    }
}

/// A character as a line of the log may have it.
fn shown(character: char) -> impl Iterator<Item = char> {
    let is_steering =
        matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    let escape = (character.is_control() || is_steering).then(|| character.escape_unicode());
    let plain = escape.is_none().then_some(character);
    escape.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_order() {
        let events = Events::default();
        for number in 0..KEPT + 3 {
            events.note(number.to_string());
        }
        let all = events.newest(usize::MAX);
        assert_eq!((all.len(), all[0].text.as_str()), (KEPT, "3"));
        let newest: Vec<_> = events.newest(2).into_iter().map(|event| (event.id, event.text)).collect();
        let last = KEPT as u64 + 3;
        assert_eq!(newest, [(last - 1, (last - 2).to_string()), (last, (last - 1).to_string())]);
    }

    #[test]
    fn one_that_comes_again_at_once_is_kept_once() {
        let events = Events::default();
        for text in ["a", "b", "a", "a"] {
            events.note_once(text.to_owned());
        }
        assert_eq!(events.newest(9).iter().map(|event| &event.text[..]).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_name_neither_forges_a_line_nor_turns_it() {
        let events = Events::default();
        events.note(format!("a\nb\u{202E}c{}", "x".repeat(1000)));
        let text = &events.newest(1)[0].text;
        assert!(text.starts_with("a\\u{a}b\\u{202e}cxxx"), "{text}");
        assert!(text.len() < 2 * LONGEST);
    }
}

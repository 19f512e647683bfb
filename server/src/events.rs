//! The events that an owner of the server wants to read later: logins, refusals, sessions, changes. No secret is in them.
//!
//! The newest are in memory. A server with a state folder keeps them in a database too (`log`), which a thread of its
//! own writes (`keeper`). Nobody who notes an event waits for the disk, and a disk that fails stops nothing.

mod export;
mod keeper;
mod log;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use wstp_protocol::SharePath;

pub use export::{CSV_HEAD, csv_line, date, json_line};
pub use log::{Log, LogError};

use crate::access::Caller;
use crate::accounts::now;
use keeper::Keeper;

/// Events in memory. The oldest go.
const RECENT: usize = 2000;
/// Newest events among which the same one is not kept again.
const REPEATED: usize = 100;
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

/// The events of a server.
#[derive(Default)]
pub struct Events {
    recent: Mutex<Recent>,
    keeper: Option<Keeper>,
}

#[derive(Default)]
struct Recent {
    events: VecDeque<Event>,
    last: u64,
}

/// The events that somebody looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words that they contain, in any case.
    pub text: String,
    /// They are older than the event of this number.
    pub before: Option<u64>,
}

impl Events {
    /// Events that are kept in a folder, after those that are there already. When they can't be kept, the log says why,
    /// and they are in memory alone. Blocking.
    #[must_use]
    pub fn kept(folder: &Path) -> Self {
        let (log, was_damaged) = match Log::open_or_replace(folder) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!("{error}. The newest events are in memory and end with the server");
                return Self::default();
            }
        };
        let mut newest = log.newest(&Search::default(), RECENT).unwrap_or_default();
        newest.reverse();
        let last = newest.last().map_or(0, |event| event.id);
        let recent = Mutex::new(Recent { events: newest.into(), last });
        let events = Self { recent, keeper: Some(Keeper::start(folder.to_owned(), log)) };
        if was_damaged {
            events.note("the log of events was damaged, and a new one begins here");
        }
        events
    }

    /// Whether they outlive the server.
    #[must_use]
    pub fn are_kept(&self) -> bool {
        self.keeper.is_some()
    }

    /// Keeps an event that happens now. Characters that would break or turn a line are shown as escapes.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into().chars().take(LONGEST).flat_map(shown).collect();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.events.len() == RECENT {
            recent.events.pop_front();
        }
        recent.last += 1;
        let event = Event { id: recent.last, at: now(), text };
        // Within the lock, so that the keeper gets them in their order.
        if let Some(keeper) = &self.keeper {
            keeper.keep(event.clone());
        }
        recent.events.push_back(event);
    }

    /// Keeps an event, unless the same one is among the last: a player asks for one file a hundred times.
    pub fn note_once(&self, text: String) {
        let is_known = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.events.iter().rev().take(REPEATED).any(|event| event.text == text)
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

    /// The newest events in memory, at most so many, the oldest first.
    #[must_use]
    pub fn newest(&self, most: usize) -> Vec<Event> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.events.iter().skip(recent.events.len().saturating_sub(most)).cloned().collect()
    }

    /// The events that are looked for among all that are kept, at most so many, the newest first. Blocking.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn find(&self, search: &Search, most: usize) -> Result<Vec<Event>, LogError> {
        match &self.keeper {
            Some(keeper) => keeper.read(|log| log.newest(search, most)),
            None => {
                let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                let found = recent.events.iter().rev().filter(|event| search.finds(event.id, &event.text));
                Ok(found.take(most).cloned().collect())
            }
        }
    }

    /// The events after that of a number among all that are kept, at most so many, the oldest first. Blocking.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn after(&self, id: u64, most: usize) -> Result<Vec<Event>, LogError> {
        match &self.keeper {
            Some(keeper) => keeper.read(|log| log.after(id, 0, most)),
            None => {
                let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(recent.events.iter().filter(|event| event.id > id).take(most).cloned().collect())
            }
        }
    }

    /// Waits until the events so far are on the disk, or can't be. Blocking.
    pub fn flush(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.flush();
        }
    }
}

impl Search {
    fn finds(&self, id: u64, text: &str) -> bool {
        self.before.is_none_or(|before| id < before) && text.to_lowercase().contains(&self.text.to_lowercase())
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
        for number in 0..RECENT + 3 {
            events.note(number.to_string());
        }
        let all = events.newest(usize::MAX);
        assert_eq!((all.len(), all[0].text.as_str()), (RECENT, "3"));
        let newest: Vec<_> = events.newest(2).into_iter().map(|event| (event.id, event.text)).collect();
        let last = RECENT as u64 + 3;
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

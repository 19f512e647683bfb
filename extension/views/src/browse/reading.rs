//! The entries of the shown folder, and the hits of a search: page by page, up to a bound.

use leptos::prelude::*;
use wstp_messages::{Command, Listed, ListedKind, Problem, Reply};
use wstp_ui::arrangement::{Arrangement, Entry};
use wstp_ui::kind::EntryKind;
use wstp_words::phrase;

use super::{Browse, Look, Place};

/// Entries shown of one folder at most.
const MOST: usize = 500_000;
/// Hits of a search that are shown at most.
const MOST_HITS: usize = 10_000;
/// Letters of a search that are sent. The protocol takes 256 bytes.
const MOST_LETTERS: usize = 64;

impl Browse {
    /// Requests a page, and with its answer the next one.
    pub(super) fn load(self, step: u32, place: Place, cursor: Option<String>) {
        let command = Command::List { address: place.address.clone(), path: place.folders.join("/"), cursor };
        self.catalogue.send(command, move |result| {
            if self.is_over(step) {
                return;
            }
            match result {
                Ok(Reply::Listing { entries, next, hides_more }) => {
                    self.hides_more.set(hides_more);
                    self.list.update(|list| list.extend(entries.into_iter().map(entry)));
                    match next {
                        None => self.look.set(Look::Shown),
                        Some(_) if self.list.with_untracked(Arrangement::total) >= MOST => self.look.set(Look::Cut),
                        next => self.load(step, place, next),
                    }
                }
                result => self.fail(result),
            }
        });
    }

    /// Looks for the typed words in this folder and all beneath it.
    pub fn search_deep(self) {
        let Some(place) = self.place.get_untracked() else { return };
        let words: String = self.search.with_untracked(|words| words.trim().chars().take(MOST_LETTERS).collect());
        if words.is_empty() {
            return;
        }
        let step = self.begin();
        self.deep.set(Some(words.clone()));
        self.look.set(Look::Loading);
        self.load_hits(step, place, words, None);
    }

    /// Shows the folder again in place of the hits of a search.
    pub fn leave_hits(self) {
        self.place.get_untracked().into_iter().for_each(|place| self.show(place));
    }

    /// Requests some hits, and with the answer the next ones.
    fn load_hits(self, step: u32, place: Place, words: String, cursor: Option<String>) {
        let (address, path) = (place.address.clone(), place.folders.join("/"));
        let command = Command::Search { address, path, words: words.clone(), cursor };
        self.catalogue.send(command, move |result| {
            if self.is_over(step) {
                return;
            }
            match result {
                Ok(Reply::Found { hits, next }) => {
                    let hits = hits.into_iter().map(|(folder, listed)| Entry { folder, ..entry(listed) });
                    self.list.update(|list| list.extend(hits));
                    match next {
                        None => self.look.set(Look::Shown),
                        Some(_) if self.list.with_untracked(Arrangement::total) >= MOST_HITS => {
                            self.look.set(Look::Cut)
                        }
                        next => self.load_hits(step, place, words, next),
                    }
                }
                result => self.fail(result),
            }
        });
    }

    /// The step led nowhere.
    pub(super) fn fail(self, result: Result<Reply, Problem>) {
        self.look.set(match result {
            Ok(Reply::Barred { server, need, problem }) => Look::Barred(server, need, problem),
            Ok(_) => Look::Failed(odd_answer()),
            Err(problem) => Look::Failed(problem),
        });
    }
}

pub(super) fn entry(listed: Listed) -> Entry {
    Entry {
        name: listed.name,
        folder: String::new(),
        kind: match listed.kind {
            ListedKind::Directory => EntryKind::Folder,
            ListedKind::File => EntryKind::File,
            ListedKind::Dangling => EntryKind::Dangling,
            ListedKind::Unreadable => EntryKind::Unreadable,
            ListedKind::LeadsOut => EntryKind::LeadsOut,
            ListedKind::Circle => EntryKind::Circle,
        },
        size: listed.size,
        modified_ms: listed.modified_ms.map(|ms| ms as f64),
    }
}

fn odd_answer() -> Problem {
    Problem { what: phrase!(odd_answer), advice: phrase!(reload_page) }
}

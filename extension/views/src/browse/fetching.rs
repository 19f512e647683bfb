//! The downloads that the user begins in the shown folder.

use leptos::prelude::*;
use wstp_messages::{Command, Problem, Reply, TransferView};
use wstp_ui::arrangement::Entry;
use wstp_ui::kind::EntryKind;
use wstp_ui::selection::Selection;
use wstp_words::{Arg, phrase, say};

use super::{Browse, Look, Place};
use crate::words::is_complete;

/// Entries that are fetched one by one at most: each becomes a row of its own.
const MOST_CHOSEN: usize = 1000;

impl Browse {
    /// Fetches the chosen entries: as the folder that they are all of, or one after the other.
    pub fn fetch_chosen(self, on_told: Callback<String>) {
        let chosen = self.chosen();
        let is_whole = self.look.get_untracked() == Look::Shown
            && self.deep.with_untracked(Option::is_none)
            && self.list.with_untracked(|list| chosen.len() == list.total());
        self.selection.update(Selection::clear);
        let Some(place) = self.place.get_untracked() else { return };
        if is_whole && chosen.len() > 1 {
            return self.fetch_this(on_told);
        }
        if chosen.len() > MOST_CHOSEN {
            return self.notice.set(Some(Problem {
                what: phrase!(too_many_chosen, &phrase!(entries, Arg::Count(chosen.len() as u64))),
                advice: phrase!(too_many_chosen_advice),
            }));
        }
        self.notice.set(None);
        let commands = chosen.iter().filter_map(|entry| command(&place, entry)).rev().collect();
        self.fetch_next(commands, 0, on_told);
    }

    /// Sends one command after the other. A failure ends it.
    fn fetch_next(self, mut commands: Vec<Command>, existing: u64, on_told: Callback<String>) {
        let Some(next) = commands.pop() else {
            if existing > 0 {
                on_told.run(say!(already_listed, Arg::Count(existing)));
            }
            return;
        };
        self.catalogue.send(next, move |result| match result {
            Ok(Reply::Transfer { existing: was_there, .. }) => {
                self.fetch_next(commands, existing + u64::from(was_there), on_told);
            }
            Ok(_) => self.fetch_next(commands, existing, on_told),
            Err(problem) => self.notice.set(Some(problem)),
        });
    }

    /// Fetches the file that is offered.
    pub fn take_offer(self, on_existing: Callback<String>) {
        if let Some(file) = self.offer.try_update(Option::take).flatten() {
            self.open_entry(file, on_existing);
        }
    }

    /// Fetches everything in a subfolder. Calls `on_existing` with words if that was done before.
    pub fn fetch_folder(self, folder: Entry, on_existing: Callback<String>) {
        let Some(place) = self.place.get_untracked() else { return };
        let path = place.path_of(&folder);
        self.fetch_as(Command::DownloadFolder { path, address: place.address }, folder.name, on_existing);
    }

    /// Fetches everything in this folder.
    pub fn fetch_this(self, on_existing: Callback<String>) {
        let Some(place) = self.place.get_untracked() else { return };
        let name = place.folders.last().unwrap_or(&place.label).clone();
        let command = Command::DownloadFolder { path: place.folders.join("/"), address: place.address };
        self.fetch_as(command, name, on_existing);
    }

    pub(super) fn fetch_as(self, command: Command, name: String, on_existing: Callback<String>) {
        self.notice.set(None);
        self.catalogue.send(command, move |result| match result {
            Ok(Reply::Transfer { existing: true, transfer }) => {
                let existing = self.store.transfer(&transfer);
                let is_past = |view: &TransferView| view.folder.is_some() && is_complete(view);
                on_existing.run(match existing.is_some_and(|kept| kept.view.with_untracked(is_past)) {
                    true => say!(downloaded_before, &name),
                    false => say!(is_in_list, &name),
                });
            }
            Ok(_) => {}
            Err(problem) => self.notice.set(Some(problem)),
        });
    }
}

/// The command that fetches an entry, if it can be fetched.
pub(super) fn command(place: &Place, entry: &Entry) -> Option<Command> {
    let (path, address) = (place.path_of(entry), place.address.clone());
    match entry.kind {
        EntryKind::Folder => Some(Command::DownloadFolder { path, address }),
        EntryKind::File => {
            let modified_ms = entry.modified_ms.map(|ms| ms as i64);
            Some(Command::Download { path, address, size: entry.size, modified_ms })
        }
        EntryKind::Dangling | EntryKind::LeadsOut | EntryKind::Circle | EntryKind::Unreadable => None,
    }
}

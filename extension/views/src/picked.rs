//! Saves a complete transfer into a folder that the user picks. No other extension has a say in that, and Chrome asks
//! once, not for each file.
//!
//! Only a page may ask for a folder, and may write while it is open. So this page writes, a few files at a time, and
//! the catalogue remembers the written ones.
//!
//! Invariants: nothing is written of a transfer that was not verified since the catalogue began, or for this page. No
//! file that has bytes is overwritten. A file counts as written only after the page read it back and
//! compared it with the browser's copy. A save into a folder that an earlier one began compares the files there, and
//! writes only the missing ones.

use std::collections::HashSet;

use leptos::ev::{beforeunload, pagehide};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Command, Problem, TransferId, TransferView};
use wstp_ui::toast::Toasts;
use wstp_words::{phrase, say};

use self::files::pick;
use self::problems::{cant_ask, told};
use self::saving::Saving;
use crate::catalogue::Catalogue;
use crate::store::Store;

mod files;
mod problems;
mod saving;

/// A save by this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The transfer.
    pub transfer: TransferId,
    /// Name of the transfer.
    pub name: String,
    /// The folder that the user picked.
    pub folder: String,
    /// Bytes written.
    pub bytes: u64,
    /// Whether the browser's copy is verified first.
    pub is_checking: bool,
}

/// Saves by this page; cheap to copy.
#[derive(Clone, Copy)]
pub struct Picked {
    store: Store,
    catalogue: Catalogue,
    toasts: Toasts,
    /// The save in progress, if any.
    pub going: RwSignal<Option<Progress>>,
    /// The problem to show, if any.
    pub problem: RwSignal<Option<Problem>>,
    is_stopped: StoredValue<bool>,
    /// Transfers that were verified anew for this page, or still are.
    checked: StoredValue<HashSet<TransferId>>,
}

impl Picked {
    /// Nothing is saved yet.
    pub fn new(store: Store, catalogue: Catalogue, toasts: Toasts) -> Self {
        let picked = Self {
            store,
            catalogue,
            toasts,
            going: RwSignal::new(None),
            problem: RwSignal::new(None),
            is_stopped: StoredValue::new(false),
            checked: StoredValue::default(),
        };
        let closing = window_event_listener(beforeunload, move |event| {
            if picked.going.with_untracked(Option::is_some) {
                event.prevent_default();
            }
        });
        let closed = window_event_listener(pagehide, move |_| picked.stop());
        on_cleanup(move || {
            closing.remove();
            closed.remove();
        });
        picked
    }

    /// Asks the user for a folder and saves a transfer into it. The user must have clicked just now.
    pub fn save(self, view: &TransferView) {
        if self.going.with_untracked(Option::is_some) {
            return self.problem.set(Some(told(phrase!(another_being_saved), phrase!(wait_until_done))));
        }
        self.problem.set(None);
        let (transfer, name, is_folder) = (view.id.clone(), view.name.clone(), view.folder.is_some());
        spawn_local(async move {
            let folder = match pick().await {
                Ok(Some(folder)) => folder,
                // Chrome tells alike that the user closed its window, did not allow the folder, or has no window to
                // choose in.
                Ok(None) => return self.toasts.show(say!(none_picked), None),
                Err(error) => return self.problem.set(Some(cant_ask(&error))),
            };
            let (id, folder_name) = (transfer.clone(), folder.name());
            let progress = Progress { transfer: id, name, folder: folder_name, bytes: 0, is_checking: false };
            self.is_stopped.set_value(false);
            self.going.set(Some(progress));
            let result = Saving { picked: self, transfer: transfer.clone(), is_folder }.run(&folder).await;
            self.going.set(None);
            if !self.is_stopped.get_value() {
                let problem = result.as_ref().err().cloned();
                // The row tells the problem, unless the save never began.
                self.catalogue.send(Command::WroteAll { transfer, result }, move |heard| {
                    if heard.is_err() {
                        self.problem.set(problem);
                    }
                });
            }
        });
    }

    /// Stops what is being saved.
    pub fn stop(self) {
        if let Some(progress) = self.going.get_untracked() {
            self.is_stopped.set_value(true);
            // A check goes on: it does no harm, and the copy stays complete.
            if !progress.is_checking {
                self.catalogue.send(Command::Cancel { transfer: progress.transfer }, |_| {});
            }
        }
    }

    /// The transfer as this page knows it.
    fn view(self, transfer: &TransferId) -> Option<TransferView> {
        self.store.transfer(transfer).map(|kept| kept.view.get_untracked())
    }
}

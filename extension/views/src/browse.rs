//! The shown folder of a server, and the steps that led there.
//!
//! Every step has a number. An answer to an older step is ignored, so a slow answer never replaces the user's later
//! choice.

use leptos::prelude::*;
use wstp_messages::{Command, Listed, ListedKind, Need, Problem, Reply, ServerView, Spot, TransferView};
use wstp_ui::entry_list::Entry;
use wstp_ui::kind::EntryKind;

use crate::catalogue::Catalogue;
use crate::memory;
use crate::store::Store;
use crate::words::is_complete;

/// Entries shown of one folder at most.
const MOST: usize = 500_000;

/// A folder of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// [`ServerView::address`].
    pub address: String,
    /// The server's label.
    pub label: String,
    /// The names on the path.
    pub folders: Vec<String>,
}

impl Place {
    /// The path of an entry of this folder.
    pub fn path_of(&self, name: &str) -> String {
        self.folders.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/")
    }
}

/// The state of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// No server yet.
    Nothing,
    /// Connecting to the server.
    Connecting,
    /// More entries are in flight.
    Loading,
    /// All of it is shown.
    Shown,
    /// It has more entries than can be shown.
    Cut,
    /// It can't be shown.
    Failed(Problem),
    /// It can't be shown before the user did something at this server.
    Barred(ServerView, Need, Problem),
}

/// The browsing state; cheap to copy.
#[derive(Clone, Copy)]
pub struct Browse {
    catalogue: Catalogue,
    store: Store,
    /// The content of the field for the server.
    pub typed: RwSignal<String>,
    /// The current folder.
    pub place: RwSignal<Option<Place>>,
    /// Its entries.
    pub entries: RwSignal<Vec<Entry>>,
    /// Its state.
    pub look: RwSignal<Look>,
    /// The file that the address names, until the user has fetched or dismissed it.
    pub offer: RwSignal<Option<Entry>>,
    /// The problem of the last click, if it failed.
    pub notice: RwSignal<Option<Problem>>,
    /// Whether the user is not logged in, and would see more.
    pub hides_more: RwSignal<bool>,
    step: StoredValue<u32>,
}

impl Browse {
    /// Shows nothing yet.
    pub fn new(catalogue: Catalogue, store: Store) -> Self {
        let browse = Self {
            catalogue,
            store,
            typed: RwSignal::new(String::new()),
            place: RwSignal::new(None),
            entries: RwSignal::new(Vec::new()),
            look: RwSignal::new(Look::Nothing),
            offer: RwSignal::new(None),
            notice: RwSignal::new(None),
            hides_more: RwSignal::new(false),
            step: StoredValue::new(0),
        };
        browse.resume();
        browse
    }

    /// After the first snapshot: goes to the user's last place, or at least names the server.
    fn resume(self) {
        Effect::new(move |done: Option<bool>| {
            if done == Some(true) || !self.store.is_ready.get() {
                return done.unwrap_or(false);
            }
            if self.step.get_value() == 0 && self.typed.with_untracked(String::is_empty) {
                let servers = self.store.servers.get_untracked();
                let last = memory::last_place().and_then(|(address, folders)| {
                    let server = servers.iter().find(|server| server.address == address)?;
                    Some(Place { address, label: server.label.clone(), folders })
                });
                if let Some(server) = servers.first() {
                    self.typed.set(last.as_ref().map_or(&server.label, |place| &place.label).clone());
                }
                last.into_iter().for_each(|place| self.go(place));
            }
            true
        });
    }

    /// Connects to the typed address and shows its place.
    pub fn connect(self, address: String) {
        let step = self.begin();
        self.place.set(None);
        self.look.set(Look::Connecting);
        self.catalogue.send(Command::Connect { address }, move |result| {
            if self.is_over(step) {
                return;
            }
            match result {
                Ok(Reply::Connected { server, spot }) => self.open(server, spot),
                result => self.fail(result),
            }
        });
    }

    /// Whether the server in the field is the one that is shown.
    pub fn is_settled(self) -> bool {
        self.place.with(|place| place.as_ref().is_some_and(|place| self.typed.with(|typed| *typed == place.label)))
    }

    /// Shows a folder of a server, and offers the requested file in it.
    fn open(self, server: ServerView, spot: Spot) {
        self.typed.set(server.label.clone());
        self.go(Place { address: server.address, label: server.label, folders: spot.folders });
        self.offer.set(spot.file.map(entry));
        self.notice.set(spot.problem);
    }

    /// Fetches the file that is offered.
    pub fn take_offer(self, on_existing: Callback<String>) {
        if let Some(file) = self.offer.try_update(Option::take).flatten() {
            self.open_entry(file, on_existing);
        }
    }

    /// Shows a folder.
    pub fn go(self, place: Place) {
        let step = self.begin();
        memory::keep_place(&place.address, &place.folders);
        self.look.set(Look::Loading);
        self.place.set(Some(place.clone()));
        self.load(step, place, None);
    }

    /// Takes the last step again: the failed one, or to the shown folder.
    pub fn retry(self) {
        match self.place.get_untracked() {
            Some(place) => self.go(place),
            None => self.connect(self.typed.get_untracked()),
        }
    }

    /// Keeps this many steps of the path: 1 is the server's first folder.
    pub fn go_up_to(self, steps: usize) {
        if let Some(mut place) = self.place.get_untracked() {
            place.folders.truncate(steps.saturating_sub(1));
            self.go(place);
        }
    }

    /// Goes to the folder above, if there is one.
    pub fn go_up(self) {
        let depth = self.place.with_untracked(|place| place.as_ref().map_or(0, |place| place.folders.len()));
        if depth > 0 {
            self.go_up_to(depth);
        }
    }

    /// Opens a folder or fetches a file. Calls `on_existing` with words if it was fetched before.
    pub fn open_entry(self, entry: Entry, on_existing: Callback<String>) {
        let Some(mut place) = self.place.get_untracked() else { return };
        self.notice.set(None);
        match entry.kind {
            EntryKind::Folder => {
                place.folders.push(entry.name);
                self.go(place);
            }
            EntryKind::File => {
                let command = Command::Download {
                    path: place.path_of(&entry.name),
                    address: place.address,
                    size: entry.size,
                    modified_ms: entry.modified_ms.map(|ms| ms as i64),
                };
                self.fetch_as(command, entry.name, on_existing);
            }
            EntryKind::Dangling | EntryKind::LeadsOut | EntryKind::Circle | EntryKind::Unreadable => {}
        }
    }

    /// Fetches everything in a subfolder. Calls `on_existing` with words if that was done before.
    pub fn fetch_folder(self, name: String, on_existing: Callback<String>) {
        let Some(place) = self.place.get_untracked() else { return };
        let command = Command::DownloadFolder { path: place.path_of(&name), address: place.address };
        self.fetch_as(command, name, on_existing);
    }

    /// Fetches everything in this folder.
    pub fn fetch_this(self, on_existing: Callback<String>) {
        let Some(place) = self.place.get_untracked() else { return };
        let name = place.folders.last().unwrap_or(&place.label).clone();
        let command = Command::DownloadFolder { path: place.folders.join("/"), address: place.address };
        self.fetch_as(command, name, on_existing);
    }

    fn fetch_as(self, command: Command, name: String, on_existing: Callback<String>) {
        self.notice.set(None);
        self.catalogue.send(command, move |result| match result {
            Ok(Reply::Transfer { existing: true, transfer }) => {
                let existing = self.store.transfer(&transfer);
                let is_past = |view: &TransferView| view.folder.is_some() && is_complete(view);
                on_existing.run(match existing.is_some_and(|kept| kept.view.with_untracked(is_past)) {
                    true => format!("{name} was downloaded before. Remove it from the list to download it again"),
                    false => format!("{name} is already in the list"),
                });
            }
            Ok(_) => {}
            Err(problem) => self.notice.set(Some(problem)),
        });
    }

    fn begin(self) -> u32 {
        self.step.update_value(|step| *step = step.wrapping_add(1));
        self.entries.set(Vec::new());
        self.offer.set(None);
        self.notice.set(None);
        self.hides_more.set(false);
        self.step.get_value()
    }

    fn is_over(self, step: u32) -> bool {
        self.step.get_value() != step
    }

    /// Requests a page, and with its answer the next one.
    fn load(self, step: u32, place: Place, cursor: Option<String>) {
        let command = Command::List { address: place.address.clone(), path: place.folders.join("/"), cursor };
        self.catalogue.send(command, move |result| {
            if self.is_over(step) {
                return;
            }
            match result {
                Ok(Reply::Listing { entries, next, hides_more }) => {
                    self.hides_more.set(hides_more);
                    self.entries.update(|shown| shown.extend(entries.into_iter().map(entry)));
                    match next {
                        None => self.look.set(Look::Shown),
                        Some(_) if self.entries.with_untracked(Vec::len) >= MOST => self.look.set(Look::Cut),
                        next => self.load(step, place, next),
                    }
                }
                result => self.fail(result),
            }
        });
    }

    /// The step led nowhere.
    fn fail(self, result: Result<Reply, Problem>) {
        self.look.set(match result {
            Ok(Reply::Barred { server, need, problem }) => Look::Barred(server, need, problem),
            Ok(_) => Look::Failed(odd_answer()),
            Err(problem) => Look::Failed(problem),
        });
    }
}

fn entry(listed: Listed) -> Entry {
    Entry {
        name: listed.name,
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
    Problem {
        what: "The extension sent an unexpected answer.".to_owned(),
        advice: "Reload this page. If that does not help, reload the extension.".to_owned(),
    }
}

//! The shown folder of a server, and the steps that led there.
//!
//! Every step has a number. An answer to an older step is ignored, so a slow answer never replaces the user's later
//! choice.

mod fetching;
mod reading;

use leptos::prelude::*;
use wstp_messages::{Command, Need, Problem, Reply, ServerView, Spot};
use wstp_ui::arrangement::{Arrangement, Entry, Sort, SortBy};
use wstp_ui::kind::{EntryKind, Group};
use wstp_ui::selection::Selection;
use wstp_words::say;

use self::fetching::command;
use self::reading::entry;
use crate::catalogue::Catalogue;
use crate::memory;
use crate::shortcuts::Shortcuts;
use crate::store::Store;
use crate::trail::Trail;

/// Folders of which it is remembered how far they were scrolled.
const MOST_SCROLLED: usize = 100;

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
    /// The folder of this one that `other` lies in or is, if it lies beneath this one.
    fn child_towards(&self, other: &Self) -> Option<String> {
        let rest = other.folders.strip_prefix(&self.folders[..]).filter(|_| other.address == self.address)?;
        rest.first().cloned()
    }

    /// Its name and its server, in words.
    pub fn words(&self) -> String {
        match self.folders.last() {
            Some(name) => say!(listed, name, &self.label),
            None => say!(text, &self.label),
        }
    }

    /// The path of an entry of this folder.
    pub fn path_of(&self, entry: &Entry) -> String {
        self.beneath(&entry.path())
    }

    /// The path of what has this path seen from here.
    pub fn beneath(&self, path: &str) -> String {
        self.folders.iter().map(String::as_str).chain([path]).collect::<Vec<_>>().join("/")
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
    pub list: RwSignal<Arrangement>,
    /// Their order.
    pub sort: RwSignal<Sort>,
    /// The letters to look for in names.
    pub search: RwSignal<String>,
    /// The words of a search in all folders, while its hits are shown in place of the folder.
    pub deep: RwSignal<Option<String>>,
    /// The kind to show alone.
    pub group: RwSignal<Option<Group>>,
    /// The chosen entries.
    pub selection: RwSignal<Selection>,
    /// Its state.
    pub look: RwSignal<Look>,
    /// The file that the address names, until the user has fetched or dismissed it.
    pub offer: RwSignal<Option<Entry>>,
    /// The problem of the last click, if it failed.
    pub notice: RwSignal<Option<Problem>>,
    /// Whether the user is not logged in, and would see more.
    pub hides_more: RwSignal<bool>,
    /// The entry to mark once it is there: the folder that the user comes from.
    pub came_from: RwSignal<Option<String>>,
    /// How far the list is scrolled, in pixels.
    pub scrolled: RwSignal<f64>,
    /// How far to scroll the list once it is long enough.
    pub scroll_to: RwSignal<Option<f64>>,
    /// The folders that the user starred and visited.
    pub shortcuts: Shortcuts,
    /// Whether there is a step back, and one forward.
    pub leads: RwSignal<(bool, bool)>,
    scrolls: StoredValue<Vec<(Place, f64)>>,
    trail: StoredValue<Trail<Place>>,
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
            list: RwSignal::default(),
            sort: RwSignal::new(memory::sort()),
            search: RwSignal::default(),
            deep: RwSignal::new(None),
            group: RwSignal::new(None),
            selection: RwSignal::default(),
            look: RwSignal::new(Look::Nothing),
            offer: RwSignal::new(None),
            notice: RwSignal::new(None),
            hides_more: RwSignal::new(false),
            came_from: RwSignal::new(None),
            scrolled: RwSignal::new(0.0),
            scroll_to: RwSignal::new(None),
            shortcuts: Shortcuts::new(),
            leads: RwSignal::new((false, false)),
            scrolls: StoredValue::default(),
            trail: StoredValue::default(),
            step: StoredValue::new(0),
        };
        browse.resume();
        browse.arrange();
        browse
    }

    /// Follows the order and the filter.
    fn arrange(self) {
        Effect::new(move |_| {
            let sort = self.sort.get();
            self.list.update(|list| list.sort(sort));
        });
        Effect::new(move |_| {
            let (search, group) = (self.search.get(), self.group.get());
            self.list.update(|list| list.filter(&search, group));
            let list = self.list.read_untracked();
            if self.selection.with_untracked(|selection| selection.numbers().any(|number| !list.shows(number))) {
                self.selection.update(|selection| selection.retain(|number| list.shows(number)));
            }
        });
    }

    /// Sorts by a fact, or the other way round. It is remembered.
    pub fn sort_by(self, by: SortBy) {
        let sort = self.sort.get_untracked().pressed(by);
        memory::keep_sort(sort);
        self.sort.set(sort);
    }

    /// Shows all entries again.
    pub fn show_all(self) {
        self.search.set(String::new());
        self.group.set(None);
    }

    /// Chooses an entry too.
    pub fn choose(self, entry: &Entry) {
        let row = self.list.with_untracked(|list| {
            (0..list.len()).find(|row| list.get(*row) == Some(entry)).and_then(|row| Some((row, list.number(row)?)))
        });
        if let Some((row, number)) = row {
            self.selection.update(|selection| selection.toggle(row, number));
        }
    }

    /// The chosen entries, in the order in which they came.
    pub fn chosen(self) -> Vec<Entry> {
        let list = self.list.read_untracked();
        self.selection
            .with_untracked(|selection| selection.numbers().filter_map(|number| list.entry(number).cloned()).collect())
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

    /// Shows a folder.
    pub fn go(self, place: Place) {
        self.trail.update_value(|trail| trail.visit(place.clone()));
        self.show(place);
    }

    /// Goes a step back on the way here, or forward again.
    pub fn step(self, take: fn(&mut Trail<Place>) -> Option<Place>) {
        if let Some(place) = self.trail.try_update_value(take).flatten() {
            if self.place.with_untracked(|now| now.as_ref().is_none_or(|now| now.address != place.address)) {
                self.typed.set(place.label.clone());
            }
            self.show(place);
        }
    }

    /// Shows a folder of any server.
    pub fn go_to(self, place: Place) {
        self.typed.set(place.label.clone());
        self.go(place);
    }

    fn show(self, place: Place) {
        let came_from = self.place.with_untracked(|now| now.as_ref().and_then(|now| place.child_towards(now)));
        self.keep_scroll();
        let scrolled =
            self.scrolls.with_value(|all| all.iter().find(|(other, _)| *other == place).map(|(_, top)| *top));
        let step = self.begin();
        self.came_from.set(came_from);
        self.scroll_to.set(scrolled);
        self.leads.set(self.trail.with_value(Trail::leads));
        self.shortcuts.visit(place.clone());
        memory::keep_place(&place.address, &place.folders);
        self.look.set(Look::Loading);
        self.place.set(Some(place.clone()));
        self.load(step, place, None);
    }

    /// Remembers how far the shown folder is scrolled.
    fn keep_scroll(self) {
        let Some(place) = self.place.get_untracked().filter(|_| self.deep.with_untracked(Option::is_none)) else {
            return;
        };
        let top = self.scrolled.get_untracked();
        self.scrolls.update_value(|all| {
            all.retain(|(other, _)| *other != place);
            all.push((place, top));
            let surplus = all.len().saturating_sub(MOST_SCROLLED);
            all.drain(..surplus);
        });
    }

    /// Takes the last step again: the failed one, or to the shown folder.
    pub fn retry(self) {
        if let Some(words) = self.deep.get_untracked() {
            self.search.set(words);
            return self.search_deep();
        }
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
                place.folders = place.path_of(&entry).split('/').map(str::to_owned).collect();
                self.go(place);
            }
            EntryKind::File | EntryKind::Dangling | EntryKind::LeadsOut | EntryKind::Circle | EntryKind::Unreadable => {
                if let Some(command) = command(&place, &entry) {
                    self.fetch_as(command, entry.name, on_existing);
                }
            }
        }
    }

    /// Shows the folder of a hit, with the hit marked.
    pub fn show_in_folder(self, entry: Entry) {
        let Some(mut place) = self.place.get_untracked() else { return };
        place.folders.extend(entry.folder.split('/').filter(|name| !name.is_empty()).map(str::to_owned));
        self.go(place);
        self.came_from.set(Some(entry.name));
    }

    fn begin(self) -> u32 {
        self.step.update_value(|step| *step = step.wrapping_add(1));
        self.list.update(Arrangement::clear);
        self.show_all();
        self.deep.set(None);
        self.selection.update(Selection::clear);
        self.offer.set(None);
        self.notice.set(None);
        self.hides_more.set(false);
        self.step.get_value()
    }

    fn is_over(self, step: u32) -> bool {
        self.step.get_value() != step
    }
}

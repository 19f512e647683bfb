//! The catalogue's lasting memory: transfers, servers and settings. A [`Change`] alters it.
//!
//! Everything here survives the end of the browser. Facts that matter only while a worker runs are in [`super::Queue`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_client::names::key;
use wstp_engine::RangeSet;
use wstp_messages::{BlockOrder, NamedBy, Notice, PastSave, ServerView, Settings, Sweep, TransferId, TransferKind};

use super::change::Change;
use super::item::{Fetch, Goal, Item, Kept, Place, Save};
use super::kept_settings::{FirstSettings, LaterSettings, joined, parted};
use super::mirror::Mirror;

/// Most transfers in the list.
pub const MAX_TRANSFERS: usize = 100_000;

/// Most servers remembered; the one not used for longest is forgotten first.
const MAX_SERVERS: usize = 50;

/// Most saves remembered; the oldest is forgotten first.
pub const MAX_HISTORY: usize = 1000;

/// Everything remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    items: BTreeMap<u64, Item>,
    servers: Vec<ServerView>,
    /// The part of the settings that every journal has.
    first_settings: FirstSettings,
    /// The transfers whose blocks come in order. Journals of the first version end before.
    #[serde(default)]
    in_order: BTreeSet<TransferId>,
    /// The transfers that began. Journals of the second version end before.
    #[serde(default)]
    begun: BTreeSet<TransferId>,
    #[serde(default)]
    notice: Option<Notice>,
    /// The targets chosen for saving transfers. Journals of the second version end before.
    #[serde(default)]
    saved_into: BTreeMap<TransferId, Place>,
    /// The mirrors that a server named, by transfer and number: only in a journal, and not in older ones.
    #[serde(default)]
    offered: Option<BTreeSet<(TransferId, u32)>>,
    /// The files of folders that were saved under a second name.
    #[serde(default)]
    beside: BTreeMap<TransferId, Vec<Range<u64>>>,
    /// The part of the settings that came later.
    #[serde(default)]
    later_settings: LaterSettings,
    /// The saves, oldest first. Journals of older builds end before.
    #[serde(default)]
    history: Vec<PastSave>,
    #[serde(skip)]
    serials: HashMap<TransferId, u64>,
}

impl Model {
    /// After reading it back: what can be computed is not written.
    pub fn index(&mut self) {
        self.serials = self.items.iter().map(|(serial, item)| (item.id.clone(), *serial)).collect();
        let Some(offered) = self.offered.take() else { return };
        for item in self.items.values_mut() {
            for mirror in &mut item.mirrors {
                let is_offered = offered.contains(&(item.id.clone(), mirror.id));
                mirror.named_by = if is_offered { NamedBy::Server } else { NamedBy::User };
            }
        }
    }

    /// The form for a journal.
    pub fn written(&self) -> Self {
        let offered = self.items.values().flat_map(|item| {
            let by_server = item.mirrors.iter().filter(|mirror| mirror.named_by == NamedBy::Server);
            by_server.map(|mirror| (item.id.clone(), mirror.id))
        });
        Self { offered: Some(offered.collect()), ..self.clone() }
    }

    /// The same with the newest transfers only, and without what their folders in the sandbox say too.
    pub fn essence(&self, most: usize) -> Self {
        let newest = self.items.iter().skip(self.items.len().saturating_sub(most));
        let items: BTreeMap<_, _> = newest.map(|(serial, item)| (*serial, item.without_blocks())).collect();
        let ids: BTreeSet<_> = items.values().map(|item| item.id.clone()).collect();
        let saved_into = self.saved_into.iter().filter(|(id, _)| ids.contains(id));
        Self {
            servers: self.servers.clone(),
            first_settings: self.first_settings,
            later_settings: self.later_settings,
            in_order: self.in_order.intersection(&ids).cloned().collect(),
            begun: self.begun.intersection(&ids).cloned().collect(),
            saved_into: saved_into.map(|(id, place)| (id.clone(), place.clone())).collect(),
            items,
            ..Self::default()
        }
    }

    /// All transfers in the order in which they come to their turn.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.values()
    }

    /// How many transfers there are.
    pub fn transfers(&self) -> usize {
        self.items.len()
    }

    /// One transfer.
    pub fn item(&self, id: &TransferId) -> Option<&Item> {
        self.items.get(self.serials.get(id)?)
    }

    /// In which order the blocks of a transfer come.
    pub fn order(&self, id: &TransferId) -> BlockOrder {
        if self.in_order.contains(id) { BlockOrder::InOrder } else { BlockOrder::Fastest }
    }

    /// Whether a transfer began, so that it is not asked any more whether there is room for it.
    pub fn has_begun(&self, id: &TransferId) -> bool {
        self.begun.contains(id)
    }

    /// The notice about storage that the user has to read.
    pub fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }

    /// Target of a folder's files, relative to the downloads folder, once it was chosen.
    pub fn saved_into(&self, id: &TransferId) -> Option<&str> {
        match self.saved_into.get(id)? {
            Place::Downloads(path) => Some(path),
            Place::Picked(_) => None,
        }
    }

    /// Name of a transfer in the folder that the user picked for it, if it was saved there or a save began.
    pub fn picked(&self, id: &TransferId) -> Option<&str> {
        match self.saved_into.get(id)? {
            Place::Picked(name) => Some(name),
            Place::Downloads(_) => None,
        }
    }

    /// How many files of a folder were saved under a second name, because a file had theirs already.
    pub fn beside(&self, id: &TransferId) -> u64 {
        self.beside.get(id).map_or(0, |files| files.iter().map(|range| range.end - range.start).sum())
    }

    /// Whether the files of another folder go to this path, also where the case of letters makes no difference.
    pub fn is_taken(&self, path: &str, by_other_than: &TransferId) -> bool {
        let path = key(path);
        let is_it = |place: &Place| matches!(place, Place::Downloads(other) if key(other) == path);
        self.saved_into.iter().any(|(id, place)| id != by_other_than && is_it(place))
    }

    /// The servers, last used first.
    pub fn servers(&self) -> &[ServerView] {
        &self.servers
    }

    /// The remembered saves, oldest first.
    pub fn history(&self) -> &[PastSave] {
        &self.history
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        joined(self.first_settings, self.later_settings)
    }

    /// Makes a change happen. A change to a transfer that is not there has no effect.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Added(item) => self.add(*item),
            Change::Used(server) => self.remember(server),
            Change::Forgotten(address) => self.servers.retain(|server| server.address != address),
            Change::Set(settings) => (self.first_settings, self.later_settings) = parted(settings),
            Change::Ordered(id, order) => self.set_order(id, order),
            Change::Noticed(notice) => self.notice = notice,
            Change::Begun(id) => {
                if self.serials.contains_key(&id) {
                    self.begun.insert(id);
                }
            }
            Change::Lost(id, problem) => self.change(&id, |item| {
                item.kept = Kept::default();
                item.fetch = Fetch::Failed(problem);
                item.save = Save::No(None);
            }),
            Change::Removed(id) => {
                self.in_order.remove(&id);
                self.begun.remove(&id);
                self.saved_into.remove(&id);
                self.beside.remove(&id);
                if let Some(serial) = self.serials.remove(&id) {
                    self.items.remove(&serial);
                }
            }
            Change::Past(saves) => {
                self.history.extend(saves);
                self.history.sort_by(|one, other| one.saved_ms.total_cmp(&other.saved_ms));
                let surplus = self.history.len().saturating_sub(MAX_HISTORY);
                self.history.drain(..surplus);
            }
            Change::PastForgotten => self.history.clear(),
            Change::Cleared => {
                self.items.clear();
                self.serials.clear();
                self.in_order.clear();
                self.begun.clear();
                self.saved_into.clear();
                self.beside.clear();
            }
            Change::Wanted(id, goal) => self.change(&id, |item| item.want(goal)),
            Change::Outdated(id, problem) => self.change(&id, |item| item.fetch = Fetch::Outdated(problem)),
            Change::SourceAdded(id, source, named_by) => {
                let named_by = named_by.unwrap_or(source.named_by);
                self.change(&id, |item| item.add_mirror(Mirror { named_by, ..source }));
            }
            Change::SourceRemoved(id, source) => self.change(&id, |item| item.remove_mirror(source)),
            Change::Limited(id, rate) => self.change(&id, |item| item.rate_limit = rate),
            Change::Swept(sweep) => self.sweep(sweep),
            Change::Moved(id, before) => self.place(&id, before.as_ref()),
            Change::Kept(id, kept) => self.change(&id, |item| {
                item.size = item.size_beside(kept.size);
                item.kept = kept;
            }),
            Change::Completed { id, size, root } => self.change(&id, |item| {
                item.size = size;
                if item.kind == TransferKind::File {
                    item.kept = Kept::default();
                }
                item.fetch = Fetch::Complete { root };
            }),
            Change::Failed(id, problem) => self.change(&id, |item| item.fetch = Fetch::Failed(problem)),
            Change::Save(id, save) => self.change(&id, |item| item.save = save),
            Change::Freed(id) => self.change(&id, |item| item.in_sandbox = false),
            Change::FilesSaved(id, files) => self.change(&id, |item| merge(&mut item.saved, files)),
            Change::SavedBeside(id, files) => {
                if self.serials.contains_key(&id) {
                    merge(self.beside.entry(id).or_default(), files);
                }
            }
            Change::Unsaved(id) => {
                self.saved_into.remove(&id);
                self.beside.remove(&id);
                self.change(&id, |item| item.saved.clear());
            }
            Change::Reopened(id) => {
                if self.serials.contains_key(&id) {
                    // All of it is there, or was.
                    self.begun.insert(id.clone());
                }
                self.change(&id, Item::reopen);
            }
            Change::SavedInto(id, path) => {
                if self.serials.contains_key(&id) {
                    self.saved_into.insert(id, path);
                }
            }
        }
    }

    fn set_order(&mut self, id: TransferId, order: BlockOrder) {
        self.in_order.remove(&id);
        if order == BlockOrder::InOrder && self.serials.contains_key(&id) {
            self.in_order.insert(id);
        }
    }

    fn add(&mut self, item: Item) {
        if self.serials.contains_key(&item.id) {
            return;
        }
        let serial = self.items.last_key_value().map_or(0, |(last, _)| last + 1);
        self.serials.insert(item.id.clone(), serial);
        self.items.insert(serial, item);
    }

    fn sweep(&mut self, sweep: Sweep) {
        let goal = if sweep == Sweep::Pause { Goal::Pause } else { Goal::Run };
        self.items.values_mut().filter(|item| item.is_meant_by(sweep)).for_each(|item| item.want(goal));
    }

    /// The transfers between the old place and the new one move on by one.
    fn place(&mut self, id: &TransferId, before: Option<&TransferId>) {
        let Some(from) = self.serials.get(id).copied() else { return };
        let to = match before {
            None => u64::MAX,
            Some(before) => match self.serials.get(before) {
                Some(to) => *to,
                None => return,
            },
        };
        let between: Vec<_> = match from <= to {
            true => self.items.range(from..to).map(|(serial, _)| *serial).collect(),
            false => self.items.range(to..=from).map(|(serial, _)| *serial).rev().collect(),
        };
        for pair in between.windows(2) {
            self.swap(pair[0], pair[1]);
        }
    }

    fn swap(&mut self, one: u64, other: u64) {
        let (Some(first), Some(second)) = (self.items.remove(&one), self.items.remove(&other)) else { return };
        self.serials.insert(first.id.clone(), other);
        self.serials.insert(second.id.clone(), one);
        self.items.extend([(other, first), (one, second)]);
    }

    fn change(&mut self, id: &TransferId, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.serials.get(id).and_then(|serial| self.items.get_mut(serial)) {
            change(item);
        }
    }

    fn remember(&mut self, mut server: ServerView) {
        if let Some(at) = self.servers.iter().position(|known| known.address == server.address) {
            let known = self.servers.remove(at);
            if server.agent.is_empty() {
                server.agent = known.agent;
            }
        }
        self.servers.insert(0, server);
        self.servers.truncate(MAX_SERVERS);
    }
}

/// Adds ranges to ranges that are in order.
fn merge(ranges: &mut Vec<Range<u64>>, more: Vec<Range<u64>>) {
    let mut all = RangeSet::new();
    for range in ranges.drain(..).chain(more) {
        all.insert(range);
    }
    *ranges = all.iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str) -> ServerView {
        ServerView { address: address.into(), label: address.into(), agent: String::new() }
    }

    #[test]
    fn the_server_used_last_stands_first_and_once() {
        let mut model = Model::default();
        for address in ["a", "b", "a"] {
            model.apply(Change::Used(server(address)));
        }
        assert_eq!(model.servers(), [server("a"), server("b")]);
    }

    fn model_of(ids: &[&str]) -> Model {
        let mut model = Model::default();
        for id in ids {
            model.apply(Change::Added(Box::new(Item::new(
                TransferId((*id).into()),
                "server".into(),
                (*id).into(),
                1,
                0.0,
            ))));
        }
        model
    }

    fn order(model: &Model) -> String {
        model.items().map(|item| item.id.0.as_str()).collect()
    }

    #[test]
    fn a_moved_transfer_stands_before_the_other_and_all_are_still_found() {
        for (moved, before, expected) in [
            ("c", Some("a"), "cabd"),
            ("d", Some("c"), "abdc"),
            ("a", Some("d"), "bcad"),
            ("b", None, "acdb"),
            ("b", Some("b"), "abcd"),
            ("b", Some("c"), "abcd"),
            ("b", Some("gone"), "abcd"),
            ("gone", Some("a"), "abcd"),
        ] {
            let mut model = model_of(&["a", "b", "c", "d"]);
            model.apply(Change::Moved(TransferId(moved.into()), before.map(|before| TransferId(before.into()))));
            assert_eq!(order(&model), expected, "{moved} before {before:?}");
            for id in ["a", "b", "c", "d"].map(|id| TransferId(id.into())) {
                assert_eq!(model.item(&id).map(|item| &item.id), Some(&id));
            }
        }
    }

    #[test]
    fn a_new_transfer_comes_after_one_that_was_moved_to_the_end() {
        let mut model = model_of(&["a", "b"]);
        model.apply(Change::Moved(TransferId("a".into()), None));
        model.apply(Change::Added(Box::new(Item::new(TransferId("c".into()), "server".into(), "c".into(), 1, 0.0))));
        assert_eq!(order(&model), "bac");
    }

    #[test]
    fn the_list_of_servers_is_bounded() {
        let mut model = Model::default();
        for number in 0..1000 {
            model.apply(Change::Used(server(&number.to_string())));
        }
        assert_eq!(model.servers().len(), MAX_SERVERS);
        assert_eq!(model.servers()[0], server("999"));
    }
}

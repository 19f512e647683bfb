//! The catalogue's lasting memory: transfers, servers, settings, and the changes its journal is made of.
//!
//! Everything here survives the end of the browser. Facts that matter only while a worker runs are in [`super::Queue`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_client::names::key;
use wstp_engine::RangeSet;
use wstp_messages::{
    BlockOrder, BlockRange, CommandId, FolderView, NamedBy, Notice, Problem, ServerView, Settings, SourceTask, Sweep,
    TransferId, TransferKind,
};
use wstp_protocol::block_count;

use super::mirror::Mirror;

/// Most transfers in the list.
pub const MAX_TRANSFERS: usize = 100_000;
/// Most addresses of a transfer remembered as taken away; a server offers at most 16.
const MAX_DECLINED: usize = 32;
/// Most servers remembered; the one not used for longest is forgotten first.
const MAX_SERVERS: usize = 50;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Everything; the first record of each journal.
    Snapshot {
        /// The journal with the highest generation counts.
        generation: u64,
        /// Everything.
        model: Model,
    },
    /// The change.
    Change {
        /// The command it was done for, where there was one.
        command: Option<CommandId>,
        /// A change of the list.
        change: Change,
    },
}

/// Something that happened. Append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A transfer was added.
    Added(Box<Item>),
    /// The user wants something else of a transfer.
    Wanted(TransferId, Goal),
    /// A worker ended and this is what the transfer has.
    Kept(TransferId, Kept),
    /// Every block is there.
    Completed {
        /// Which one.
        id: TransferId,
        /// Its size in bytes, as the server said in the end.
        size: u64,
        /// A file's hash.
        root: Option<String>,
    },
    /// It can't go on by itself.
    Failed(TransferId, Problem),
    /// Its way to the user's disk went on.
    Save(TransferId, Save),
    /// Its copy left the sandbox.
    Freed(TransferId),
    /// It left the list.
    Removed(TransferId),
    /// A server was used.
    Used(ServerView),
    /// A server is to be forgotten.
    Forgotten(String),
    /// The settings changed.
    Set(Settings),
    /// The user wants the same of all transfers it fits.
    Swept(Sweep),
    /// A transfer takes the place before another one, or the last.
    Moved(TransferId, Option<TransferId>),
    /// The file changed on the server.
    Outdated(TransferId, Problem),
    /// A transfer is on this server too. Records of older builds end before who named it.
    SourceAdded(TransferId, Mirror, #[serde(default)] Option<NamedBy>),
    /// A transfer is not to be fetched from this server any more.
    SourceRemoved(TransferId, u32),
    /// A transfer may have so many bytes a second.
    Limited(TransferId, Option<u64>),
    /// These files of a transfer are on the user's disk too.
    FilesSaved(TransferId, Vec<Range<u64>>),
    /// The record of a transfer's copy on the user's disk does not count any more.
    Unsaved(TransferId),
    /// The blocks of a transfer come in this order.
    Ordered(TransferId, BlockOrder),
    /// The user has to know this of what is stored, or has read it.
    Noticed(Option<Notice>),
    /// The complete copy of a transfer is gone from the sandbox, and it was not saved.
    Lost(TransferId, Problem),
    /// A transfer began: there was room for all of it, or the user insisted.
    Begun(TransferId),
    /// The files that are saved of a transfer go to this place.
    SavedInto(TransferId, Place),
    /// The stored files of a complete transfer may have changed: it is verified anew, and then saved if that was under
    /// way.
    Reopened(TransferId),
    /// These files of a folder were saved under a second name: a file had theirs already, and it may not be ours.
    SavedBeside(TransferId, Vec<Range<u64>>),
}

/// Target of a save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// By Chrome, to a path relative to the downloads folder.
    Downloads(String),
    /// By a page of ours, under this name in a folder that the user picked.
    Picked(String),
}

/// The user's wishes for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Fetch it.
    Run,
    /// Wait.
    Pause,
    /// Give up, without throwing anything away.
    Cancel,
}

/// How far the fetching came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fetch {
    /// Blocks are missing.
    Unfinished,
    /// Every block that can be had is verified.
    Complete {
        /// A file's hash.
        root: Option<String>,
    },
    /// It can't go on by itself.
    Failed(Problem),
    /// The file changed on the server; the user decides.
    Outdated(Problem),
}

/// How far it is on its way to the user's disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Save {
    /// Nobody asked, or the last try ended without result.
    No(Option<Problem>),
    /// Chrome copies it.
    Going,
    /// It is there; where, if there was anything to save.
    Saved(String),
}

/// The progress of a transfer, for showing it while no worker runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its size in bytes, as far as known.
    pub size: u64,
    /// How a folder's files stand.
    pub folder: Option<FolderView>,
    /// Bytes verified.
    pub verified: u64,
    /// Bytes received and not verified.
    pub received: u64,
    /// Blocks verified.
    pub verified_blocks: Vec<BlockRange>,
    /// Blocks received and not verified.
    pub received_blocks: Vec<BlockRange>,
    /// The file's hash, once known.
    pub root: Option<String>,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Names it.
    pub id: TransferId,
    /// The server's address.
    pub server: String,
    /// The thing to fetch.
    pub kind: TransferKind,
    /// Its path there.
    pub path: String,
    /// Its size in bytes, of a folder as far as known.
    pub size: u64,
    /// Its last change when it was added, in milliseconds since 1970-01-01 UTC, as listed.
    pub modified_ms: Option<i64>,
    /// The transfer whose complete older copy this one updates; it goes when this one is complete.
    pub base: Option<TransferId>,
    /// When it was added, in milliseconds since 1970-01-01 UTC.
    pub added_ms: f64,
    /// The user's wish.
    pub goal: Goal,
    /// How far the fetching came.
    pub fetch: Fetch,
    /// Whether the user went on after the file had changed, and so wants it as it is now, however often it changes.
    pub accept_change: bool,
    /// Other servers that have it.
    pub mirrors: Vec<Mirror>,
    /// Addresses of servers that the user took away: they are not taken up again because the server offers them.
    pub declined: Vec<String>,
    /// The most bytes a second it may have.
    pub rate_limit: Option<u64>,
    /// How far the saving came.
    pub save: Save,
    /// The files of a folder that are on the user's disk.
    pub saved: Vec<Range<u64>>,
    /// The progress.
    pub kept: Kept,
    /// Whether the sandbox holds anything of it.
    pub in_sandbox: bool,
}

impl Change {
    /// A transfer is on this server too.
    pub fn source_added(id: TransferId, mirror: Mirror) -> Self {
        let named_by = Some(mirror.named_by);
        Self::SourceAdded(id, mirror, named_by)
    }
}

impl Item {
    /// A transfer of a file of which nothing is there yet.
    pub fn new(id: TransferId, server: String, path: String, size: u64, added_ms: f64) -> Self {
        Self {
            id,
            server,
            kind: TransferKind::File,
            path,
            size,
            modified_ms: None,
            base: None,
            added_ms,
            goal: Goal::Run,
            fetch: Fetch::Unfinished,
            accept_change: false,
            mirrors: Vec::new(),
            declined: Vec::new(),
            rate_limit: None,
            save: Save::No(None),
            saved: Vec::new(),
            kept: Kept::default(),
            in_sandbox: true,
        }
    }

    /// Whether it is known where it came from; it is not after the list was lost with it.
    pub fn has_origin(&self) -> bool {
        !self.server.is_empty()
    }

    /// A transfer of a folder of which nothing is known yet.
    pub fn folder(id: TransferId, server: String, path: String, added_ms: f64) -> Self {
        Self { kind: TransferKind::Folder, ..Self::new(id, server, path, 0, added_ms) }
    }

    fn without_blocks(&self) -> Self {
        let mut item = self.clone();
        item.kept.verified_blocks.clear();
        item.kept.received_blocks.clear();
        item
    }

    /// One that updates the complete copy of another.
    pub fn update(self, base: TransferId) -> Self {
        Self { base: Some(base), accept_change: true, ..self }
    }

    /// The sources, first the server it was found on.
    pub fn sources(&self) -> Vec<SourceTask> {
        let origin = SourceTask::origin(self.server.clone(), self.path.clone());
        std::iter::once(origin).chain(self.mirrors.iter().map(Mirror::task)).collect()
    }

    /// Whether a worker should fetch it.
    pub fn wants_worker(&self) -> bool {
        self.goal == Goal::Run && self.fetch == Fetch::Unfinished
    }

    /// Why it can't go on by itself, if it can't.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.fetch {
            Fetch::Failed(problem) | Fetch::Outdated(problem) => Some(problem),
            Fetch::Unfinished | Fetch::Complete { .. } => None,
        }
    }

    /// Whether it is complete but for what could not be had.
    pub fn lacks_files(&self) -> bool {
        self.is_complete() && self.kept.folder.is_some_and(|folder| folder.problems > 0)
    }

    /// Whether there is something to be tried again that does not go on by itself.
    pub fn can_be_retried(&self) -> bool {
        self.has_origin() && (self.problem().is_some() || (self.lacks_files() && self.in_sandbox && !self.is_saving()))
    }

    /// Whether every block that can be had is verified.
    pub fn is_complete(&self) -> bool {
        matches!(self.fetch, Fetch::Complete { .. })
    }

    /// Whether a sweep means it.
    pub fn is_meant_by(&self, sweep: Sweep) -> bool {
        match sweep {
            Sweep::Pause => self.wants_worker(),
            Sweep::Resume => self.goal == Goal::Pause && !self.is_complete(),
            Sweep::Retry => self.goal == Goal::Run && matches!(self.fetch, Fetch::Failed(_)),
        }
    }

    /// The user's present wish for it.
    fn want(&mut self, goal: Goal) {
        self.goal = goal;
        if goal == Goal::Run && self.can_be_retried() {
            self.accept_change |= matches!(self.fetch, Fetch::Outdated(_));
            self.fetch = Fetch::Unfinished;
            if self.save != Save::Going {
                self.save = Save::No(None);
            }
        }
    }

    fn add_mirror(&mut self, source: Mirror) {
        self.declined.retain(|address| *address != source.address);
        self.mirrors.push(source);
    }

    fn remove_mirror(&mut self, id: u32) {
        let removed = self.mirrors.extract_if(.., |mirror| mirror.id == id).map(|mirror| mirror.address);
        self.declined.extend(removed);
        let excess = self.declined.len().saturating_sub(MAX_DECLINED);
        self.declined.drain(..excess);
    }

    /// Whether Chrome is or will be copying it.
    pub fn is_saving(&self) -> bool {
        self.is_complete() && self.save == Save::Going
    }

    /// Whether it was reopened while it was saved, and is saved as soon as it is complete again.
    pub fn is_to_be_saved(&self) -> bool {
        !self.is_complete() && self.save == Save::Going
    }

    /// It is complete no longer: what is stored of it may have changed.
    fn reopen(&mut self) {
        let Fetch::Complete { root } = &mut self.fetch else { return };
        if self.kind == TransferKind::File {
            let blocks = BlockRange { first: 0, end: block_count(self.size) };
            let (size, root) = (self.size, root.take());
            self.kept = Kept { size, received: size, received_blocks: vec![blocks], root, ..Kept::default() };
        }
        (self.fetch, self.goal) = (Fetch::Unfinished, Goal::Run);
    }

    /// Its size in bytes when its worker says this. A folder's shrinks when files in it fail. A file's is unknown to a
    /// worker at first.
    pub fn size_beside(&self, said: u64) -> u64 {
        match self.kind {
            TransferKind::File => said.max(self.size),
            TransferKind::Folder => said,
        }
    }

    /// How many files of a folder are on the user's disk.
    pub fn saved_files(&self) -> u64 {
        self.saved.iter().map(|range| range.end - range.start).sum()
    }
}

/// Everything remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    items: BTreeMap<u64, Item>,
    servers: Vec<ServerView>,
    settings: Settings,
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
            settings: self.settings,
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

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Makes a change happen. A change to a transfer that is not there has no effect.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Added(item) => self.add(*item),
            Change::Used(server) => self.remember(server),
            Change::Forgotten(address) => self.servers.retain(|server| server.address != address),
            Change::Set(settings) => self.settings = settings,
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

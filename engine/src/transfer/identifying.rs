//! Whether what a source opened is the file of this transfer.
//!
//! The origin is the first source that the user named, that speaks the protocol and was not given up. Its description
//! counts. Others are used only once they are known to have the same bytes. While the origin is silent and the root
//! unknown, another one that the user named takes its place. A version says only something among versions of one
//! server. Between servers, and after the version changed, only equal root hashes prove that the bytes are the same. A
//! source of plain HTTP has no hash to compare. It is used if the size is the same, once the root is known, and each of
//! its blocks has to prove itself.

use std::time::Duration;

use wstp_protocol::{Hash, Opened, RootReady, SharePath, Stale};

use super::Transfer;
use super::blocks::Blocks;
use super::connection::{Ask, Connection, Stage};
use crate::peer::Request;
use crate::{ConnectionId, FileIdentity, Instant, Problem, RangeSet, SourceId, StoreRequest};

/// How long the origin may be without the file open before another source that knows the root takes its place. This
/// applies while the root is unknown. It is as long as a connection may be silent before it counts as stalled. A source
/// that only answers more slowly than a mirror keeps its place.
const ORIGIN_PATIENCE: Duration = Duration::from_secs(10);
/// How often a server may say that a file changed which did not.
const MOST_REOPENS: u32 = 8;
/// How often the origin may contradict what it said of a file of which nothing is proven.
const MOST_CORRECTIONS: u8 = 4;
/// How many handles that are not open yet a server may call stale.
const MOST_EARLY_STALE: usize = 16;

enum Judgement {
    /// The origin's first description.
    First,
    Same,
    /// The same bytes under another version.
    SameBytes,
    Changed,
    /// The origin says something else than before, and nothing proves what it said then: either may be what a bad line
    /// made of it.
    Contradiction,
    /// Another file than the origin's.
    Other,
    /// Only the root hashes can tell, and they are not all known; or it is not certain yet which file is wanted.
    Unsure,
    Lie(&'static str),
}

impl Transfer {
    /// Opens the file, at once or when the server takes a further request.
    pub(super) fn request_open(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Unopened;
            self.open_if_possible(id);
        }
    }

    pub(super) fn open_if_possible(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id).filter(|open| open.stage == Stage::Unopened) else {
            return;
        };
        if !connection.peer.has_room() {
            return;
        }
        let source = connection.source;
        let known = self.sources.iter().find(|known| known.config.id == source);
        let Some(path) = known.map(|known| known.config.path.clone()) else { return };
        (connection.stage, connection.asked_to_open) = (Stage::Opening, Some(now));
        let message = connection.peer.request(now, Request::Open { path: path.clone() }, Ask::Open);
        let has_room = connection.peer.has_room();
        self.send(id, message);
        if self.config.asks_modified && has_room && self.origin() == Some(source) {
            self.request_stat(id, path);
        }
    }

    fn request_stat(&mut self, id: ConnectionId, path: SharePath) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let message = connection.peer.request(now, Request::Stat { path }, Ask::Stat);
        self.send(id, message);
    }

    pub(super) fn file_opened(&mut self, id: ConnectionId, opened: &Opened) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let early = connection.early_root.take().filter(|ready| ready.handle == opened.handle).map(|ready| ready.root);
        let offered = FileIdentity { size: opened.size, version: opened.version, root: opened.root.or(early) };
        connection.opened(now, opened.handle, offered);
        if std::mem::take(&mut connection.early_stale).contains(&opened.handle) {
            return self.reopen(id, opened.handle);
        }
        self.decide(id, offered);
    }

    fn decide(&mut self, id: ConnectionId, offered: FileIdentity) {
        let Some(source) = self.connections.get(&id).map(|connection| connection.source) else { return };
        match self.judge(source, &offered) {
            Judgement::First => self.adopt(source, offered),
            Judgement::Same => {}
            Judgement::SameBytes => self.rename(source, &offered),
            Judgement::Changed => return self.fail(Problem::Changed),
            Judgement::Contradiction => return self.hear_again(),
            Judgement::Other => return self.give_up(source, Problem::Changed),
            Judgement::Unsure => return,
            Judgement::Lie(lie) => return self.distrust(id, Problem::Protocol(lie.to_owned())),
        }
        if self.origin() == Some(source) {
            self.update.settle();
        }
        self.trust(id, offered.root);
    }

    fn judge(&self, source: SourceId, offered: &FileIdentity) -> Judgement {
        if !offered.is_plausible() {
            return Judgement::Lie("an empty file has another hash");
        }
        if self.source(source).is_some_and(|source| !source.config.can.identifies) {
            return self.judge_by_size(offered);
        }
        let is_origin = self.origin() == Some(source);
        let Some(file) = &self.file else {
            return if is_origin { Judgement::First } else { Judgement::Unsure };
        };
        if self.update.is_wanted() && !is_origin {
            return Judgement::Unsure;
        }
        let clash = file.size != offered.size || matches!((file.root, offered.root), (Some(a), Some(b)) if a != b);
        let version = self.source(source).and_then(|source| source.version);
        let contradicts = version == Some(offered.version) && clash;
        let is_unproven = is_origin && self.blocks.verified().is_empty() && !self.proven_before;
        let may_be_misheard = is_unproven && self.corrections < MOST_CORRECTIONS;
        let is_unknown = !clash && file.root.is_none();
        match () {
            () if contradicts && is_unproven && self.update.is_wanted() => Judgement::Unsure,
            () if contradicts && may_be_misheard => Judgement::Contradiction,
            () if contradicts => Judgement::Lie("one version has two sizes or hashes"),
            () if version == Some(offered.version) => Judgement::Same,
            () if file.same_bytes(offered) => Judgement::SameBytes,
            // The user wants it as it is now, which `choose_origin` sees to when nothing of the old file is under way.
            () if self.update.is_wanted() => Judgement::Unsure,
            // Nothing here would matter to the user: no block, or none that is proven, and arrived blocks are compared
            // with the new hash.
            () if may_be_misheard && version.is_some() && (self.blocks.holds_nothing() || is_unknown) => {
                Judgement::Contradiction
            }
            // Perhaps only its date or its place changed, and it came back: its hash will tell.
            () if is_origin && !clash && file.root.is_some() && offered.root.is_none() => Judgement::Unsure,
            () if is_origin && (clash || version.is_some()) => Judgement::Changed,
            () if clash => Judgement::Other,
            () => Judgement::Unsure,
        }
    }

    /// Judges a source that does not say which file it has.
    fn judge_by_size(&self, offered: &FileIdentity) -> Judgement {
        match self.file.filter(|file| file.root.is_some() && !self.update.is_wanted()) {
            None => Judgement::Unsure,
            Some(file) if file.size != offered.size => Judgement::Other,
            Some(_) => Judgement::SameBytes,
        }
    }

    /// Whether the origin has the file open, but whether it still is the same one only its hash will tell.
    pub(super) fn awaits_proof(&self) -> bool {
        let origin = self.origin();
        let unproven =
            |open: &Connection| matches!(open.stage, Stage::Open { trusted: false, .. }) && origin == Some(open.source);
        self.file.is_some_and(|file| file.root.is_some())
            && self.connections.values().all(|open| open.handle().is_none())
            && self.connections.values().any(unproven)
    }

    pub(super) fn origin(&self) -> Option<SourceId> {
        let mut able = self.sources.iter().filter(|source| source.may_be_origin()).map(|source| source.config.id);
        self.stand_in.filter(|id| able.clone().any(|other| other == *id)).or_else(|| able.next())
    }

    /// Whether it is certain which file is wanted.
    pub(super) fn is_settled_which(&self) -> bool {
        !self.update.is_wanted() && self.file.is_some_and(|file| file.root.is_some())
    }

    /// Has another source that the user named say which file it is, where the origin had it not open for too long. The
    /// origin is used again if it comes back with the same file. A change is only the origin's own to tell.
    pub(super) fn replace_silent_origin(&mut self) {
        if self.is_settled_which() || self.update.is_wanted() || self.has_origin_open() {
            self.origin_seen = self.now;
        } else if self.stand_in_at().is_some_and(|at| at <= self.now) {
            self.stand_in = self.stand_in_candidate();
            self.origin_seen = self.now;
        }
    }

    /// When a source that is ready to takes the origin's place.
    pub(super) fn stand_in_at(&self) -> Option<Instant> {
        let waits = !self.is_settled_which() && !self.update.is_wanted() && !self.has_origin_open();
        self.stand_in_candidate().filter(|_| waits).map(|_| self.origin_seen + ORIGIN_PATIENCE)
    }

    fn has_origin_open(&self) -> bool {
        let origin = self.origin();
        self.connections.values().any(|open| Some(open.source) == origin && matches!(open.stage, Stage::Open { .. }))
    }

    /// The first source that may say which file it is, and knows its root.
    fn stand_in_candidate(&self) -> Option<SourceId> {
        let knows_root = |id| {
            self.connections.values().any(|open| {
                open.source == id
                    && matches!(open.stage, Stage::Open { offered: FileIdentity { root: Some(_), .. }, .. })
            })
        };
        let (origin, mut able) = (self.origin(), self.sources.iter().filter(|source| source.may_be_origin()));
        able.find(|source| Some(source.config.id) != origin && knows_root(source.config.id))
            .map(|source| source.config.id)
    }

    /// Makes the origin's description of the file the one that counts, and compares the received blocks with its
    /// hashes. This happens when the user wants the file as it is now. It also happens when the previous origin was
    /// given up before the file's hash was known, so that nobody could be trusted.
    ///
    /// Everything about the file before is on record by then, or else it would be recorded as said of the file after.
    pub(super) fn choose_origin(&mut self) {
        let is_quiet = self.storage.is_idle() && (self.file.is_none() || !self.ledger.is_dirty());
        if self.is_settled_which()
            || !is_quiet
            || self.connections.values().any(|connection| connection.handle().is_some())
        {
            return;
        }
        let origin = self.origin();
        let offer = self.connections.iter().find_map(|(id, connection)| match connection.stage {
            Stage::Open { offered, trusted: false, .. } if origin == Some(connection.source) => {
                Some((*id, connection.source, offered))
            }
            _ => None,
        });
        let Some((id, source, offered)) = offer else { return };
        match self.file {
            None => self.adopt(source, offered),
            Some(file) if file.same_bytes(&offered) => self.rename(source, &offered),
            Some(_) => self.replace_file(source, offered),
        }
        self.update.settle();
        self.trust(id, offered.root);
    }

    fn adopt(&mut self, source: SourceId, file: FileIdentity) {
        self.blocks = Blocks::of(&file);
        self.take_identity(source, file);
        self.prepare_storage();
    }

    /// Takes what the origin says next for what counts, as after a change, but without asking.
    fn hear_again(&mut self) {
        self.corrections += 1;
        self.fail(Problem::Changed);
        self.go_on();
    }

    fn rename(&mut self, source: SourceId, offered: &FileIdentity) {
        if self.origin() == Some(source) {
            self.take_identity(source, *offered);
        } else if let Some(source) = self.source_mut(source) {
            source.version = Some(offered.version);
        }
    }

    /// The file changed: what may be the same is kept and compared, when the new root is known.
    fn replace_file(&mut self, source: SourceId, file: FileIdentity) {
        if let Some(old) = &self.file {
            self.blocks.changed(old, &file);
        }
        self.pages.clear();
        self.summits.clear();
        self.voids.clear();
        self.suspects.clear();
        self.proven_before = false;
        self.readback.proven = RangeSet::new();
        self.update.take();
        for other in &mut self.sources {
            other.version = None;
            other.unverified = RangeSet::new();
            other.verified = 0;
        }
        self.take_identity(source, file);
    }

    fn take_identity(&mut self, source: SourceId, file: FileIdentity) {
        self.file = Some(file);
        self.ledger.identified(self.now, file);
        if let Some(source) = self.source_mut(source) {
            source.version = Some(file.version);
        }
    }

    /// This connection opened the right file.
    fn trust(&mut self, id: ConnectionId, root: Option<Hash>) {
        if let Some(Stage::Open { trusted, .. }) = self.connections.get_mut(&id).map(|open| &mut open.stage) {
            *trusted = true;
        }
        if let Some(root) = root {
            self.learn_root(root);
        }
    }

    fn learn_root(&mut self, root: Hash) {
        if let Some(file) = self.file.as_mut().filter(|file| file.root.is_none()) {
            file.root = Some(root);
            self.ledger.root_known(self.now, root);
        }
        let unsure: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(id, open)| match open.stage {
                Stage::Open { offered, trusted: false, .. } => Some((*id, offered)),
                _ => None,
            })
            .collect();
        for (id, offered) in unsure {
            self.decide(id, offered);
        }
    }

    pub(super) fn root_ready(&mut self, id: ConnectionId, ready: RootReady) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Stage::Open { handle, offered, trusted } = &mut connection.stage else {
            connection.early_root = Some(ready);
            return;
        };
        if *handle != ready.handle {
            return;
        }
        let told_another = offered.root.is_some_and(|root| root != ready.root);
        offered.root = Some(ready.root);
        let (offered, trusted) = (*offered, *trusted);
        let clash = trusted && self.file.and_then(|file| file.root).is_some_and(|root| root != ready.root);
        if told_another || clash || !offered.is_plausible() {
            return self.distrust(id, Problem::Protocol("the file's hash is not the one told before".to_owned()));
        }
        if trusted { self.learn_root(ready.root) } else { self.decide(id, offered) }
    }

    pub(super) fn went_stale(&mut self, id: ConnectionId, stale: Stale) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Open { .. }) {
            return self.reopen(id, stale.handle);
        }
        // The file may change between the server's opening it and its saying so.
        if connection.early_stale.len() == MOST_EARLY_STALE {
            connection.early_stale.remove(0);
        }
        connection.early_stale.push(stale.handle);
    }

    /// The server says a handle is no good any more: the file is opened anew, which shows whether it changed.
    pub(super) fn reopen(&mut self, id: ConnectionId, stale: wstp_protocol::Handle) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !matches!(connection.stage, Stage::Open { handle, .. } if handle == stale) {
            return;
        }
        connection.reopened += 1;
        if connection.reopened > MOST_REOPENS {
            return self.distrust(id, Problem::Protocol("the file keeps changing and does not".to_owned()));
        }
        self.request_open(id);
    }

    /// Makes the data file as long as it has to be.
    pub(super) fn prepare_storage(&mut self) {
        if !self.update.is_unrecorded() {
            self.set_length();
        }
    }

    pub(super) fn set_length(&mut self) {
        if let Some(file) = self.file {
            self.store(StoreRequest::SetLength { size: file.size }, super::storage::Pending::SetLength);
        }
    }
}

//! Which connections there are: opening them, losing them, waiting before the next try, keeping them alive.

use std::time::Duration;

use wstp_protocol::{BLOCK_SIZE, features};

use super::blocks::range_of;
use super::connection::{Ask, BlockAsk, Connection, PageAsk, Stage};
use super::{Source, Transfer};
use crate::peer::{Due, Peer, Wait};
use crate::width::Carrying;
use crate::{ConnectionId, Connections, Output, Problem, SourceConfig, SourceId};

/// The features that a transfer uses.
const FEATURES: u64 = features::MIRRORS | features::ZEROS | features::COMPRESSED | features::EARLY;
/// A further connection is worth its handshake only for so much data.
const BYTES_PER_CONNECTION: u64 = 4 * 1024 * 1024;

impl Transfer {
    /// Opens the connections that are of use and allowed.
    pub(super) fn connect(&mut self) {
        let all_verified = self.file.is_some_and(|file| file.root.is_some()) && self.blocks.all_verified();
        if all_verified && !self.update.is_wanted() {
            return;
        }
        self.make_room_for_origin();
        for index in 0..self.sources.len() {
            let id = self.sources[index].config.id;
            if self.may_try(index) && self.connections_of(id) == 0 && self.make_room() {
                self.open_connection(id);
            }
        }
        if let Some(round_trip) = self.round_trip() {
            self.width.begin(self.now, self.usable_sources(), round_trip);
        }
        while self.connections.len() < self.useful_connections() && self.has_room_for_connection() {
            let Some(id) = self.source_for_another() else { return };
            self.open_connection(id);
        }
    }

    /// Only the origin can say which file it is: a connection that waits for that gives way to it, or one that proves
    /// nothing.
    fn make_room_for_origin(&mut self) {
        let origin = self.origin();
        let Some(index) = self.sources.iter().position(|source| Some(source.config.id) == origin) else { return };
        let wanted = self.may_try(index) && self.connections_of(self.sources[index].config.id) == 0;
        if wanted && !self.has_room_for_connection() {
            let waits = |connection: &Connection| {
                matches!(connection.stage, Stage::Open { trusted: false, .. }) || !self.proves(connection.source)
            };
            let waiting = self.connections.iter().find(|(_, open)| waits(open)).map(|(id, _)| *id);
            waiting.and_then(|id| self.disconnect(id));
        }
    }

    /// Makes room for a source without a connection at the cost of one that has several; false if none has. Sources
    /// that fail are tried less and less often, so this costs little.
    fn make_room(&mut self) -> bool {
        if self.has_room_for_connection() {
            return true;
        }
        self.spare_connection().and_then(|id| self.disconnect(id)).is_some()
    }

    fn has_room_for_connection(&self) -> bool {
        self.connections.len() < self.most_connections()
    }

    fn most_connections(&self) -> usize {
        self.width.connections(self.usable_sources())
    }

    fn usable_sources(&self) -> usize {
        (0..self.sources.len()).filter(|index| self.may_try(*index)).count()
    }

    /// The shortest round trip of the first connections.
    fn round_trip(&self) -> Option<Duration> {
        let trusted = self.connections.values().filter(|open| open.handle().is_some());
        trusted.filter_map(Connection::round_trip).min()
    }

    /// Uses more connections or fewer, where that was found to be better.
    pub(super) fn adapt_width(&mut self) {
        let carrying = self.connections.values().filter(|open| open.handle().is_some() && open.peer.in_flight > 0);
        let carrying = Carrying {
            connections: carrying.clone().count(),
            round_trip: carrying.filter_map(|open| open.peer.window.shortest()).max().unwrap_or_default(),
        };
        let is_bound = carrying.connections == self.most_connections()
            && self.leaving().is_empty()
            && self.unlimited_at.is_none()
            && !self.sources.iter().any(|source| source.path.is_draining())
            && !self.blocks.all_taken();
        self.width.adapt(self.now, self.usable_sources(), is_bound.then_some(carrying));
        self.close_excess();
    }

    /// Closes the connections that leave, once their answers came: a block that is under way would come twice.
    fn close_excess(&mut self) {
        for id in self.leaving() {
            if self.connections.get(&id).is_some_and(|open| open.peer.in_flight == 0 && open.pages_in_flight == 0) {
                self.disconnect(id);
            }
        }
    }

    /// The connections beyond the number that is used now. Nothing more is asked of them.
    pub(super) fn leaving(&self) -> Vec<ConnectionId> {
        let excess = self.connections.len().saturating_sub(self.most_connections());
        if excess == 0 {
            return Vec::new();
        }
        let mut open = self.open_connections();
        (0..excess).filter_map(|_| spare(&open).map(|index| open.remove(index).0)).collect()
    }

    /// The newest connection of the source with the most, if that has several.
    fn spare_connection(&self) -> Option<ConnectionId> {
        let open = self.open_connections();
        let (id, source) = open[spare(&open)?];
        (self.connections_of(source) > 1).then_some(id)
    }

    /// Each connection with its source, the oldest first.
    fn open_connections(&self) -> Vec<(ConnectionId, SourceId)> {
        self.connections.iter().map(|(id, open)| (*id, open.source)).collect()
    }

    fn may_try(&self, index: usize) -> bool {
        let source = &self.sources[index];
        let is_useful = source.config.can.proves || self.can_use_unproved();
        is_useful && !source.is_given_up() && source.conduct.retry_at(self.now).is_none()
    }

    /// Bytes without hashes are of use only while somebody else tells which file is wanted and what its blocks hash to.
    fn can_use_unproved(&self) -> bool {
        !self.update.is_wanted() && self.file.is_some_and(|file| file.root.is_some()) && self.pages_are_served()
    }

    /// The source with the fewest connections among those that have proved that they serve the file, if it may have
    /// more.
    fn source_for_another(&self) -> Option<SourceId> {
        (0..self.sources.len())
            .filter(|index| self.may_try(*index))
            .map(|index| self.sources[index].config.id)
            .filter(|id| self.connections.values().any(|open| open.source == *id && open.handle().is_some()))
            .min_by_key(|id| self.connections_of(*id))
            .filter(|id| self.connections_of(*id) < self.width.to_one())
    }

    pub(super) fn connections_of(&self, source: SourceId) -> usize {
        self.connections.values().filter(|connection| connection.source == source).count()
    }

    fn useful_connections(&self) -> usize {
        let left = (self.blocks.count() - self.blocks.here()).saturating_mul(BLOCK_SIZE);
        usize::try_from(left.div_ceil(BYTES_PER_CONNECTION)).unwrap_or(usize::MAX).max(1)
    }

    fn open_connection(&mut self, source: SourceId) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let Some(known) = self.source(source) else { return };
        let (credential, patience) = (known.config.credential.as_ref(), known.conduct.patience());
        let peer = Peer::new(self.now, &self.config.agent, credential, FEATURES, patience);
        self.connections.insert(connection, Connection::new(source, self.now, peer));
        self.outputs.push_back(Output::Connect { connection, source });
    }

    /// The caller opened a connection: says hello, and opens the file at once where the server takes that.
    pub(super) fn greet(&mut self, id: ConnectionId, takes_early: bool) {
        let now = self.now;
        let Some(source) = self.connections.get(&id).and_then(|open| self.source(open.source)) else { return };
        let takes_early = takes_early || source.conduct.takes_early();
        let greeting = self.connections.get_mut(&id).and_then(|open| open.peer.handle_opened(now, takes_early));
        if let Some(greeting) = greeting {
            self.send(id, greeting);
            self.request_open(id);
        }
    }

    /// The server said welcome.
    pub(super) fn welcomed(&mut self, id: ConnectionId) {
        let Some(open) = self.connections.get(&id) else { return };
        let (source, features) = (open.source, open.peer.welcome().map_or(0, |welcome| welcome.features));
        if let Some(source) = self.source_mut(source) {
            source.conduct.welcomed(features);
        }
        self.open_if_possible(id);
    }

    /// The caller says a connection is gone. One that carried blocks until then is replaced at once.
    pub(super) fn connection_closed(&mut self, id: ConnectionId) {
        let now = self.now;
        let was_fine = self.connections.get(&id).is_some_and(|connection| connection.was_fine(now));
        let Some(source) = self.forget(id) else { return };
        // While others of the source go on, it was not the server that went away.
        let goes_on =
            was_fine && self.connections.values().any(|open| open.source == source && open.handle().is_some());
        if !goes_on {
            let wait = if was_fine { Wait::Brief } else { Wait::Backoff };
            self.source_failed(source, Problem::Connection, wait);
        }
    }

    /// Closes a connection because of a problem; its source is tried again later, no earlier than after `wait`.
    pub(super) fn drop_connection(&mut self, id: ConnectionId, problem: Problem, wait: Option<Duration>) {
        if let Some(source) = self.disconnect(id) {
            self.source_failed(source, problem, wait.into());
        }
    }

    /// Closes a connection because the source lied or sent wrong blocks.
    pub(super) fn distrust(&mut self, id: ConnectionId, problem: Problem) {
        if let Some(source) = self.disconnect(id) {
            self.source_failed(source, problem.clone(), Wait::Backoff);
            self.strike(source, problem);
        }
    }

    /// Counts a lie or a wrong block against a source, and has nothing more to do with one that is left alone for it.
    pub(super) fn strike(&mut self, id: SourceId, problem: Problem) {
        let alone = self.sources.iter().all(|source| source.config.id == id || !source.can_prove());
        let now = self.now;
        let Some(source) = self.source_mut(id) else { return };
        source.strike(now, alone);
        if source.is_given_up() {
            self.give_up(id, problem);
        } else if source.conduct.is_benched(now) {
            source.problem = Some(problem);
            self.disconnect_source(id);
        }
    }

    /// Never tries a source again, unless the user wants to; when it was the last one that can prove blocks, the
    /// transfer fails.
    pub(super) fn give_up(&mut self, id: SourceId, problem: Problem) {
        self.disconnect_source(id);
        if let Some(source) = self.source_mut(id) {
            source.give_up(problem.clone());
        }
        self.fail_without_origin(problem);
    }

    /// Fails where no source is left that can say which file it is, if that has to be said yet, and prove it.
    pub(super) fn fail_without_origin(&mut self, problem: Problem) {
        let is_of_use = if self.is_settled_which() { Source::can_prove } else { Source::may_be_origin };
        if !self.sources.iter().any(is_of_use) {
            self.fail(problem);
        }
    }

    pub(super) fn add_source(&mut self, config: SourceConfig) {
        let now = self.now;
        let Some(known) = self.source_mut(config.id) else { return self.sources.push(Source::new(config, now)) };
        known.pardon();
        let (id, is_same_place) = (config.id, known.config.is_same_place(&config));
        known.config = config;
        if !is_same_place {
            known.version = None;
            self.disconnect_source(id);
        }
    }

    pub(super) fn remove_source(&mut self, id: SourceId) {
        let Some(index) = self.sources.iter().position(|source| source.config.id == id) else { return };
        self.disconnect_source(id);
        let removed = self.sources.remove(index);
        if !self.is_complete() {
            self.fail_without_origin(removed.problem.unwrap_or(Problem::Connection));
        }
    }

    fn disconnect_source(&mut self, id: SourceId) {
        for connection in self.ids_of(id) {
            self.disconnect(connection);
        }
    }

    fn ids_of(&self, source: SourceId) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, open)| open.source == source).map(|(id, _)| *id).collect()
    }

    fn source_failed(&mut self, id: SourceId, problem: Problem, wait: Wait) {
        if self.connections.values().all(|connection| connection.handle().is_none()) {
            self.problem = Some(problem.clone());
        }
        let now = self.now;
        if let Some(source) = self.sources.iter_mut().find(|source| source.config.id == id) {
            source.failed(now, problem, wait, &mut self.jitter);
        }
    }

    /// Closes a connection; says whose it was.
    pub(super) fn disconnect(&mut self, id: ConnectionId) -> Option<SourceId> {
        let source = self.forget(id)?;
        self.outputs.push_back(Output::Disconnect { connection: id });
        Some(source)
    }

    pub(super) fn disconnect_all(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.disconnect(id);
        }
    }

    fn forget(&mut self, id: ConnectionId) -> Option<SourceId> {
        let connection = self.connections.remove(&id)?;
        let source = connection.source;
        for (ask, cancelled) in connection.peer.into_requests() {
            match ask {
                Ask::Blocks(ask) => {
                    self.asked_bytes -= ask.bytes;
                    if !cancelled {
                        self.release_run(&ask);
                    }
                }
                Ask::Page(ask) if !cancelled => self.release_page(&ask),
                Ask::Page(_) | Ask::Open | Ask::Stat => {}
            }
        }
        Some(source)
    }

    /// A request for blocks ended without them: they may be asked for again, unless another connection still owes them.
    pub(super) fn release_run(&mut self, ended: &BlockAsk) {
        if !(ended.twice && self.is_left_to_another(|ask| ask.is_for_run(ended.run))) {
            self.blocks.unask(range_of(ended.run));
        }
    }

    /// The same for hashes.
    pub(super) fn release_page(&mut self, ended: &PageAsk) {
        if !(ended.twice && self.is_left_to_another(|ask| ask.is_for_part(ended.part))) {
            self.unask_hashes(ended.part);
        }
    }

    /// Whether another connection still owes it; it is the only one then.
    fn is_left_to_another(&mut self, is_same: impl Fn(&Ask) -> bool) -> bool {
        let mut asks = self.connections.values_mut().flat_map(|connection| connection.peer.requests_mut());
        let other = asks.find(|(_, ask)| is_same(ask));
        other.map(|(_, ask)| ask.set_twice(false)).is_some()
    }

    /// It arrived from one connection: nobody else needs to send it.
    pub(super) fn cancel_all(&mut self, is_same: impl Fn(&Ask) -> bool) {
        let (now, mut cancels) = (self.now, Vec::new());
        for (id, connection) in &mut self.connections {
            let same = connection.peer.requests().find_map(|(request, ask)| is_same(ask).then_some(request));
            if let Some(message) = same.and_then(|request| connection.peer.cancel(now, request)) {
                cancels.push((*id, message));
            }
        }
        for (id, message) in cancels {
            self.send(id, message);
        }
    }

    /// Closes connections that are silent for too long, and says something on those that are about to be closed for
    /// silence.
    pub(super) fn expire_connections(&mut self) {
        let due = |(id, open): (&ConnectionId, &mut Connection)| {
            Some((*id, open.peer.handle_timeout(self.now, open.awaited())?))
        };
        let due: Vec<_> = self.connections.iter_mut().filter_map(due).collect();
        for (id, due) in due {
            match due {
                Due::Ping(ping) => self.send(id, ping),
                Due::Stalled => self.drop_connection(id, Problem::Stalled, None),
            }
        }
    }

    pub(super) fn set_connections(&mut self, connections: Connections) {
        self.width.set(connections);
        self.close_excess();
    }
}

/// The place of the newest connection of the source with the most.
fn spare(open: &[(ConnectionId, SourceId)]) -> Option<usize> {
    let count = |source| open.iter().filter(|(_, other)| *other == source).count();
    (0..open.len()).max_by_key(|index| (count(open[*index].1), *index))
}

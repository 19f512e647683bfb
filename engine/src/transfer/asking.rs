//! The choice of the next request and its source. The lowest missing block comes first, or the one where the user
//! reads. Each connection gets as much as its window allows, and all together no more than the memory budget and the
//! limit allow. When no block is left to request, a straggler's blocks are requested once more.

use std::ops::Range;

use wstp_protocol::{BLOCK_SIZE, BlockIndex, BlockRun};

use super::Transfer;
use super::blocks::{range_of, run_of};
use super::connection::{Ask, BlockAsk, Connection, PageAsk};
use super::pages::{Part, page_of};
use crate::peer::Request;
use crate::{ConnectionId, Instant, Order, SourceConfig, SourceId};

/// Requests for hash pages under way on one connection.
const MOST_PAGES_IN_FLIGHT: u32 = 8;
/// Bytes of a hash.
const HASH_SIZE: u32 = 32;
/// Blocks requested ahead of the first missing one, if they are to come in order: 16 MiB, more than most lines have
/// under way.
const LEAD: u64 = 2048;

impl Transfer {
    /// Fills every connection's window.
    pub(super) fn ask(&mut self) {
        self.endgame_at = None;
        self.unlimited_at = None;
        if self.file.is_none() || self.update.is_unrecorded() {
            return;
        }
        let leaving = self.leaving();
        let stays = |id: &ConnectionId, open: &Connection| open.handle().is_some() && !leaving.contains(id);
        let ids: Vec<_> = self.connections.iter().filter(|(id, open)| stays(id, open)).map(|(id, _)| *id).collect();
        for (id, cap) in self.caps(&ids) {
            while self.ask_blocks(id, cap) {}
        }
        for id in ids {
            self.ask_pages(id);
            self.ask_late_pages(id);
        }
    }

    /// The most bytes in flight on each of these connections: its part of the memory, and of what its line takes.
    fn caps(&self, ids: &[ConnectionId]) -> Vec<(ConnectionId, u64)> {
        let memory = self.config.memory_budget / (ids.len() as u64).max(1);
        let open: Vec<_> = ids.iter().filter_map(|id| Some((*id, self.connections.get(id)?))).collect();
        let cap = |own: &Connection| {
            let most = self.source(own.source)?.path.most()?;
            let sizes = open.iter().filter(|(_, other)| other.source == own.source);
            let all: u64 = sizes.map(|(_, other)| other.peer.window.size(memory)).sum();
            (all > most).then(|| (own.peer.window.size(memory) as f64 * most as f64 / all as f64) as u64)
        };
        open.iter().map(|(id, own)| (*id, cap(own).unwrap_or(memory))).collect()
    }

    /// Whether some connection can prove blocks.
    pub(super) fn pages_are_served(&self) -> bool {
        self.connections.values().any(|open| open.has_pages() && self.proves(open.source))
    }

    fn ask_pages(&mut self, id: ConnectionId) {
        let Some(file) = self.file else { return };
        while let Some(most) = self.most_hashes(id) {
            let of_summits = self.most_beside_voids(most);
            let next = self
                .summits
                .nodes()
                .ask(of_summits)
                .or_else(|| self.voids.ask(most))
                .or_else(|| self.pages.ask(&file, most));
            let Some(part) = next else { return };
            self.request_page(id, part, false);
        }
    }

    /// Asks a connection that waits for no blocks for the hashes that another one owes for too long.
    fn ask_late_pages(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_none_or(|own| own.peer.in_flight > 0) {
            return;
        }
        while let Some((at, part)) = self.most_hashes(id).and_then(|most| self.late_part(id, most)) {
            if at > self.now {
                self.endgame_at = Some(self.endgame_at.map_or(at, |other| other.min(at)));
                return;
            }
            self.mark_twice(|ask| ask.is_for_part(part));
            self.request_page(id, part, true);
        }
    }

    /// How many hashes a connection may be asked for in one request now.
    fn most_hashes(&self, id: ConnectionId) -> Option<u32> {
        let connection = self.connections.get(&id).filter(|own| own.has_pages() && self.proves(own.source))?;
        let takes = self.takes_requests(id, 0) && connection.pages_in_flight < MOST_PAGES_IN_FLIGHT;
        // No more than comes as fast as a run of blocks does.
        let nodes_of_block = BLOCK_SIZE as u32 / HASH_SIZE;
        let most = connection.peer.window.run_blocks(self.config.memory_budget).saturating_mul(nodes_of_block);
        connection.peer.limits().filter(|_| takes).map(|limits| limits.page_nodes.min(most))
    }

    fn request_page(&mut self, id: ConnectionId, part: Part, twice: bool) {
        let sent = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(handle) = connection.handle() else { return };
        connection.pages_in_flight += 1;
        let request = Request::Hashes { handle, level: part.level, first: part.first, count: part.count };
        let message = connection.peer.request(sent, request, Ask::Page(PageAsk { part, handle, sent, twice }));
        self.send(id, message);
    }

    /// The hashes that were asked of another connection longest ago, of it alone, and when they count as late.
    fn late_part(&self, id: ConnectionId, most: u32) -> Option<(Instant, Part)> {
        let idle = self.connections.get(&id)?;
        let others = self.connections.iter().filter(|(other, _)| **other != id);
        others
            .flat_map(|(_, owing)| owing.peer.requests().map(move |(_, ask)| (owing, ask)))
            .filter_map(|(owing, ask)| match ask {
                Ask::Page(ask) if !ask.twice && ask.part.count <= most => {
                    Some((ask.sent + owing.grace(idle), ask.part))
                }
                _ => None,
            })
            .min_by_key(|(at, _)| *at)
    }

    /// Asks a connection for one run; false if it can take none now or none is left.
    fn ask_blocks(&mut self, id: ConnectionId, cap: u64) -> bool {
        if !self.sends(id) {
            // Others send the blocks. Looking for them opens the pages whose hashes this source is asked for.
            let _hashes_are_enough = self.next_run(id, 1);
            return false;
        }
        let Some(most) = self.room(id, cap) else { return false };
        if !self.within_limit(id, u64::from(most) * BLOCK_SIZE) {
            return false;
        }
        let Some(run) = self.next_run(id, most) else {
            return self.ask_again(id, cap);
        };
        self.ask_pages(id);
        self.takes_requests(id, 0) && self.request_run(id, run, false)
    }

    /// How many blocks a connection may be asked for in one request now.
    fn room(&self, id: ConnectionId, cap: u64) -> Option<u32> {
        let connection = self.connections.get(&id)?;
        let limits = connection.peer.limits()?;
        // One request stays free for a hash page, so that blocks don't wait for their proof.
        if !self.takes_requests(id, 1) {
            return None;
        }
        // One block shows how slow the line is, and that it carries anything, before a run of them could.
        let is_first = connection.peer.in_flight == 0 && connection.peer.window.smoothed().is_none();
        let run = if is_first { 1 } else { connection.peer.window.run_blocks(cap) };
        let most = limits.run_blocks.min(run).min(self.most_at_limit());
        let most = 1 << most.ilog2();
        let bytes = u64::from(most) * BLOCK_SIZE;
        let fits =
            connection.peer.in_flight == 0 || connection.peer.in_flight + bytes <= connection.peer.window.size(cap);
        (fits && self.fits_budget(bytes)).then_some(most)
    }

    /// Whether a connection may be asked for something now, and `spare` requests more, unless it is idle.
    fn takes_requests(&self, id: ConnectionId, spare: usize) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.peer.takes_requests(self.now, spare))
    }

    /// Whether a connection's source sends blocks.
    fn sends(&self, id: ConnectionId) -> bool {
        let source = self.connections.get(&id).and_then(|connection| self.source(connection.source));
        source.is_some_and(|source| source.config.can.sends)
    }

    fn most_at_limit(&self) -> u32 {
        u32::try_from(self.limit.run_bytes() / BLOCK_SIZE).unwrap_or(u32::MAX)
    }

    /// Whether the limit lets a connection that could take so many bytes be asked for them now.
    fn within_limit(&mut self, id: ConnectionId, bytes: u64) -> bool {
        let at = self.limit.ready_at(self.now, bytes);
        if at <= self.now {
            return true;
        }
        self.unlimited_at = Some(self.unlimited_at.map_or(at, |other| other.min(at)));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.peer.window.nothing_to_ask(connection.peer.in_flight);
            let source = connection.source;
            self.nothing_to_ask_of(source);
        }
        false
    }

    /// The line to a source is not filled, so its rate says nothing now.
    pub(super) fn nothing_to_ask_of(&mut self, id: SourceId) {
        if let Some(source) = self.source_mut(id) {
            source.path.nothing_to_ask();
        }
    }

    fn fits_budget(&self, bytes: u64) -> bool {
        self.asked_bytes + self.storage.unwritten() + bytes <= self.config.memory_budget
    }

    /// The missing blocks wanted most of those that a connection's source has, at most `most` of them (a power of two).
    /// A source that proves nothing is asked only for blocks whose hashes are here.
    fn next_run(&mut self, id: ConnectionId, most: u32) -> Option<BlockRun> {
        let source = self.connections.get(&id)?.source;
        let (start, end) = (self.config.order.start(), self.end_of_lead());
        if self.proves(source) {
            return self.run_in(source, start..end, most).or_else(|| self.run_in(source, 0..start, most));
        }
        let run =
            self.proved_run_in(source, start..end, most).or_else(|| self.proved_run_in(source, 0..start, most))?;
        self.look_ahead(page_of(run.first));
        Some(run)
    }

    /// The end of the blocks that may be requested now.
    fn end_of_lead(&self) -> BlockIndex {
        match self.config.order {
            Order::InOrder => self.blocks.beginning().saturating_add(LEAD).min(self.blocks.count()),
            Order::HeadFirst | Order::From(_) => self.blocks.count(),
        }
    }

    /// The lowest missing blocks of `within`, cut at multiples of `most`, so that later runs are aligned.
    fn run_in(&mut self, source: SourceId, within: Range<BlockIndex>, most: u32) -> Option<BlockRun> {
        let proving = self.pages_are_served();
        let file = self.file?;
        let mut from = within.start;
        loop {
            let missing = self.missing_at(source, from..within.end)?;
            let page = page_of(missing.start);
            if file.root.is_some() && proving && !self.pages.open(page, &file) {
                // Too many pages are open: only blocks that finish one of them help.
                from = self.pages.next_open(page)? * super::pages::PAGE_BLOCKS;
                continue;
            }
            if proving {
                self.look_ahead(page);
            }
            let aligned = (missing.start / u64::from(most) + 1) * u64::from(most);
            return Some(run_of(&(missing.start..missing.end.min(aligned))));
        }
    }

    /// The first missing blocks of `within` that a source has.
    fn missing_at(&self, source: SourceId, within: Range<BlockIndex>) -> Option<Range<BlockIndex>> {
        self.blocks.missing_of(&self.source(source)?.config.has, within)
    }

    /// The lowest missing blocks of `within` whose hashes are here.
    fn proved_run_in(&self, source: SourceId, within: Range<BlockIndex>, most: u32) -> Option<BlockRun> {
        let mut from = within.start;
        loop {
            let known = self.pages.known_from(from).filter(|known| known.start < within.end)?;
            if let Some(missing) = self.missing_at(source, known.start..known.end.min(within.end)) {
                let aligned = (missing.start / u64::from(most) + 1) * u64::from(most);
                return Some(run_of(&(missing.start..missing.end.min(aligned))));
            }
            from = known.end;
        }
    }

    fn is_proved(&self, run: BlockRun) -> bool {
        range_of(run).all(|block| self.pages.expected(block).is_some())
    }

    /// Opens the page after this one too, so that its hashes are here before its blocks.
    fn look_ahead(&mut self, page: u64) {
        let Some(file) = self.file.filter(|file| file.root.is_some()) else { return };
        let next = super::pages::blocks_of(page + 1, &file);
        if next.start < next.end && self.blocks.missing_in(next.clone()).is_some() {
            self.pages.open(page + 1, &file);
        }
    }

    fn request_run(&mut self, id: ConnectionId, run: BlockRun, twice: bool) -> bool {
        let now = self.now;
        let Some(file) = self.file else { return false };
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let Some(handle) = connection.handle() else { return false };
        let bytes = file.bytes(&range_of(run));
        let stamp = connection.peer.window.sent(now, connection.peer.in_flight);
        connection.peer.in_flight += bytes;
        self.asked_bytes += bytes;
        self.limit.take(bytes);
        self.blocks.ask(range_of(run));
        let ask = BlockAsk { run, handle, bytes, sent: now, stamp, twice };
        let message = connection.peer.request(now, Request::Blocks { handle, run }, Ask::Blocks(ask));
        self.send(id, message);
        true
    }

    /// Asks an idle connection for what another one owes for too long.
    fn ask_again(&mut self, id: ConnectionId, cap: u64) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        connection.peer.window.nothing_to_ask(connection.peer.in_flight);
        let source = connection.source;
        let most = connection.peer.limits().map_or(0, |limits| limits.run_blocks);
        let room = connection.peer.window.size(cap).saturating_sub(connection.peer.in_flight).max(BLOCK_SIZE * 32);
        self.nothing_to_ask_of(source);
        let Some((at, run, bytes)) = self.straggler(id, most, room) else { return false };
        if !self.fits_budget(bytes) {
            return false;
        }
        if at > self.now {
            self.endgame_at = Some(self.endgame_at.map_or(at, |other| other.min(at)));
            return false;
        }
        if !self.within_limit(id, bytes) {
            return false;
        }
        self.mark_twice(|ask| ask.is_for_run(run));
        self.request_run(id, run, true)
    }

    /// The request of another connection that waits longest and was not repeated, and when it counts as late.
    fn straggler(&self, id: ConnectionId, most: u32, room: u64) -> Option<(Instant, BlockRun, u64)> {
        let idle = self.connections.get(&id)?;
        let SourceConfig { can, has, .. } = &self.source(idle.source)?.config;
        self.connections
            .iter()
            .filter(|(other, _)| **other != id)
            .flat_map(|(_, owing)| owing.peer.requests().map(move |(_, ask)| (owing, ask)))
            .filter_map(|(owing, ask)| match ask {
                Ask::Blocks(ask)
                    if !ask.twice
                        && ask.run.count <= most
                        && ask.bytes <= room
                        && has.covers(&range_of(ask.run))
                        && (can.proves || self.is_proved(ask.run)) =>
                {
                    Some((ask.sent + owing.grace(idle), ask.run, ask.bytes))
                }
                _ => None,
            })
            .min_by_key(|(at, ..)| *at)
    }

    fn mark_twice(&mut self, is_same: impl Fn(&Ask) -> bool) {
        let asks = self.connections.values_mut().flat_map(|connection| connection.peer.requests_mut());
        asks.filter(|(_, ask)| is_same(ask)).for_each(|(_, ask)| ask.set_twice(true));
    }
}

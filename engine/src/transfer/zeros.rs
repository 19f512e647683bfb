//! Blocks that a source called zero in place of sending them. They are proved and written like all others, and count no
//! sooner.
//!
//! A *void* is an aligned stretch of 2,048 such blocks. One node of the hash tree proves it, so its block hashes are
//! neither fetched nor stored. The blocks of a shorter stretch are hashed one by one, as if their bytes had come.

use std::ops::Range;

use wstp_protocol::zeros::{self, VOID_LEVEL};
use wstp_protocol::{BLOCK_SIZE, BlockIndex, Hash, Zeros, tree};

use super::Transfer;
use super::checking::Verdict;
use super::connection::BlockAsk;
use super::pages::{PAGE_BLOCKS, page_of};
use super::storage::Pending;
use crate::{ConnectionId, FileIdentity, Problem, StoreRequest};

/// Blocks of a void: 16 MiB.
const VOID_BLOCKS: u64 = 1 << VOID_LEVEL;
/// Writes of zeros at once: one is handed over while another one is done.
const MOST_AT_ONCE: usize = 2;

impl Transfer {
    /// A source called blocks zero.
    pub(super) fn zeros_told(&mut self, id: ConnectionId, ask: &BlockAsk, reply: Zeros) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let source = connection.source;
        connection.peer.window.answered_without_data(now, &ask.stamp, connection.peer.in_flight);
        let is_of_this_file = connection.handle() == Some(ask.handle);
        // Nothing came over the line, so nothing counts for its speed.
        self.nothing_to_ask_of(source);
        self.limit.give_back(ask.bytes);
        self.release_run(ask);
        let Some(file) = self.file.filter(|_| is_of_this_file) else { return };
        if reply.blocks().end > file.blocks() {
            return self.distrust(id, Problem::Protocol("there are zeros past the end of the file".to_owned()));
        }
        self.problem = None;
        let told = self.blocks.tell(reply.blocks());
        // Blocks that others sent before were lost here; those sources don't answer for them any more.
        for other in &mut self.sources {
            for range in &told {
                other.unverified.remove(range.clone());
            }
        }
        if let Some(source) = self.source_mut(source) {
            source.delivered(now, 0);
            for range in told {
                source.unverified.insert(range);
            }
        }
        if ask.twice {
            self.cancel_all(|other| other.is_for_run(ask.run));
        }
    }

    /// Proves and writes zeros, as fast as storage takes them.
    pub(super) fn fill_zeros(&mut self) {
        while self.storage.zeros() < MOST_AT_ONCE && self.is_running() && !self.update.is_unrecorded() {
            let Some(file) = self.file else { return };
            if let Some((index, node)) = self.next_void(&file) {
                self.fill_void(index, node);
            } else if let Some(piece) = self.next_piece(&file) {
                self.fill_piece(&file, &piece);
            } else {
                return;
            }
        }
    }

    /// A void whose node is known. If there is none, the node of the first void is requested next.
    fn next_void(&mut self, file: &FileIdentity) -> Option<(u64, Hash)> {
        file.root?;
        let known = self.voids.known();
        let known = known.start << VOID_LEVEL..known.end << VOID_LEVEL;
        let here = self.blocks.told().overlaps(known).map(|told| voids_in(&told, file)).find(|voids| !voids.is_empty());
        if let Some(voids) = here {
            let index = voids.start >> VOID_LEVEL;
            return Some((index, self.voids.get(index)?));
        }
        let first = self.blocks.told().iter().map(|told| voids_in(&told, file)).find(|voids| !voids.is_empty())?;
        self.voids.want(first.start >> VOID_LEVEL);
        None
    }

    /// How many nodes above pages to request, at most `most`. A server computes those in a void only for who asks, so
    /// they are left out.
    pub(super) fn most_beside_voids(&mut self, most: u32) -> u32 {
        let (Some(file), Some(wanted)) = (self.file, self.summits.nodes().wanted()) else { return most };
        let has_void = |count: u32| {
            let first = wanted / u64::from(count) * u64::from(count);
            let window = first * PAGE_BLOCKS..(first + u64::from(count)) * PAGE_BLOCKS;
            let mut told = self.blocks.told().overlaps(window.clone());
            self.blocks.bare().overlaps(window).next().is_some() || told.any(|told| !voids_in(&told, &file).is_empty())
        };
        let narrower = std::iter::successors(Some(most), |count| Some(count / 2));
        narrower
            .take_while(|count| u64::from(*count) >= VOID_BLOCKS / PAGE_BLOCKS)
            .find(|count| !has_void(*count))
            .unwrap_or(most)
    }

    fn fill_void(&mut self, index: u64, node: Hash) {
        let range = index << VOID_LEVEL..(index + 1) << VOID_LEVEL;
        if zeros::node(VOID_LEVEL, index) != node {
            return self.disbelieve(range);
        }
        self.blocks.fill(range.clone());
        let (offset, length) = (range.start * BLOCK_SIZE, VOID_BLOCKS * BLOCK_SIZE);
        self.store(StoreRequest::WriteZeros { offset, length }, Pending::Void { range });
    }

    /// The first told blocks that are in no void, of one page.
    fn next_piece(&self, file: &FileIdentity) -> Option<Range<BlockIndex>> {
        self.blocks.told().iter().find_map(|told| {
            let voids = voids_in(&told, file);
            let piece = match () {
                () if voids.is_empty() => told,
                () if told.start < voids.start => told.start..voids.start,
                () => voids.end..told.end,
            };
            let end_of_page = (page_of(piece.start) + 1) * PAGE_BLOCKS;
            (piece.start < piece.end).then(|| piece.start..piece.end.min(end_of_page))
        })
    }

    fn fill_piece(&mut self, file: &FileIdentity, piece: &Range<BlockIndex>) {
        let hash = |block: BlockIndex| {
            let length = file.bytes(&(block..block + 1)) as usize;
            tree::hash_block(file.tree(), block, &zeros::BLOCK[..length])
        };
        let hashes: Vec<_> = piece.clone().map(hash).collect();
        for (range, verdict) in self.verdicts(piece, &hashes) {
            if verdict == Verdict::Wrong {
                // Its words about the others do not count any more, either.
                return self.disbelieve(range);
            }
            let of_range = (range.start - piece.start) as usize..(range.end - piece.start) as usize;
            self.ledger.gather(range.start, &hashes[of_range]);
            self.blocks.fill(range.clone());
            let (offset, length) = (range.start * BLOCK_SIZE, file.bytes(&range));
            let pending = Pending::Zeros { range, verified: verdict == Verdict::Right };
            self.store(StoreRequest::WriteZeros { offset, length }, pending);
        }
        if self.ledger.is_full() {
            self.flush_hashes();
        }
    }

    /// Zeros are written, and so are or will be their hashes.
    pub(super) fn zeros_written(&mut self, range: Range<BlockIndex>, verified: bool) {
        if verified {
            self.proved_late(range.clone());
            return self.close_page_if_proved(page_of(range.start));
        }
        self.blocks.receive(range.clone());
        self.ledger.received(self.now, range, 0);
    }

    /// The zeros of a void are written.
    pub(super) fn void_written(&mut self, range: Range<BlockIndex>) {
        self.proved_late(range.clone());
        self.blocks.write_bare(range.clone());
        (page_of(range.start)..page_of(range.end)).for_each(|page| self.pages.close(page));
    }

    /// Zeros could not be written.
    pub(super) fn untell(&mut self, range: Range<BlockIndex>) {
        for source in &mut self.sources {
            source.unverified.remove(range.clone());
        }
        self.blocks.release(range);
    }

    /// Blocks are not zero, and a source said so. Nothing else that it said, and that is still to be proved, counts.
    fn disbelieve(&mut self, range: Range<BlockIndex>) {
        self.blocks.release(range.clone());
        for liar in self.blame(&[range]) {
            let told = self.blocks.told().clone();
            let Some(source) = self.source_mut(liar) else { continue };
            let said: Vec<_> = told.iter().flat_map(|told| source.unverified.overlaps(told)).collect();
            said.into_iter().for_each(|range| self.untell(range));
        }
    }
}

/// The blocks of whole voids in a range. The root of a file that is no larger than a void is a node of another kind.
fn voids_in(range: &Range<BlockIndex>, file: &FileIdentity) -> Range<BlockIndex> {
    let start = range.start.next_multiple_of(VOID_BLOCKS);
    let end = range.end.min(file.size / BLOCK_SIZE) >> VOID_LEVEL << VOID_LEVEL;
    if file.blocks() > VOID_BLOCKS && start < end { start..end } else { start..start }
}

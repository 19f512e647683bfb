//! Proving blocks. Blocks that arrive while their page of hashes is here are proved at once. All others are proved
//! later, from the hashes that were written along with them.

use std::ops::Range;

use bytes::Bytes;
use wstp_protocol::zeros;
use wstp_protocol::{BLOCK_SIZE, BlockIndex, BlockRun, Hash, tree};

use super::Transfer;
use super::blocks::{range_of, run_of};
use super::pages::{PAGE_BLOCKS, Part, blocks_of, page_of};
use super::storage::Pending;
use super::summits::Next;
use crate::{FileIdentity, Problem, SourceId, StoreRequest};

/// How often one block may go wrong before the transfer fails.
const MOST_FAILURES_OF_A_BLOCK: u8 = 8;
/// How many wrong blocks are remembered.
const MOST_SUSPECTS: usize = 1024;

/// The result of comparing a block with its page's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// The page is not here.
    Open,
}

impl Transfer {
    /// A run arrived: writes the blocks that are new and not wrong, and returns the wrong ones.
    pub(super) fn take_run(&mut self, source: SourceId, run: BlockRun, data: &Bytes) -> Vec<Range<BlockIndex>> {
        let mut wrong = Vec::new();
        for range in self.blocks.not_held(range_of(run)) {
            let hashes = self.hash(run, &range, data);
            for (piece, verdict) in self.verdicts(&range, &hashes) {
                if verdict == Verdict::Wrong {
                    wrong.push(piece);
                    continue;
                }
                let of_piece = (piece.start - range.start) as usize..(piece.end - range.start) as usize;
                self.ledger.gather(piece.start, &hashes[of_piece]);
                self.write(source, run, piece, data, verdict == Verdict::Right);
            }
        }
        if self.ledger.is_full() {
            self.flush_hashes();
        }
        wrong
    }

    fn hash(&self, run: BlockRun, range: &Range<BlockIndex>, data: &Bytes) -> Vec<Hash> {
        let Some(file) = self.file else { return Vec::new() };
        let skipped = ((range.start - run.first) * BLOCK_SIZE) as usize;
        let blocks = data[skipped..].chunks(BLOCK_SIZE as usize);
        range.clone().zip(blocks).map(|(index, block)| tree::hash_block(file.tree(), index, block)).collect()
    }

    /// The blocks of a range with these hashes, in stretches of one verdict.
    pub(super) fn verdicts(&self, range: &Range<BlockIndex>, hashes: &[Hash]) -> Vec<(Range<BlockIndex>, Verdict)> {
        let mut stretches: Vec<(Range<BlockIndex>, Verdict)> = Vec::new();
        for (block, hash) in range.clone().zip(hashes) {
            let verdict = self.verdict(block, hash);
            match stretches.last_mut() {
                Some((stretch, same)) if *same == verdict => stretch.end = block + 1,
                _ => stretches.push((block..block + 1, verdict)),
            }
        }
        stretches
    }

    fn verdict(&self, block: BlockIndex, hash: &Hash) -> Verdict {
        match self.pages.expected(block) {
            None => Verdict::Open,
            Some(expected) if expected == hash => Verdict::Right,
            Some(_) => Verdict::Wrong,
        }
    }

    fn write(&mut self, source: SourceId, run: BlockRun, range: Range<BlockIndex>, data: &Bytes, verified: bool) {
        let Some(file) = self.file else { return };
        let bytes = file.bytes(&range);
        let start = ((range.start - run.first) * BLOCK_SIZE) as usize;
        let data = data.slice(start..start + bytes as usize);
        self.blocks.hold(range.clone());
        let offset = range.start * BLOCK_SIZE;
        self.store(StoreRequest::Write { offset, data }, Pending::Write { range, bytes, verified, source });
    }

    /// A run is written.
    pub(super) fn written(&mut self, range: Range<BlockIndex>, bytes: u64, verified: bool, source: SourceId) {
        let now = self.now;
        if verified {
            self.ledger.verified(now, range.clone(), bytes);
            self.prove(source, range, bytes);
        } else {
            self.blocks.receive(range.clone());
            if let Some(source) = self.source_mut(source) {
                source.unverified.insert(range.clone());
            }
            self.ledger.received(now, range, bytes);
        }
    }

    fn prove(&mut self, source: SourceId, range: Range<BlockIndex>, bytes: u64) {
        if let Some(source) = self.source_mut(source) {
            source.proved(range.end - range.start, bytes);
        }
        self.blocks.verify(range.clone());
        self.close_page_if_proved(page_of(range.start));
    }

    pub(super) fn close_page_if_proved(&mut self, page: u64) {
        if let Some(file) = &self.file
            && self.blocks.verified().covers(&blocks_of(page, file))
        {
            self.pages.close(page);
        }
    }

    /// Compares received blocks whose pages can be had, lowest first. A page waits while some of its blocks still have
    /// to be read back: the node above it may prove it as a whole.
    pub(super) fn check_received(&mut self) {
        let Some(file) = self.file.filter(|file| file.root.is_some()) else { return };
        let mut from = 0;
        let proving = self.pages_are_served();
        while self.storage.has_room_for_check() && !self.blocks.received().is_empty() {
            let Some(next) = self.blocks.received().overlaps(from..file.blocks()).next() else { return };
            let page = page_of(next.start);
            from = (page + 1) * PAGE_BLOCKS;
            if self.is_claimed(blocks_of(page, &file)) || self.is_left_to_summit(page, &file) {
                continue;
            }
            // The page of a file of one block needs no server.
            if (proving || file.blocks() == 1) && !self.pages.open(page, &file) {
                let Some(open) = self.pages.next_open(page) else { return };
                from = open * PAGE_BLOCKS;
                continue;
            }
            if self.pages.can_check(page) {
                self.check_page(page, &blocks_of(page, &file));
            }
        }
    }

    /// Whether the page's own hashes are not needed, because the node above it will or may prove all of it.
    fn is_left_to_summit(&mut self, page: u64, file: &FileIdentity) -> bool {
        let blocks = blocks_of(page, file);
        if self.pages.is_open(page) || !self.blocks.received().covers(&blocks) {
            return false;
        }
        let next = self.summits.next(page, file);
        if next == Next::Compare {
            self.summits.begin(page);
            self.check_page(page, &blocks);
        }
        next != Next::Open
    }

    /// Requested hashes did not come.
    pub(super) fn unask_hashes(&mut self, part: Part) {
        match part.level {
            0 => self.pages.unask(part),
            zeros::VOID_LEVEL => self.voids.unask(),
            _ => self.summits.nodes().unask(),
        }
    }

    /// The hashes of all blocks of a page were read: compares them with the node above it.
    fn compared(&mut self, page: u64, blocks: Vec<Range<BlockIndex>>, hashes: &[Hash]) {
        let Some(file) = self.file else { return };
        if self.summits.matches(page, &file, hashes) {
            blocks.into_iter().for_each(|range| self.proved_late(range));
        }
    }

    /// Comparing a page's hashes failed.
    pub(super) fn check_failed(&mut self, page: u64) {
        self.summits.end(page);
        self.pages.set_checking(page, false);
    }

    fn check_page(&mut self, page: u64, within: &Range<BlockIndex>) {
        let blocks: Vec<_> = self.blocks.received().overlaps(within.clone()).collect();
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return };
        let span = first.start..last.end;
        if self.ledger.is_gathered(&span) {
            self.flush_hashes();
        }
        let run = run_of(&span);
        self.pages.set_checking(page, true);
        self.store(StoreRequest::ReadHashes { run }, Pending::Check { page, run, blocks });
    }

    /// The hashes of received blocks were read: compares them.
    pub(super) fn checked(&mut self, page: u64, run: BlockRun, blocks: Vec<Range<BlockIndex>>, hashes: &[Hash]) {
        if self.summits.end(page) {
            return self.compared(page, blocks, hashes);
        }
        self.pages.set_checking(page, false);
        let mut wrong = Vec::new();
        for range in blocks {
            let mut rest = range;
            while rest.start < rest.end {
                let verdict = self.verdict_of_read(rest.start, run, hashes);
                let same = |block: &BlockIndex| self.verdict_of_read(*block, run, hashes) == verdict;
                let end = (rest.start + 1..rest.end).find(|block| !same(block)).unwrap_or(rest.end);
                let piece = rest.start..end;
                rest.start = end;
                match verdict {
                    Verdict::Right => self.proved_late(piece),
                    Verdict::Wrong => wrong.push(piece),
                    Verdict::Open => {}
                }
            }
        }
        self.proved_wrong(&wrong);
        self.close_page_if_proved(page);
    }

    fn verdict_of_read(&self, block: BlockIndex, run: BlockRun, hashes: &[Hash]) -> Verdict {
        // Storage that gives fewer hashes than requested has lost them.
        hashes.get((block - run.first) as usize).map_or(Verdict::Wrong, |hash| self.verdict(block, hash))
    }

    pub(super) fn proved_late(&mut self, range: Range<BlockIndex>) {
        self.ledger.verified(self.now, range.clone(), 0);
        let Some(file) = self.file else { return };
        for source in &mut self.sources {
            let sent: Vec<_> = source.unverified.overlaps(range.clone()).collect();
            for part in sent {
                source.proved(part.end - part.start, file.bytes(&part));
                source.unverified.remove(part);
            }
        }
        self.blocks.verify(range);
    }

    /// Received blocks are wrong. They are fetched again once their loss is on record, and their senders are found out
    /// one by one.
    fn proved_wrong(&mut self, wrong: &[Range<BlockIndex>]) {
        wrong.iter().for_each(|range| self.lose(range.clone()));
        self.blame(wrong);
    }

    /// Finds out who sent wrong blocks, and returns them.
    pub(super) fn blame(&mut self, wrong: &[Range<BlockIndex>]) -> Vec<SourceId> {
        let mut guilty = Vec::new();
        for range in wrong {
            for source in &mut self.sources {
                if source.unverified.remove(range.clone()) > 0 && !guilty.contains(&source.config.id) {
                    guilty.push(source.config.id);
                }
            }
        }
        if !guilty.is_empty() {
            self.suspect(wrong, Problem::BadBlocks);
        }
        for source in &guilty {
            self.strike(*source, Problem::BadBlocks);
        }
        guilty
    }

    /// The blocks of a range turned out to be missing.
    pub(super) fn lose(&mut self, range: Range<BlockIndex>) {
        self.note_damage(range.clone());
        self.blocks.lose(range.clone());
        self.ledger.lost(self.now, range);
    }

    /// Remembers wrong blocks. A block that is wrong again and again will not become right.
    pub(super) fn suspect(&mut self, ranges: &[Range<BlockIndex>], problem: Problem) {
        for block in ranges.iter().cloned().flatten().take(MOST_SUSPECTS) {
            if self.suspects.len() >= MOST_SUSPECTS && !self.suspects.contains_key(&block) {
                return;
            }
            let failures = self.suspects.entry(block).or_default();
            *failures += 1;
            if *failures >= MOST_FAILURES_OF_A_BLOCK {
                self.suspects.clear();
                return self.fail(problem);
            }
        }
    }
}

//! Pages of the file's hash tree: 1,024 block hashes each. They lead to the root, and blocks are compared with them.
//!
//! A page opens when one of its blocks is about to be requested, or waits to be compared. It closes when all of them
//! are verified. The number of open pages is bounded, so memory is too. Everything in here was proved against the root.

use std::collections::BTreeMap;
use std::ops::Range;

use wstp_protocol::{BlockIndex, Hash, HashPage, tree};

use crate::{FileIdentity, RangeSet};

/// Blocks in a page: 8 MiB of data, 32 KiB of hashes.
pub(super) const PAGE_BLOCKS: u64 = 1024;
/// Pages open at once: 2 MiB of hashes.
const MOST_OPEN: usize = 64;

/// A run of nodes in the form of a request: an aligned part of a page, or nodes above pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// 0 for block hashes.
    pub(super) level: u8,
    pub(super) first: u64,
    pub(super) count: u32,
}

#[derive(Debug)]
struct Page {
    hashes: Vec<Hash>,
    known: RangeSet,
    asked: RangeSet,
    checking: bool,
}

/// The open pages, by number.
#[derive(Debug, Default)]
pub(super) struct Pages {
    open: BTreeMap<u64, Page>,
    /// The lowest page that may have parts that were never requested.
    unasked_from: u64,
}

/// The page of a block.
pub(super) const fn page_of(block: BlockIndex) -> u64 {
    block / PAGE_BLOCKS
}

/// The blocks of a page.
pub(super) fn blocks_of(page: u64, file: &FileIdentity) -> Range<BlockIndex> {
    page * PAGE_BLOCKS..((page + 1) * PAGE_BLOCKS).min(file.blocks())
}

impl Pages {
    /// Opens a page unless it is open; false if too many are.
    pub(super) fn open(&mut self, page: u64, file: &FileIdentity) -> bool {
        if self.open.contains_key(&page) {
            return true;
        }
        if self.open.len() >= MOST_OPEN {
            return false;
        }
        let blocks = blocks_of(page, file);
        let mut hashes = vec![[0; 32]; (blocks.end - blocks.start) as usize];
        let mut known = RangeSet::new();
        // The hash of the only block is the root itself.
        if let (1, Some(root), [only]) = (file.blocks(), file.root, hashes.as_mut_slice()) {
            *only = root;
            known.insert(0..1);
        }
        self.open.insert(page, Page { hashes, asked: known.clone(), known, checking: false });
        self.unasked_from = self.unasked_from.min(page);
        true
    }

    pub(super) fn is_open(&self, page: u64) -> bool {
        self.open.contains_key(&page)
    }

    pub(super) fn close(&mut self, page: u64) {
        self.open.remove(&page);
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// The open pages.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.open.keys().copied()
    }

    /// The first open page after `page`.
    pub(super) fn next_open(&self, page: u64) -> Option<u64> {
        self.open.range(page + 1..).next().map(|(number, _)| *number)
    }

    /// The next part to request, of at most `most` nodes (a power of two). It counts as requested from here on.
    pub(super) fn ask(&mut self, file: &FileIdentity, most: u32) -> Option<Part> {
        for (&number, page) in self.open.range_mut(self.unasked_from..) {
            let blocks = blocks_of(number, file);
            let gap = page.asked.gaps(blocks.clone()).next();
            if let Some(gap) = gap {
                // As long as its position allows: a part of a page is aligned to its own length.
                let aligned = PAGE_BLOCKS.min(1 << gap.start.trailing_zeros().min(PAGE_BLOCKS.ilog2()));
                let count = u64::from(most).min(aligned);
                let first = gap.start;
                page.asked.insert(first..(first + count).min(blocks.end));
                return Some(Part { level: 0, first, count: count as u32 });
            }
            self.unasked_from = number + 1;
        }
        None
    }

    /// A requested part did not come.
    pub(super) fn unask(&mut self, part: Part) {
        let number = page_of(part.first);
        if let Some(page) = self.open.get_mut(&number) {
            page.asked.remove(part.first..part.first + u64::from(part.count));
            page.asked.extend(&page.known);
            self.unasked_from = self.unasked_from.min(number);
        }
    }

    /// A part arrived. It is checked against the root and kept.
    pub(super) fn accept(
        &mut self,
        file: &FileIdentity,
        root: &Hash,
        part: Part,
        reply: &HashPage,
    ) -> Result<(), tree::PageError> {
        tree::verify_page(file.tree(), root, (part.level, part.first, part.count), &reply.nodes, &reply.uncles)?;
        if let Some(page) = self.open.get_mut(&page_of(part.first)) {
            let at = (part.first % PAGE_BLOCKS) as usize;
            page.hashes[at..at + reply.nodes.len()].copy_from_slice(&reply.nodes);
            page.known.insert(part.first..part.first + reply.nodes.len() as u64);
        }
        Ok(())
    }

    /// The right hash of a block, if its page is here.
    pub(super) fn expected(&self, block: BlockIndex) -> Option<&Hash> {
        let page = self.open.get(&page_of(block)).filter(|page| page.known.contains(block))?;
        page.hashes.get((block % PAGE_BLOCKS) as usize)
    }

    /// The first blocks from `from` on whose right hashes are here.
    pub(super) fn known_from(&self, from: BlockIndex) -> Option<Range<BlockIndex>> {
        let pages = self.open.range(page_of(from)..);
        pages.filter_map(|(_, page)| page.known.overlaps(from..BlockIndex::MAX).next()).next()
    }

    /// Whether a page is complete and its received blocks are not being compared already.
    pub(super) fn can_check(&self, page: u64) -> bool {
        self.open.get(&page).is_some_and(|page| !page.checking && page.known.len() == page.hashes.len() as u64)
    }

    pub(super) fn set_checking(&mut self, page: u64, checking: bool) {
        if let Some(page) = self.open.get_mut(&page) {
            page.checking = checking;
        }
    }
}

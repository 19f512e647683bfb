//! Nodes of the hash tree above whole pages. They prove blocks that are already here without the pages' own hashes.
//! After a change, only pages with differences are fetched. (BEP 52 compares trees from the top for the same reason.)
//!
//! Everything in here was proved against the root. One window of nodes is known at a time, so memory is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use wstp_protocol::limits::MAX_PAGE_NODES;
use wstp_protocol::{Hash, HashPage, tree};

use super::pages::{PAGE_BLOCKS, Part};
use crate::{FileIdentity, RangeSet};

/// The level at which a node covers a page.
pub(super) const PAGE_LEVEL: u8 = PAGE_BLOCKS.ilog2() as u8;

/// The next step for a page whose blocks were all received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its node has to arrive first.
    Await,
    /// Its own hashes can be compared with its node.
    Compare,
    /// They are being compared.
    Nothing,
    /// They differ from its node, so the page is needed.
    Open,
}

/// The nodes above pages, by the number of the page.
#[derive(Debug, Default)]
pub(super) struct Summits {
    known: BTreeMap<u64, Hash>,
    wanted: Option<u64>,
    asked: Option<Range<u64>>,
    comparing: BTreeSet<u64>,
    differing: RangeSet,
}

impl Summits {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next step for a page. If it has to wait for its node, that node is requested next.
    pub(super) fn next(&mut self, page: u64, file: &FileIdentity) -> Next {
        match () {
            () if self.differing.contains(page) => Next::Open,
            () if self.comparing.contains(&page) => Next::Nothing,
            () if self.node(page, file).is_some() => Next::Compare,
            () if self.asked.as_ref().is_some_and(|asked| asked.contains(&page)) => Next::Await,
            () => {
                self.wanted.get_or_insert(page);
                Next::Await
            }
        }
    }

    /// The only page's node is the root itself.
    fn node(&self, page: u64, file: &FileIdentity) -> Option<Hash> {
        if is_only_page(file) { file.root } else { self.known.get(&page).copied() }
    }

    /// The nodes to request, at most `most` (a power of two).
    pub(super) fn ask(&mut self, most: u32) -> Option<Part> {
        let wanted = self.wanted.take_if(|_| self.asked.is_none())?;
        let count = most.min(MAX_PAGE_NODES);
        let first = wanted / u64::from(count) * u64::from(count);
        self.asked = Some(first..first + u64::from(count));
        Some(Part { level: PAGE_LEVEL, first, count })
    }

    /// Requested nodes did not come.
    pub(super) fn unask(&mut self) {
        self.asked = None;
    }

    /// Nodes arrived. They are checked against the root and kept.
    pub(super) fn accept(
        &mut self,
        file: &FileIdentity,
        root: &Hash,
        part: Part,
        reply: &HashPage,
    ) -> Result<(), tree::PageError> {
        tree::verify_page(file.tree(), root, (part.level, part.first, part.count), &reply.nodes, &reply.uncles)?;
        if self.asked.take_if(|asked| asked.start == part.first).is_none() {
            // They came twice, and others may be known or requested by now.
            return Ok(());
        }
        self.known = (part.first..).zip(reply.nodes.iter().copied()).collect();
        Ok(())
    }

    /// A page's own hashes are being read.
    pub(super) fn begin(&mut self, page: u64) {
        self.comparing.insert(page);
    }

    /// Ends the reading of a page's own hashes; whether they were being read.
    pub(super) fn end(&mut self, page: u64) -> bool {
        self.comparing.remove(&page)
    }

    /// Whether a page's own hashes lead to its node. If not, the page is remembered.
    pub(super) fn matches(&mut self, page: u64, file: &FileIdentity, hashes: &[Hash]) -> bool {
        let node = self.node(page, file);
        let same = node.is_some() && tree::fold(hashes, is_only_page(file)) == node;
        if !same {
            self.differing.insert(page..page + 1);
        }
        same
    }
}

fn is_only_page(file: &FileIdentity) -> bool {
    file.blocks() <= PAGE_BLOCKS
}

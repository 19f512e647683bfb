//! Nodes of the hash tree above whole pages. They prove blocks that are already here without the pages' own hashes.
//! After a change, only pages with differences are fetched. (BEP 52 compares trees from the top for the same reason.)

use std::collections::BTreeSet;

use wstp_protocol::{Hash, tree};

use super::nodes::Nodes;
use super::pages::PAGE_BLOCKS;
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

/// The nodes above pages, and the pages that are compared with them.
#[derive(Debug)]
pub(super) struct Summits {
    nodes: Nodes,
    comparing: BTreeSet<u64>,
    differing: RangeSet,
}

impl Default for Summits {
    fn default() -> Self {
        Self { nodes: Nodes::of_level(PAGE_LEVEL), comparing: BTreeSet::new(), differing: RangeSet::new() }
    }
}

impl Summits {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The nodes themselves.
    pub(super) fn nodes(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    /// The next step for a page. If it has to wait for its node, that node is requested next.
    pub(super) fn next(&mut self, page: u64, file: &FileIdentity) -> Next {
        match () {
            () if self.differing.contains(page) => Next::Open,
            () if self.comparing.contains(&page) => Next::Nothing,
            () if self.node(page, file).is_some() => Next::Compare,
            () => {
                self.nodes.want(page);
                Next::Await
            }
        }
    }

    /// The only page's node is the root itself.
    fn node(&self, page: u64, file: &FileIdentity) -> Option<Hash> {
        if is_only_page(file) { file.root } else { self.nodes.get(page) }
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

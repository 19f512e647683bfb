//! Nodes of one level of the hash tree, above whole pages. One window of them is known at a time, so memory is bounded.
//! All of them were proved against the root.

use std::ops::Range;

use wstp_protocol::limits::MAX_PAGE_NODES;
use wstp_protocol::{Hash, HashPage, tree};

use super::pages::Part;
use crate::FileIdentity;

/// A window of nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    level: u8,
    first: u64,
    known: Vec<Hash>,
    wanted: Option<u64>,
    asked: Option<Range<u64>>,
}

impl Nodes {
    /// No node of this level is known.
    pub(super) fn of_level(level: u8) -> Self {
        Self { level, first: 0, known: Vec::new(), wanted: None, asked: None }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::of_level(self.level);
    }

    /// The nodes that are known.
    pub(super) fn known(&self) -> Range<u64> {
        self.first..self.first + self.known.len() as u64
    }

    pub(super) fn get(&self, index: u64) -> Option<Hash> {
        self.known.get(usize::try_from(index.checked_sub(self.first)?).ok()?).copied()
    }

    /// Has a node requested next, unless it is under way or another one was wanted before.
    pub(super) fn want(&mut self, index: u64) {
        if !self.asked.as_ref().is_some_and(|asked| asked.contains(&index)) {
            self.wanted.get_or_insert(index);
        }
    }

    /// The node that is requested next.
    pub(super) fn wanted(&self) -> Option<u64> {
        self.wanted
    }

    /// The nodes to request, at most `most` (a power of two).
    pub(super) fn ask(&mut self, most: u32) -> Option<Part> {
        let wanted = self.wanted.take_if(|_| self.asked.is_none())?;
        let count = most.min(MAX_PAGE_NODES);
        let first = wanted / u64::from(count) * u64::from(count);
        self.asked = Some(first..first + u64::from(count));
        Some(Part { level: self.level, first, count })
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
        // Those that come twice are dropped: others may be known or requested by now.
        if self.asked.take_if(|asked| asked.start == part.first).is_some() {
            self.first = part.first;
            self.known.clone_from(&reply.nodes);
        }
        Ok(())
    }
}

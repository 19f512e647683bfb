//! Invariants at every moment, at a crash, and at the end.

use std::rc::Rc;

use wstp_engine::{Phase, RangeSet, SourceProgress, Standing, StoreRequest, journal};
use wstp_protocol::{BLOCK_SIZE, Hash};

use super::{Blow, World};
use crate::simulation::content::{Content, Edition};

impl World {
    /// Bytes asked for and not here, and here and not written. The last block counts as a whole one.
    pub fn in_memory(&self) -> u64 {
        let asked: u64 = self.wires.values().flat_map(|wire| wire.asked.values()).sum();
        let unwritten: u64 = self
            .stores
            .iter()
            .map(|request| match request {
                StoreRequest::Write { data, .. } => data.len() as u64,
                _ => 0,
            })
            .sum();
        asked + unwritten
    }

    pub(super) fn check(&mut self) {
        let in_memory = self.in_memory();
        self.peak = self.peak.max(in_memory);
        self.allowed = self.allowed.max(self.budget);
        assert!(in_memory <= self.allowed + BLOCK_SIZE, "{in_memory} bytes in memory");
        self.allowed = self.allowed.min(in_memory).max(self.budget);
        let progress = self.transfer.progress();
        let by_source: u64 = progress.sources.iter().map(|source| source.verified).sum();
        assert!(by_source <= progress.verified, "sources sent more than there is: {progress:?}");
        let is_left_alone = |source: &SourceProgress| source.connections == 0 && source.problem.is_some();
        let mut benched = progress.sources.iter().filter(|source| source.standing == Standing::Benched);
        assert!(benched.all(is_left_alone), "one is left alone in words only: {progress:?}");
        if self.random.chance(0.002) {
            self.check_verified();
            self.check_journal();
        }
    }

    /// The content with this root, if any server ever had it.
    fn content(&self, root: Hash) -> Option<Rc<Content>> {
        let changed = self.scenario.blows.iter().filter_map(|(_, blow)| match blow {
            Blow::ChangeFile(edition) => Some(*edition),
            _ => None,
        });
        std::iter::once(self.scenario.edition).chain(changed).map(Content::of).find(|content| content.root == root)
    }

    /// Each block that counts as verified is on disk as it is on the server.
    pub fn check_verified(&self) {
        let verified: Vec<_> = self.transfer.verified().collect();
        if verified.is_empty() {
            return;
        }
        let root = self.transfer.progress().root.expect("nothing is verified without a root");
        let content = self.content(root).expect("nothing is verified against a root no file has");
        for range in verified {
            assert!(same(self.disk.data(), &content.data, &range), "wrong blocks in {range:?} are called verified");
        }
    }

    /// Each block that the journal would claim after a crash is on disk.
    pub fn check_journal(&self) {
        self.check_recovered(&self.disk.recovered());
    }

    /// Asserts that the disk holds the blocks that the journal calls verified, except where something else than the
    /// program changed them since.
    pub(super) fn check_recovered(&self, recovered: &journal::Recovered) {
        let Some(root) = recovered.file().and_then(|file| file.root) else { return };
        let Some(content) = self.content(root) else { return };
        let undamaged = recovered.verified().iter().flat_map(|range| self.disk.damaged.gaps(range));
        for range in undamaged {
            assert!(same(self.disk.data(), &content.data, &range), "the journal claims wrong blocks in {range:?}");
        }
    }

    /// The complete file is the server's, and nothing more.
    pub fn check_complete(&self, edition: Edition) {
        let progress = self.transfer.progress();
        let content = Content::of(edition);
        assert_eq!(progress.phase, Phase::Complete, "{progress:?}, earlier: {:?}", self.failures);
        assert_eq!(progress.root, Some(content.root));
        assert_eq!((progress.verified, progress.received), (content.size(), 0));
        assert!(self.disk.data() == content.data, "the file is not the server's");
        let (recovered, end) = self.disk.replay();
        assert!(recovered.is_complete() && end.length == self.disk.journals[end.file].len() as u64);
    }

    /// Every block asked for since the beginning, as a set, and how many were asked for more than once.
    pub fn fetched(&self) -> (RangeSet, u64) {
        let mut set = RangeSet::new();
        let again = self.asked.iter().map(|run| u64::from(run.count) - set.insert(run.first..run.end())).sum();
        (set, again)
    }
}

fn same(disk: &[u8], content: &[u8], blocks: &std::ops::Range<u64>) -> bool {
    let size = BLOCK_SIZE as usize;
    let range = blocks.start as usize * size..(blocks.end as usize * size).min(content.len());
    disk.get(range.clone()) == content.get(range)
}

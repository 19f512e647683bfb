//! How the transfer stands, for people.

use std::ops::Range;
use std::time::Duration;

use wstp_protocol::{BLOCK_SIZE, BlockIndex};

use super::Transfer;
use super::blocks::range_of;
use super::connection::{Ask, Stage};
use super::stopping::State;
use crate::{Phase, Progress, RangeSet, SourceProgress, Standing};

impl Transfer {
    /// How it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let verified = self.bytes_in(self.blocks.verified());
        let unchecked = self.bytes_in(self.blocks.claimed());
        let received = self.bytes_in(self.blocks.received()) + self.bytes_in(self.blocks.told()) + unchecked;
        let rate = self.rate.at(self.now);
        Progress {
            phase: self.phase(),
            problem: self.problem.clone(),
            size: self.file.map(|file| file.size),
            root: self.file.and_then(|file| file.root),
            verified,
            received,
            unchecked,
            damaged: self.readback.damaged,
            rate,
            time_left: self.file.and_then(|file| time_left(file.size - verified - received, rate)),
            sources: self.sources.iter().map(|source| self.source_progress(source)).collect(),
        }
    }

    /// The verified blocks, in order.
    pub fn verified(&self) -> impl Iterator<Item = Range<BlockIndex>> {
        self.blocks.verified().iter()
    }

    /// The blocks that are here and not verified, in order: written ones, and those that a source called zero.
    pub fn received(&self) -> impl Iterator<Item = Range<BlockIndex>> {
        let mut here = self.blocks.received().clone();
        here.extend(self.blocks.claimed());
        here.extend(self.blocks.told());
        here.iter().collect::<Vec<_>>().into_iter()
    }

    /// Those of them that an earlier run stored and that were not read back yet, in order.
    pub fn unchecked(&self) -> impl Iterator<Item = Range<BlockIndex>> {
        self.blocks.claimed().iter()
    }

    /// The blocks that are asked for, in order.
    pub fn requested(&self) -> impl Iterator<Item = Range<BlockIndex>> {
        let asks = self.connections.values().flat_map(|connection| connection.peer.requests());
        let runs = asks.filter_map(|(_, ask)| match ask {
            Ask::Blocks(ask) => Some(range_of(ask.run)),
            Ask::Open | Ask::Stat | Ask::Page(_) => None,
        });
        let set: RangeSet = runs.collect();
        set.iter().collect::<Vec<_>>().into_iter()
    }

    fn bytes_in(&self, set: &RangeSet) -> u64 {
        let Some(file) = self.file else { return 0 };
        let last = file.blocks().saturating_sub(1);
        let missing = if set.contains(last) { BLOCK_SIZE - file.bytes(&(last..last + 1)) } else { 0 };
        // The largest file is a byte short of what 64 bits can say, and so may the product be.
        u64::try_from(u128::from(set.len()) * u128::from(BLOCK_SIZE) - u128::from(missing)).unwrap_or(u64::MAX)
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Complete => return Phase::Complete,
            State::Stopped(stop) if stop.settled && stop.failure.is_some() => return Phase::Failed,
            State::Stopped(stop) if stop.settled => return Phase::Paused,
            State::Stopped(_) => return self.phase_of_blocks(),
            State::Running => {}
        }
        let open = |stage: &Stage| matches!(stage, Stage::Open { .. });
        let all_verified = self.file.is_some_and(|file| file.root.is_some()) && self.blocks.all_verified();
        if all_verified || self.connections.values().any(|connection| open(&connection.stage)) {
            return self.phase_of_blocks();
        }
        if !self.connections.is_empty() {
            return Phase::Starting;
        }
        let sources = self.sources.iter().filter(|source| !source.is_given_up());
        sources.filter_map(|source| source.conduct.retry_at(self.now)).min().map_or(Phase::Starting, Phase::Waiting)
    }

    fn phase_of_blocks(&self) -> Phase {
        match () {
            () if self.file.is_none() => Phase::Starting,
            () if self.is_checking() => Phase::Checking,
            () if self.blocks.all_here() || self.awaits_proof() => Phase::Verifying,
            () => Phase::Downloading,
        }
    }

    /// Whether everything arrived and only what an earlier run stored is still to be read back.
    fn is_checking(&self) -> bool {
        self.blocks.all_here() && !self.blocks.claimed().is_empty()
    }

    fn standing_of(&self, source: &super::Source) -> Standing {
        let id = source.config.id;
        let own = self.connections.values().filter(|connection| connection.source == id);
        // All of its connections were told to wait.
        let busy = own.map(|connection| connection.peer.not_before(self.now)).min().flatten();
        match source.standing(self.now) {
            Standing::Good => busy.map_or(Standing::Good, Standing::Waiting),
            other => other,
        }
    }

    fn source_progress(&self, source: &super::Source) -> SourceProgress {
        let id = source.config.id;
        let own = || self.connections.values().filter(|connection| connection.source == id);
        let open = own().filter(|connection| matches!(connection.stage, Stage::Open { .. })).count();
        SourceProgress {
            id,
            named_by: source.config.named_by,
            connections: u32::try_from(open).unwrap_or(u32::MAX),
            rate: source.rate.at(self.now),
            standing: self.standing_of(source),
            verified: source.verified,
            in_flight: own().map(|connection| connection.peer.in_flight).sum(),
            round_trip: own().filter_map(|connection| connection.peer.window.smoothed()).min(),
            problem: source.problem.clone(),
        }
    }
}

fn time_left(bytes: u64, rate: f64) -> Option<Duration> {
    (rate >= 1.0).then(|| Duration::try_from_secs_f64(bytes as f64 / rate).ok()).flatten()
}

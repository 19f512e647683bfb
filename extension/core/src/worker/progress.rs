//! How a transfer stands, from the engine's words to those of the views.

use std::ops::Range;

use wstp_engine::{Instant, Phase, Progress, SourceProgress, Standing, checked_percent};
use wstp_messages::{
    BlockOrder, BlockRange, Problem, SourceKind, SourceStanding, SourceTask, SourceView, TransferId, TransferState,
    TransferView,
};
use wstp_protocol::{BLOCK_SIZE, Hash, block_count};

use crate::catalogue::label;
use crate::words::{engine_problem, link_problem, source_problem};

/// Most ranges of one kind that are told; finer ones are joined.
const MAX_RANGES: usize = 512;

/// The parts of a transfer's blocks.
pub struct Parts {
    /// Verified and written.
    pub verified: Vec<BlockRange>,
    /// Written and not verified.
    pub received: Vec<BlockRange>,
    /// Asked for.
    pub requested: Vec<BlockRange>,
}

/// A worker's report of its transfer. Fields that only the catalogue knows are left empty.
pub fn view(
    transfer: &TransferId,
    sources: &[SourceTask],
    progress: &Progress,
    parts: Parts,
    now: Instant,
) -> TransferView {
    let size = progress.size.unwrap_or(0);
    TransferView {
        size,
        problem: progress.problem.as_ref().map(|problem| engine_problem(problem, &origin_label(sources))),
        verified: progress.verified,
        received: progress.received,
        rate: progress.rate,
        seconds_left: progress.time_left.map(|left| left.as_secs_f64()),
        blocks: block_count(size),
        verified_blocks: parts.verified,
        received_blocks: parts.received,
        requested_blocks: parts.requested,
        sources: progress
            .sources
            .iter()
            .filter_map(|source| Some(source_view(sources.iter().find(|task| task.id == source.id.0)?, source, now)))
            .collect(),
        root: progress.root.map(hex),
        ..empty(transfer, state(progress.phase, progress.checked_percent(), now))
    }
}

/// A complete file of which so many bytes were read back.
pub fn checking(transfer: &TransferId, size: u64, root: Hash, read: u64, now: Instant) -> TransferView {
    let (blocks, checked) = (block_count(size), read / BLOCK_SIZE);
    let ranges = |first, end| joined((first < end).then_some(first..end).into_iter());
    let percent = checked_percent(size, size - read);
    TransferView {
        size,
        verified: read,
        received: size - read,
        blocks,
        verified_blocks: ranges(0, checked),
        received_blocks: ranges(checked, blocks),
        root: Some(hex(root)),
        ..empty(transfer, state(Phase::Checking, percent, now))
    }
}

/// The same while nothing comes because the transfer waits until then for a problem to pass.
pub fn waiting(view: TransferView, until: Instant, now: Instant, problem: Problem) -> TransferView {
    let state = TransferState::Waiting { retry_seconds: (until - now).as_secs_f64() };
    TransferView { state, problem: Some(problem), rate: 0.0, seconds_left: None, ..view }
}

/// A view that says nothing but where the transfer stands.
pub fn empty(transfer: &TransferId, state: TransferState) -> TransferView {
    TransferView {
        id: transfer.clone(),
        server: String::new(),
        server_label: String::new(),
        path: String::new(),
        name: String::new(),
        size: 0,
        folder: None,
        state,
        place: None,
        lacks: None,
        needs_login: false,
        is_outdated: false,
        problem: None,
        verified: 0,
        received: 0,
        rate: 0.0,
        rate_limit: None,
        order: BlockOrder::default(),
        seconds_left: None,
        blocks: 0,
        verified_blocks: Vec::new(),
        received_blocks: Vec::new(),
        requested_blocks: Vec::new(),
        sources: Vec::new(),
        root: None,
        saved_as: None,
        missing: 0,
        beside: 0,
        in_sandbox: false,
        added_ms: 0.0,
    }
}

/// A hash as people write it.
pub fn hex(hash: Hash) -> String {
    blake3::Hash::from(hash).to_hex().to_string()
}

/// The name to show for the server the file was found on.
pub fn origin_label(sources: &[SourceTask]) -> String {
    sources.first().map_or_else(String::new, |source| label(&source.address))
}

fn source_view(task: &SourceTask, source: &SourceProgress, now: Instant) -> SourceView {
    let label = label(&task.address);
    SourceView {
        id: task.id,
        path: task.path.clone(),
        standing: match source.standing {
            Standing::Good => SourceStanding::Used,
            Standing::Waiting(until) => SourceStanding::Waiting { retry_seconds: (until - now).as_secs_f64() },
            Standing::Benched => SourceStanding::Benched,
            Standing::GivenUp => SourceStanding::GivenUp,
        },
        verified: source.verified,
        connections: source.connections,
        rate: source.rate,
        in_flight: source.in_flight,
        round_trip_ms: source.round_trip.map(|time| time.as_secs_f64() * 1000.0),
        problem: source.problem.as_ref().map(|problem| match task.id {
            0 => engine_problem(problem, &label),
            _ if task.kind == SourceKind::Http => link_problem(problem, &label),
            _ => source_problem(problem, &label),
        }),
        label,
    }
}

/// State of a transfer in this phase; `checked` is the part that is checked, in percent.
pub fn state(phase: Phase, checked: u8, now: Instant) -> TransferState {
    match phase {
        Phase::Checking => TransferState::Checking { percent: checked },
        Phase::Starting => TransferState::Starting,
        Phase::Downloading => TransferState::Downloading,
        Phase::Verifying => TransferState::Verifying,
        Phase::Waiting(until) => TransferState::Waiting { retry_seconds: (until - now).as_secs_f64() },
        Phase::Paused => TransferState::Paused,
        Phase::Complete => TransferState::Complete,
        Phase::Failed => TransferState::Failed,
    }
}

/// Ranges in order, of which there may be any number, as at most [`MAX_RANGES`]: those with the smallest gaps between
/// them are joined.
pub fn joined(ranges: impl Iterator<Item = Range<u64>>) -> Vec<BlockRange> {
    let mut ranges: Vec<_> = ranges.map(|range| BlockRange { first: range.start, end: range.end }).collect();
    if ranges.len() <= MAX_RANGES {
        return ranges;
    }
    let gap = |pair: &[BlockRange]| pair[1].first - pair[0].end;
    let mut gaps: Vec<_> = ranges.windows(2).map(gap).collect();
    let excess = ranges.len() - MAX_RANGES;
    let (_, widest, _) = gaps.select_nth_unstable(excess - 1);
    let widest = *widest;
    ranges.dedup_by(|next, range| {
        let joins = next.first - range.end <= widest;
        if joins {
            range.end = next.end;
        }
        joins
    });
    ranges
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_ranges_stay_as_they_are() {
        let ranges = [0..1, 5..9];
        let told = joined(ranges.into_iter());
        assert_eq!(told, [BlockRange { first: 0, end: 1 }, BlockRange { first: 5, end: 9 }]);
    }

    proptest! {
        #[test]
        fn many_ranges_become_few_and_cover_the_same(steps in prop::collection::vec((1u64..100, 1u64..100), 0..3000)) {
            let mut at = 0;
            let ranges: Vec<_> = steps.iter().map(|(gap, length)| {
                let range = at + gap..at + gap + length;
                at = range.end;
                range
            }).collect();
            let told = joined(ranges.iter().cloned());
            prop_assert!(told.len() <= MAX_RANGES);
            prop_assert!(told.windows(2).all(|pair| pair[0].end < pair[1].first));
            prop_assert_eq!(told.first().map(|range| range.first), ranges.first().map(|range| range.start));
            prop_assert_eq!(told.last().map(|range| range.end), ranges.last().map(|range| range.end));
            prop_assert!(ranges.iter().all(|range| told.iter().any(|t| t.first <= range.start && range.end <= t.end)));
        }
    }
}

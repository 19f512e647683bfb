//! How a folder's job stands, as the catalogue shows it.

use wstp_engine::folder::{FolderProblem, FolderProgress};
use wstp_engine::{Instant, Phase, Problem, Progress, RangeSet};
use wstp_messages::{BlockRange, FolderView, TransferView};

use super::FolderJob;
use crate::clock;
use crate::words::{folder_problem, passing_problem};
use crate::worker::progress;

impl FolderJob {
    pub(super) fn as_view(&self) -> TransferView {
        let now = clock::now();
        let folder = self.folder.progress();
        let large: Vec<_> = self.open_files().map(|stored| stored.transfer.progress()).collect();
        let rate = folder.rate + large.iter().map(|file| file.rate).sum::<f64>();
        let unchecked = folder.bytes_unchecked.min(folder.bytes_done);
        let verified = folder.bytes_done - unchecked + large.iter().map(|file| file.verified).sum::<u64>();
        let received = unchecked + large.iter().map(|file| file.received).sum::<u64>();
        let size = size(&folder);
        let left = size.saturating_sub(verified + unchecked);
        let ranges = |set: &RangeSet| progress::joined(set.iter());
        let view = TransferView {
            size,
            folder: Some(counts(&folder)),
            problem: folder.problem.as_ref().map(|found| folder_problem(found, &self.label())),
            verified,
            received,
            rate,
            seconds_left: (folder.walked && rate > 0.0).then(|| left as f64 / rate),
            blocks: folder.files.into(),
            verified_blocks: ranges(&self.done),
            requested_blocks: self
                .large
                .keys()
                .map(|file| BlockRange { first: file.0.into(), end: u64::from(file.0) + 1 })
                .collect(),
            ..progress::empty(&self.task.transfer, progress::state(folder.phase, folder.checked_percent(), now))
        };
        match (self.waiting.until(), &folder.problem) {
            (Some(until), Some(FolderProblem::Source(found))) => {
                progress::waiting(view, until, now, passing_problem(found, &self.label()))
            }
            _ => match self.waited_for(&folder, &large) {
                Some((until, found)) => progress::waiting(view, until, now, passing_problem(&found, &self.label())),
                None => view,
            },
        }
    }

    /// Until when all of the folder waits, and why: large files of which none can be had now, while the folder itself
    /// asks for nothing.
    fn waited_for(&self, folder: &FolderProgress, large: &[Progress]) -> Option<(Instant, Problem)> {
        if folder.phase != Phase::Downloading || folder.asks || large.len() < self.large.len() {
            return None;
        }
        let waits = |file: &Progress| match (file.phase, &file.problem) {
            (Phase::Waiting(until), Some(problem)) => Some((until, problem.clone())),
            _ => None,
        };
        let all: Option<Vec<_>> = large.iter().map(waits).collect();
        let (until, problem) = all?.into_iter().min_by_key(|(until, _)| *until)?;
        Some((folder.retry_at.map_or(until, |at| at.min(until)), problem))
    }
}

fn counts(folder: &FolderProgress) -> FolderView {
    FolderView {
        files: folder.files.into(),
        done: folder.files_done.into(),
        problems: u64::from(folder.files_failed) + u64::from(folder.folders_failed) + u64::from(folder.left_out),
        is_walking: !folder.walked,
        saved: 0,
    }
}

/// Bytes of a folder without the files that failed: they need no room.
pub(super) const fn size(folder: &FolderProgress) -> u64 {
    folder.bytes.saturating_sub(folder.bytes_failed)
}

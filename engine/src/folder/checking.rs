//! Reading back the files of an earlier run. The journal says which files were durable once, not what is there now.
//! Each file is read back and hashed before the folder is complete, and fetched again if it has changed.
//!
//! It runs beside everything else and must not slow it. While a download is under way it reads small files, and takes
//! at most a twentieth of the time. Nothing else waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::FolderTransfer;
use super::entries::State;
use super::journal::Stored;
use super::output::{FileId, FolderOutput, LookReply};
use crate::Instant;

/// Longer files are read back only when there is no other work: 1 MiB.
const SHORT: u64 = 1 << 20;
/// Bytes of files read back at once then: 8 MiB, or one file.
const MOST_AT_ONCE: u64 = 8 << 20;
/// The pause before the next file beside a download, as a multiple of the time that the last file took.
const REST: u32 = 19;

/// Files of an earlier run that this run has not read back.
#[derive(Debug, Default)]
pub(super) struct Claims {
    short: BTreeMap<FileId, Stored>,
    long: BTreeMap<FileId, Stored>,
    under_way: BTreeMap<FileId, (Stored, Instant)>,
    /// Bytes in all of them.
    bytes: u64,
    rests_until: Instant,
    /// When to continue, if files are left.
    pub(super) due_at: Option<Instant>,
}

impl Claims {
    pub(super) fn of(stored: BTreeMap<FileId, Stored>) -> Self {
        let bytes = stored.values().map(|stored| stored.size).sum();
        let (short, long) = stored.into_iter().partition(|(_, stored)| stored.size <= SHORT);
        Self { short, long, bytes, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty() && self.under_way.is_empty()
    }

    /// Whether the caller owes no answer.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn next(&mut self, is_beside: bool) -> Option<(FileId, Stored)> {
        let short = self.short.pop_first();
        short.or_else(|| if is_beside { None } else { self.long.pop_first() })
    }

    fn bytes_under_way(&self) -> u64 {
        self.under_way.values().map(|(stored, _)| stored.size).sum()
    }
}

impl FolderTransfer {
    /// Has the next files read back for which there is time.
    pub(super) fn check(&mut self) {
        self.claims.due_at = None;
        let is_beside = !self.is_done_but_for_claims();
        loop {
            let (busy, rests_until) = (!self.claims.is_quiet(), self.claims.rests_until);
            let is_enough = if is_beside { busy } else { busy && self.claims.bytes_under_way() >= MOST_AT_ONCE };
            if is_enough {
                return;
            }
            if is_beside && rests_until > self.now {
                self.claims.due_at = Some(rests_until).filter(|_| !self.claims.short.is_empty());
                return;
            }
            let Some((file, stored)) = self.claims.next(is_beside) else { return };
            self.claims.under_way.insert(file, (stored, self.now));
            self.outputs.push_back(FolderOutput::Check { file, stored });
        }
    }

    /// Whether the only work left is to read back files of an earlier run.
    pub(super) fn is_checking(&self) -> bool {
        !self.claims.is_empty() && self.is_done_but_for_claims()
    }

    /// The caller reports on a file of an earlier run. False if it was not asked.
    pub(super) fn checked(&mut self, file: FileId, reply: LookReply) -> bool {
        let Some((stored, asked)) = self.claims.under_way.remove(&file) else { return false };
        self.claims.bytes -= stored.size;
        let took: Duration = self.now - asked;
        self.claims.rests_until = self.now + took.saturating_mul(REST);
        match reply {
            LookReply::Same { root, .. } if root == stored.root => {}
            LookReply::Missing => {
                self.entries.set(file, State::Waiting);
                self.enqueue(file);
            }
            LookReply::Same { .. } | LookReply::Unsure => {
                self.entries.set(file, State::Waiting);
                self.large.push_back(file);
            }
        }
        true
    }
}

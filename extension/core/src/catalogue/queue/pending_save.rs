//! Which files of a transfer are still to be saved, and how that goes. A transfer of one file is a folder of one.
//!
//! Invariant: a file is begun once; at most [`AT_ONCE`] are begun and not ended.

use std::collections::BTreeMap;
use std::ops::Range;

use wstp_engine::RangeSet;
use wstp_messages::{Placed, Problem, SaveOutcome, WaitReason};

use crate::words::cancelled_problem;

/// Files Chrome copies at once.
const AT_ONCE: usize = 12;
/// After so many failures with no success between them the reason holds for the rest too.
const MAX_FAILURES: u32 = 3;
/// Files that may be on the disk without the journal saying so. After a kill they are saved again, beside the first
/// copies: so there are few.
const UNWRITTEN: u64 = 8;

/// The save of one transfer.
#[derive(Debug, Default)]
pub(super) struct PendingSave {
    /// Chrome is asked what it knows: nothing is begun before it has told.
    is_asking: bool,
    /// Chrome was told to give up what is begun: nothing comes after that before it has.
    is_cancelled: bool,
    waiting: RangeSet,
    begun: BTreeMap<u32, Begun>,
    unwritten: RangeSet,
    /// The unwritten files that got a second name.
    beside: RangeSet,
    failed: u64,
    failed_in_row: u32,
    problem: Option<Problem>,
    path: Option<String>,
    /// Whether an earlier browser may have begun files of which nobody knows: it may have left them empty, or saved
    /// them unnoticed.
    is_resumed: bool,
    /// Whether a stored file is not as it was when it was verified.
    is_stale: bool,
}

/// The record for the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// Files that are saved.
    pub saved: Vec<Range<u64>>,
    /// The files among them that got a second name.
    pub beside: Vec<Range<u64>>,
}

/// A file that Chrome has.
#[derive(Debug, Default)]
struct Begun {
    /// Chrome's number of the download.
    download: Option<i32>,
    /// The reason why it waits.
    waits: Option<WaitReason>,
    /// Whether it waited for a name before, so that the user may have chosen that.
    was_nameless: bool,
}

impl PendingSave {
    /// One that begins nothing until Chrome has told what it knows.
    pub(super) fn asking() -> Self {
        Self { is_asking: true, is_resumed: true, ..Self::default() }
    }

    /// Chrome has told: whether it was asked.
    pub(super) fn told(&mut self) -> bool {
        std::mem::take(&mut self.is_asking)
    }

    /// These are to be saved, but for what is on the disk or on its way there.
    pub(super) fn want(&mut self, files: impl IntoIterator<Item = Range<u64>>, saved: &[Range<u64>]) {
        (self.failed, self.failed_in_row, self.problem, self.is_stale) = (0, 0, None, false);
        for range in files {
            self.waiting.insert(range);
        }
        for range in saved {
            self.waiting.remove(range.clone());
        }
        self.waiting.subtract(&self.unwritten);
        self.is_cancelled &= self.is_asking || !self.begun.is_empty();
        for file in self.begun.keys().filter(|_| !self.is_cancelled) {
            self.waiting.remove(range_of(*file));
        }
    }

    /// Begins nothing more.
    pub(super) fn stop(&mut self) {
        self.waiting = RangeSet::new();
    }

    /// Cancels the downloads that are begun and waits for their end, unless the user has waited in vain already.
    pub(super) fn cancel(&mut self) {
        if std::mem::replace(&mut self.is_cancelled, true) {
            self.begun.clear();
        }
    }

    /// The next file to save, where one more may be begun.
    pub(super) fn begin(&mut self) -> Option<u32> {
        let most = if self.is_cancelled { 0 } else { AT_ONCE };
        if self.is_asking || self.begun.len() >= most {
            return None;
        }
        let file = u32::try_from(self.waiting.iter().next()?.start).ok()?;
        self.waiting.remove(range_of(file));
        self.begun.insert(file, Begun::default());
        Some(file)
    }

    /// Something came of saving a file. Whether Chrome has to be told once more to give it up: it may not have begun
    /// when it was told.
    pub(super) fn handle(&mut self, file: u32, outcome: SaveOutcome) -> bool {
        let (download, waits) = match outcome {
            SaveOutcome::Begun { download } => (download, None),
            SaveOutcome::Waits { download, reason } => (download, Some(reason)),
            SaveOutcome::Saved { path, placed } => {
                self.saved(file, path, placed);
                return false;
            }
            SaveOutcome::Failed { problem } => {
                self.failed(file, problem);
                return false;
            }
            SaveOutcome::Stale => {
                self.stale(file);
                return false;
            }
        };
        if self.is_asking || self.begun.contains_key(&file) {
            let begun = self.begun.entry(file).or_default();
            (begun.download, begun.waits) = (Some(download), waits);
            begun.was_nameless |= waits == Some(WaitReason::Name);
        }
        self.is_cancelled
    }

    fn saved(&mut self, file: u32, path: String, placed: Placed) {
        if self.end(file) || self.is_asking {
            self.waiting.remove(range_of(file));
            self.unwritten.insert(range_of(file));
            if placed == Placed::Numbered {
                self.beside.insert(range_of(file));
            }
            self.failed_in_row = 0;
            self.path.get_or_insert(path);
        }
    }

    fn failed(&mut self, file: u32, problem: Problem) {
        let was_cancelled = self.is_cancelled;
        if self.end(file) && !was_cancelled {
            self.failed += 1;
            // A file that the user did not want says nothing of the others.
            self.failed_in_row += u32::from(problem != cancelled_problem());
            self.problem = Some(problem);
            if self.failed_in_row >= MAX_FAILURES {
                self.stop();
            }
        }
    }

    /// The files that Chrome has were as they should when it began. The others have to be verified first.
    pub(super) fn stale(&mut self, file: u32) {
        let was_cancelled = self.is_cancelled;
        if self.end(file) && !was_cancelled {
            self.is_stale = true;
            self.stop();
        }
    }

    /// A file that was begun has ended, if it was.
    fn end(&mut self, file: u32) -> bool {
        let was_begun = self.begun.remove(&file).is_some();
        self.is_cancelled &= self.is_asking || !self.begun.is_empty();
        was_begun
    }

    /// The first reason for which Chrome waits, and the number of files that wait for it.
    pub(super) fn waits(&self) -> Option<(WaitReason, usize)> {
        let reasons = || self.begun.values().filter_map(|begun| begun.waits);
        let first = reasons().min()?;
        Some((first, reasons().filter(|reason| *reason == first).count()))
    }

    /// The file that Chrome has as this download.
    pub(super) fn find(&self, download: i32) -> Option<u32> {
        self.begun.iter().find(|(_, begun)| begun.download == Some(download)).map(|(file, _)| *file)
    }

    /// Whether the user may have chosen the name of a file.
    pub(super) fn was_nameless(&self, file: u32) -> bool {
        self.begun.get(&file).is_some_and(|begun| begun.was_nameless)
    }

    /// Whether an earlier browser may have begun files of which nobody knows.
    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Whether a stored file is not as it was when it was verified.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Whether nothing more comes.
    pub(super) fn is_done(&self) -> bool {
        !self.is_asking && self.waiting.is_empty() && self.begun.is_empty()
    }

    /// How many files failed, and what the last one failed of.
    pub(super) fn failures(&self) -> Option<(u64, &Problem)> {
        Some((self.failed, self.problem.as_ref()?))
    }

    /// The path of the first of the files.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The record for the journal, if there is enough of it or nothing more comes.
    pub(super) fn take_unwritten(&mut self) -> Option<Unwritten> {
        let is_due = self.unwritten.len() >= UNWRITTEN || self.is_done();
        if is_due { self.take_all_unwritten() } else { None }
    }

    /// The same, however little it is. After a restart Chrome is asked first: until then nothing is taken.
    pub(super) fn take_all_unwritten(&mut self) -> Option<Unwritten> {
        let is_due = !self.is_asking && !self.unwritten.is_empty();
        let take = |files: &mut RangeSet| std::mem::take(files).iter().collect();
        is_due.then(|| Unwritten { saved: take(&mut self.unwritten), beside: take(&mut self.beside) })
    }

    /// Files on the disk of which the journal does not say so yet.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten.len()
    }
}

fn range_of(file: u32) -> Range<u64> {
    u64::from(file)..u64::from(file) + 1
}

#[cfg(test)]
mod tests {
    use wstp_messages::Placed;
    use wstp_words::Phrase;

    use super::*;

    const BEGUN: SaveOutcome = SaveOutcome::Begun { download: 1 };

    fn saved(file: u32) -> SaveOutcome {
        SaveOutcome::Saved { path: format!("/{file}"), placed: Placed::AsAsked }
    }

    fn waits(download: i32, reason: WaitReason) -> SaveOutcome {
        SaveOutcome::Waits { download, reason }
    }

    fn failed() -> SaveOutcome {
        SaveOutcome::Failed { problem: Problem { what: "No.".into(), advice: Phrase::default() } }
    }

    fn begin_all(pending: &mut PendingSave) -> Vec<u32> {
        std::iter::from_fn(|| pending.begin()).collect()
    }

    #[test]
    fn a_few_are_begun_and_the_next_when_one_ends() {
        let mut pending = PendingSave::default();
        pending.want([0..20], &[2..4]);
        assert_eq!(begin_all(&mut pending), [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        pending.handle(4, saved(4));
        assert_eq!(begin_all(&mut pending), [14]);
        pending.handle(4, saved(4));
        assert!(begin_all(&mut pending).is_empty(), "what is told twice counts once");
    }

    #[test]
    fn what_chrome_knows_after_a_restart_is_not_saved_again() {
        let mut pending = PendingSave::asking();
        pending.handle(3, saved(3));
        pending.handle(4, BEGUN);
        pending.want([0..6], &[0..2]);
        assert_eq!(pending.begin(), None);
        assert!(pending.told());
        assert_eq!(begin_all(&mut pending), [2, 5]);
        assert_eq!(pending.take_unwritten(), None);
        for file in [2, 4, 5] {
            pending.handle(file, saved(file));
        }
        assert!(pending.is_done());
        assert_eq!(pending.take_unwritten(), Some(Unwritten { saved: vec![2..6], beside: vec![] }));
    }

    #[test]
    fn a_file_whose_place_was_taken_is_saved_and_known_as_such() {
        let mut pending = PendingSave::asking();
        assert!(pending.is_resumed() && pending.told());
        pending.want([0..2], &[]);
        begin_all(&mut pending);
        pending.handle(0, saved(0));
        pending.handle(1, SaveOutcome::Saved { path: "/1 (1)".into(), placed: Placed::Numbered });
        assert!(pending.is_resumed(), "there may be more");
        assert_eq!(pending.take_unwritten(), Some(Unwritten { saved: vec![0..2], beside: vec![1..2] }));
        assert_eq!(pending.take_unwritten(), None);
    }

    #[test]
    fn what_is_given_up_is_no_failure_and_comes_again_only_when_it_has_ended() {
        let mut pending = PendingSave::default();
        pending.want([0..1], &[]);
        assert_eq!(begin_all(&mut pending), [0]);
        pending.cancel();
        assert!(pending.handle(0, BEGUN), "it began after it was to be given up");
        pending.want([0..1], &[]);
        assert!(begin_all(&mut pending).is_empty());
        pending.handle(0, failed());
        assert_eq!(begin_all(&mut pending), [0]);
        assert!(!pending.handle(0, BEGUN));
        assert_eq!(pending.failures(), None);
        pending.handle(0, failed());
        assert_eq!(pending.failures().map(|(count, _)| count), Some(1), "this one was not given up here");
    }

    #[test]
    fn what_is_given_up_twice_is_not_waited_for() {
        let mut pending = PendingSave::default();
        pending.want([0..1], &[]);
        begin_all(&mut pending);
        pending.cancel();
        assert!(!pending.is_done());
        pending.cancel();
        assert!(pending.is_done());
        pending.want([0..1], &[]);
        assert_eq!(begin_all(&mut pending), [0]);
    }

    #[test]
    fn what_was_saved_before_it_could_be_given_up_is_not_saved_again() {
        let mut pending = PendingSave::default();
        pending.want([0..1], &[]);
        begin_all(&mut pending);
        pending.cancel();
        pending.want([0..1], &[]);
        pending.handle(0, saved(0));
        assert!(begin_all(&mut pending).is_empty() && pending.is_done());
        assert_eq!(pending.path(), Some("/0"));
    }

    #[test]
    fn files_for_which_chrome_waits_are_known_until_it_goes_on() {
        let mut pending = PendingSave::asking();
        pending.handle(1, waits(7, WaitReason::Keep));
        assert!(pending.told());
        pending.want([0..3], &[]);
        assert_eq!(begin_all(&mut pending), [0, 2]);
        pending.handle(2, waits(9, WaitReason::Keep));
        pending.handle(0, waits(8, WaitReason::Name));
        assert_eq!(pending.waits(), Some((WaitReason::Keep, 2)));
        assert_eq!((pending.find(7), pending.find(10)), (Some(1), None));
        pending.handle(1, SaveOutcome::Begun { download: 7 });
        pending.handle(2, saved(2));
        assert_eq!((pending.waits(), pending.find(7), pending.find(9)), (Some((WaitReason::Name, 1)), Some(1), None));
        pending.handle(0, SaveOutcome::Begun { download: 8 });
        assert_eq!((pending.waits(), pending.was_nameless(0), pending.was_nameless(1)), (None, true, false));
        pending.handle(2, waits(9, WaitReason::Keep));
        assert_eq!(pending.waits(), None, "it has ended");
    }

    #[test]
    fn files_that_the_user_does_not_want_do_not_keep_the_others() {
        let mut pending = PendingSave::default();
        pending.want([0..30], &[]);
        for file in begin_all(&mut pending) {
            pending.handle(file, SaveOutcome::Failed { problem: cancelled_problem() });
        }
        assert!(!begin_all(&mut pending).is_empty());
        assert_eq!(pending.failures().map(|(count, _)| count), Some(12));
    }

    #[test]
    fn a_file_that_fails_does_not_keep_the_others_but_a_reason_that_holds_for_all_does() {
        let mut pending = PendingSave::default();
        pending.want([0..100], &[]);
        begin_all(&mut pending);
        pending.handle(0, failed());
        pending.handle(1, saved(1));
        assert_eq!(begin_all(&mut pending), [12, 13]);
        for file in [2, 3, 4] {
            pending.handle(file, failed());
        }
        assert!(begin_all(&mut pending).is_empty());
        for file in 5..14 {
            pending.handle(file, saved(file));
        }
        assert!(pending.is_done());
        assert_eq!(pending.failures().map(|(count, _)| count), Some(4));
    }
}

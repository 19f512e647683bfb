//! The account of data that came over the wire more than once.
//!
//! A block counts as *passed* when a reply with it was let through whole and unchanged. It counts as *fetched again*
//! when it passes once more. It does not if the repetition was necessary, because the first block was of no use to the
//! extension through no fault of its own:
//!
//! - a context that had it was killed within [`COMMIT_TIME`] of its passing, with at most [`COMMIT_BYTES`] of its file
//!   after it. That is the last commit window, noted right before a kill and once more after it;
//! - it passed within [`REACTION`] after a message that the proxy had spoiled on the same connection, which the
//!   extension closes for that;
//! - it passed within [`IN_PIPE`] before the proxy or the server broke its connection: nobody can say whether it
//!   arrived;
//! - it was damaged in storage after it had passed.
//!
//! Messages that the proxy spoiled never count as passed. So the share fetched again is `again / fetched`. Here
//! `fetched` is the bytes of all distinct blocks of all files that passed.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use wstp_engine::RangeSet;

/// A block, in bytes.
const BLOCK: u64 = 8192;
/// The longest time until arrived blocks are on record.
const COMMIT_TIME: Duration = Duration::from_secs(1);
/// Or the most bytes until then.
const COMMIT_BYTES: u64 = 32 << 20;
/// How long messages may follow a spoiled one before the extension has closed the connection.
const REACTION: Duration = Duration::from_secs(1);
/// How long passed data may be in the system's buffers.
const IN_PIPE: Duration = Duration::from_millis(100);

/// A run of blocks that passed.
#[derive(Clone, Debug)]
struct Passed {
    at: Instant,
    connection: u64,
    blocks: Range<u64>,
}

/// One file.
#[derive(Debug, Default)]
struct File {
    passed: RangeSet,
    /// Blocks that may pass once more.
    pardoned: RangeSet,
    /// Runs that passed within the last moments, oldest first.
    recent: VecDeque<Passed>,
}

/// The account of all files.
#[derive(Debug, Default)]
pub(super) struct Account {
    files: HashMap<String, File>,
    /// When the proxy first spoiled a message on a connection.
    spoiled: HashMap<u64, Instant>,
    sums: Sums,
}

/// The result of an account, in bytes. Last blocks count as whole ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Distinct blocks that passed.
    pub fetched: u64,
    /// Blocks that passed once more without need.
    pub again: u64,
    /// Blocks that passed once more with need.
    pub pardoned: u64,
}

impl Account {
    pub(super) fn sums(&self) -> Sums {
        self.sums
    }

    /// A run of blocks of a file passed whole and unchanged.
    pub(super) fn passed(&mut self, path: &str, connection: u64, blocks: Range<u64>, now: Instant) {
        let file = self.files.entry(path.to_owned()).or_default();
        let known: Vec<_> = file.passed.overlaps(blocks.clone()).collect();
        let twice: u64 = known.iter().map(|range| range.end - range.start).sum();
        let pardoned: u64 = known.into_iter().map(|range| file.pardoned.remove(range)).sum();
        self.sums.again += (twice - pardoned) * BLOCK;
        self.sums.pardoned += pardoned * BLOCK;
        self.sums.fetched += file.passed.insert(blocks.clone()) * BLOCK;
        let is_behind_spoiled = self.spoiled.get(&connection).is_some_and(|at| now - *at < REACTION);
        if is_behind_spoiled {
            file.pardoned.insert(blocks.clone());
        }
        file.recent.push_back(Passed { at: now, connection, blocks });
        while file.recent.front().is_some_and(|passed| now - passed.at > COMMIT_TIME) {
            file.recent.pop_front();
        }
    }

    /// The proxy spoiled a message on a connection.
    pub(super) fn spoiled(&mut self, connection: u64, now: Instant) {
        self.spoiled.entry(connection).or_insert(now);
    }

    /// The proxy or the server broke a connection.
    pub(super) fn broken(&mut self, path: &str, connection: u64, now: Instant) {
        let Some(file) = self.files.get_mut(path) else { return };
        let in_pipe = |passed: &&Passed| passed.connection == connection && now - passed.at <= IN_PIPE;
        for passed in file.recent.iter().filter(in_pipe) {
            file.pardoned.insert(passed.blocks.clone());
        }
    }

    /// The blocks of a file that passed.
    pub(super) fn passed_of(&self, path: &str) -> RangeSet {
        self.files.get(path).map(|file| file.passed.clone()).unwrap_or_default()
    }

    /// Blocks of a file were damaged after they were stored.
    pub(super) fn harmed(&mut self, path: &str, blocks: Range<u64>) {
        let Some(file) = self.files.get_mut(path) else { return };
        for range in file.passed.overlaps(blocks) {
            file.pardoned.insert(range);
        }
    }

    /// A connection has ended.
    pub(super) fn ended(&mut self, connection: u64) {
        self.spoiled.remove(&connection);
    }

    /// A context with blocks that are not on record is about to be killed.
    pub(super) fn killed(&mut self, now: Instant) {
        for file in self.files.values_mut() {
            let mut bytes = 0;
            for passed in file.recent.iter().rev().filter(|passed| now - passed.at <= COMMIT_TIME) {
                bytes += (passed.blocks.end - passed.blocks.start) * BLOCK;
                if bytes > COMMIT_BYTES {
                    break;
                }
                file.pardoned.insert(passed.blocks.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "f";

    fn sums(fetched: u64, again: u64, pardoned: u64) -> Sums {
        Sums { fetched: fetched * BLOCK, again: again * BLOCK, pardoned: pardoned * BLOCK }
    }

    #[test]
    fn what_passes_twice_is_fetched_again() {
        let (mut account, now) = (Account::default(), Instant::now());
        account.passed(PATH, 1, 0..32, now);
        account.passed(PATH, 2, 16..48, now);
        account.passed("another", 2, 0..32, now);
        assert_eq!(account.sums(), sums(80, 16, 0));
    }

    #[test]
    fn a_kill_pardons_the_last_second_once_and_nothing_before_it() {
        let (mut account, start) = (Account::default(), Instant::now());
        let kill = start + Duration::from_secs(5);
        account.passed(PATH, 1, 0..32, kill - Duration::from_millis(1500));
        account.passed(PATH, 1, 32..64, kill - Duration::from_millis(500));
        account.killed(kill);
        for _ in 0..2 {
            account.passed(PATH, 2, 0..64, kill + Duration::from_secs(9));
        }
        assert_eq!(account.sums(), sums(64, 32 + 64, 32));
    }

    #[test]
    fn a_kill_pardons_no_more_than_the_bytes_of_a_commit() {
        let (mut account, now) = (Account::default(), Instant::now());
        let most = COMMIT_BYTES / BLOCK;
        (0..most / 16).for_each(|run| account.passed(PATH, 1, run * 32..run * 32 + 32, now));
        account.killed(now);
        account.passed(PATH, 2, 0..2 * most, now);
        assert_eq!(account.sums(), sums(2 * most, most, most));
    }

    #[test]
    fn only_what_follows_a_spoiled_message_at_once_and_on_its_connection_is_pardoned() {
        let (mut account, now) = (Account::default(), Instant::now());
        account.passed(PATH, 1, 0..1, now);
        account.spoiled(1, now);
        account.passed(PATH, 1, 1..2, now);
        account.passed(PATH, 2, 2..3, now);
        account.passed(PATH, 1, 3..4, now + REACTION);
        account.ended(1);
        account.passed(PATH, 3, 0..4, now + REACTION);
        assert_eq!(account.sums(), sums(4, 3, 1));
    }

    #[test]
    fn harm_in_storage_pardons_what_passed_before_and_only_once() {
        let (mut account, now) = (Account::default(), Instant::now());
        account.passed(PATH, 1, 0..8, now);
        assert_eq!(account.passed_of(PATH).iter().collect::<Vec<_>>(), [0..8]);
        account.harmed(PATH, 6..u64::MAX);
        for _ in 0..3 {
            account.passed(PATH, 2, 4..10, now);
        }
        assert_eq!(account.sums(), sums(10, 2 + 6 + 6, 2));
    }

    #[test]
    fn a_broken_connection_pardons_what_may_have_been_in_its_pipe() {
        let (mut account, now) = (Account::default(), Instant::now());
        account.passed(PATH, 1, 0..1, now);
        account.passed(PATH, 1, 1..2, now + IN_PIPE * 2);
        account.passed(PATH, 2, 2..3, now + IN_PIPE * 2);
        account.broken(PATH, 1, now + IN_PIPE * 3);
        account.passed(PATH, 3, 0..3, now + IN_PIPE * 4);
        assert_eq!(account.sums(), sums(3, 2, 1));
    }
}

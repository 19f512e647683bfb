//! Something that serves blocks of the file, as the transfer sees it: how fast it is, when to try it again, how far to trust it.

use std::time::Duration;

use wstp_protocol::{FileVersion, MirrorUrl};

use crate::backoff::{Backoff, Jitter};
use crate::patience::Stalls;
use crate::rate::Rate;
use crate::{Instant, NamedBy, Problem, RangeSet, SourceConfig, Standing};

/// Lies and bad blocks, not yet forgiven, after which a source is left alone for a while, if there is another one.
const STRIKES_WITH_OTHERS: u32 = 3;
/// How long, for each further one.
const BENCH: Duration = Duration::from_secs(30);
/// Lies and bad blocks, not yet forgiven, after which a source is given up.
const MOST_STRIKES: u32 = 8;
/// The same while the source has not opened the file yet: what answers there may not be WSTP at all.
const MOST_STRIKES_UNKNOWN: u32 = 4;
/// Verified blocks for which one strike is forgiven: a line that flips a bit now and then is not a liar.
const BLOCKS_PER_PARDON: u64 = 16;

/// How long a source is not tried again that lost its only connection, which was fine until then: lines break more often than servers stop.
const BRIEF: Duration = Duration::from_millis(20);

/// How long a source is left alone after something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Hardly at all.
    Brief,
    /// Longer from one failure to the next.
    Backoff,
    /// The same, but not less than this.
    AtLeast(Duration),
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) config: SourceConfig,
    /// The version under which it serves this file, once that is certain.
    pub(super) version: Option<FileVersion>,
    pub(super) problem: Option<Problem>,
    pub(super) rate: Rate,
    /// Blocks it sent that are not verified yet.
    pub(super) unverified: RangeSet,
    /// Bytes it sent that are verified and written.
    pub(super) verified: u64,
    /// Where else it says its folder is served.
    pub(super) offered: Vec<MirrorUrl>,
    pub(super) stalls: Stalls,
    backoff: Backoff,
    retry_at: Option<Instant>,
    benched_until: Option<Instant>,
    strikes: u32,
    /// Verified blocks that no strike was forgiven for yet.
    merit: u64,
    given_up: bool,
}

impl Source {
    pub(super) fn new(config: SourceConfig) -> Self {
        Self {
            config,
            version: None,
            problem: None,
            rate: Rate::default(),
            unverified: RangeSet::new(),
            verified: 0,
            offered: Vec::new(),
            stalls: Stalls::default(),
            backoff: Backoff::default(),
            retry_at: None,
            benched_until: None,
            strikes: 0,
            merit: 0,
            given_up: false,
        }
    }

    /// Whether it may say which file is wanted.
    pub(super) fn may_be_origin(&self) -> bool {
        self.config.can.identifies && self.can_prove() && self.config.named_by == NamedBy::User
    }

    /// Whether it has hashes and is in use.
    pub(super) fn can_prove(&self) -> bool {
        self.config.can.proves && !self.given_up
    }

    /// Whether it is not to be tried any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether it is left alone for what it did.
    pub(super) fn is_benched(&self, now: Instant) -> bool {
        self.benched_until.is_some_and(|until| until > now)
    }

    /// Whether it is used, as far as the source itself knows.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.retry_at(now) {
            _ if self.given_up => Standing::GivenUp,
            Some(_) if self.is_benched(now) => Standing::Benched,
            Some(at) => Standing::Waiting(at),
            None => Standing::Good,
        }
    }

    /// When it may be tried again, if not now.
    pub(super) fn retry_at(&self, now: Instant) -> Option<Instant> {
        self.retry_at.filter(|at| *at > now)
    }

    /// A connection to it failed: it is tried again later. Connections that fail together count once.
    pub(super) fn failed(&mut self, now: Instant, problem: Problem, wait: Wait, jitter: &mut Jitter) {
        if self.retry_at(now).is_none() {
            if problem == Problem::Stalled {
                self.stalls.add();
            }
            let delay = if wait == Wait::Brief { jitter.around(BRIEF) } else { self.backoff.next_delay(jitter) };
            self.retry_at = Some(now + delay);
        }
        self.problem = Some(problem);
        if let Wait::AtLeast(wait) = wait {
            self.retry_at = self.retry_at.max(Some(now + wait));
        }
    }

    /// It lied or sent a bad block. After several of these it is left alone where others can do its work, and then given up.
    pub(super) fn strike(&mut self, now: Instant, alone: bool) {
        self.strikes += 1;
        let most = if self.version.is_some() { MOST_STRIKES } else { MOST_STRIKES_UNKNOWN };
        self.given_up |= self.strikes >= most;
        if !alone && self.strikes >= STRIKES_WITH_OTHERS {
            self.benched_until = Some(now + BENCH * (self.strikes + 1 - STRIKES_WITH_OTHERS));
            self.retry_at = self.retry_at.max(self.benched_until);
        }
    }

    /// It is not to be tried any more.
    pub(super) fn give_up(&mut self, problem: Problem) {
        self.problem = Some(problem);
        self.given_up = true;
    }

    /// It delivered blocks.
    pub(super) fn delivered(&mut self, now: Instant, bytes: u64) {
        self.problem = None;
        self.backoff.reset();
        self.stalls.forget();
        self.rate.add(now, bytes);
    }

    /// Blocks it delivered proved right, so many bytes together.
    pub(super) fn proved(&mut self, blocks: u64, bytes: u64) {
        self.verified += bytes;
        self.merit += blocks;
        let pardons = u32::try_from(self.merit / BLOCKS_PER_PARDON).unwrap_or(u32::MAX);
        self.strikes = self.strikes.saturating_sub(pardons);
        // Good blocks of the past buy no lies in the future.
        self.merit %= BLOCKS_PER_PARDON;
    }

    /// The user wants it tried now, whatever it did before.
    pub(super) fn pardon(&mut self) {
        self.given_up = false;
        self.strikes = 0;
        self.retry_at = None;
        self.benched_until = None;
        self.stalls.forget();
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceId, SourceKind};
    use wstp_protocol::SharePath;

    fn source() -> Source {
        let path = SharePath::parse("file").unwrap();
        let mut source = Source::new(SourceConfig::new(SourceId(0), SourceKind::Wstp, path));
        source.version = Some(FileVersion([0; 16]));
        source
    }

    #[test]
    fn a_line_that_flips_a_bit_in_two_blocks_of_a_hundred_is_no_liar() {
        let mut source = source();
        for good in [3, 40, 12, 31, 25, 70, 9, 30, 28, 31, 90, 14, 22, 31, 64].into_iter().cycle().take(3000) {
            source.strike(Instant::default(), true);
            source.proved(good, 0);
        }
        assert!(!source.is_given_up());
    }

    #[test]
    fn a_source_that_lies_in_every_tenth_block_is_given_up() {
        let mut source = source();
        source.proved(1_000_000, 0);
        for _ in 0..20 {
            source.strike(Instant::default(), true);
            source.proved(9, 0);
        }
        assert!(source.is_given_up());
    }
}

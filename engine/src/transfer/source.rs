//! A source of the file's blocks, as the transfer sees it: its speed, the time of its next try, the trust in it.

use wstp_protocol::{FileVersion, MirrorUrl};

use crate::peer::{Conduct, Jitter, Path, Wait};
use crate::rate::Rate;
use crate::{Instant, NamedBy, Problem, RangeSet, SourceConfig, Standing};

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
    /// Other addresses at which it says its folder is served.
    pub(super) offered: Vec<MirrorUrl>,
    pub(super) conduct: Conduct,
    /// The line to it.
    pub(super) path: Path,
    given_up: bool,
}

impl Source {
    pub(super) fn new(config: SourceConfig, now: Instant) -> Self {
        Self {
            config,
            version: None,
            problem: None,
            rate: Rate::default(),
            unverified: RangeSet::new(),
            verified: 0,
            offered: Vec::new(),
            conduct: Conduct::default(),
            path: Path::new(now),
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

    /// Whether it is used, as far as the source itself knows.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.conduct.retry_at(now) {
            _ if self.given_up => Standing::GivenUp,
            Some(_) if self.conduct.is_benched(now) => Standing::Benched,
            Some(at) => Standing::Waiting(at),
            None => Standing::Good,
        }
    }

    /// A connection to it failed: it is tried again later.
    pub(super) fn failed(&mut self, now: Instant, problem: Problem, wait: Wait, jitter: &mut Jitter) {
        self.conduct.failed(now, problem == Problem::Stalled, wait, jitter);
        self.problem = Some(problem);
    }

    /// It lied or sent a bad block. After several of these it is left alone where others can do its work, and then
    /// given up.
    pub(super) fn strike(&mut self, now: Instant, alone: bool) {
        self.given_up |= self.conduct.strike(self.version.is_some());
        if !alone {
            self.conduct.bench(now);
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
        self.conduct.answered();
        self.conduct.delivered();
        self.rate.add(now, bytes);
    }

    /// Blocks it delivered proved right, so many bytes together.
    pub(super) fn proved(&mut self, blocks: u64, bytes: u64) {
        self.verified += bytes;
        self.conduct.proved(blocks);
    }

    /// The user wants it tried now, whatever it did before.
    pub(super) fn pardon(&mut self) {
        self.given_up = false;
        self.conduct.pardon();
    }
}

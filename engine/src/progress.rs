//! The state of a transfer, for people.

use std::time::Duration;

use wstp_protocol::{ErrorCode, Failure, Hash};

use crate::{Instant, NamedBy, SourceId, StoreError};

/// The activity of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connects or opens the file.
    Starting,
    /// Blocks arrive.
    Downloading,
    /// All blocks arrived, and the blocks of an earlier run are being read back.
    Checking,
    /// All blocks arrived, and the root hash is not known yet or blocks are still being compared. Or the file's version
    /// changed, and the server's hash is to prove that its bytes did not.
    Verifying,
    /// No source can be reached; the next try is at the given time.
    Waiting(Instant),
    /// Paused by the user. Everything is committed and every connection closed.
    Paused,
    /// Every block is verified and committed.
    Complete,
    /// It can't continue by itself. Everything that arrived is committed.
    Failed,
}

/// The last problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The connection could not be made or broke.
    Connection,
    /// The source sent something that is not WSTP, or lied about sizes.
    Protocol(String),
    /// The source sent bytes that do not belong to the file.
    BadBlocks,
    /// The source did not answer in time.
    Stalled,
    /// The server reported a failure.
    Server {
        /// The kind of error.
        code: ErrorCode,
        /// The server's words.
        text: String,
    },
    /// The file changed on the server since this transfer began.
    Changed,
    /// Storage failed.
    Storage(StoreError),
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        Self::Server { code: failure.code, text: failure.text.clone() }
    }
}

/// The progress of a transfer.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Its activity.
    pub phase: Phase,
    /// Its last problem, until something succeeds again.
    pub problem: Option<Problem>,
    /// The file's size in bytes, once known.
    pub size: Option<u64>,
    /// The file's hash, once known.
    pub root: Option<Hash>,
    /// Bytes verified and written.
    pub verified: u64,
    /// Bytes written and not yet verified, and those that a source called zero.
    pub received: u64,
    /// The part of them that an earlier run stored and that was not read back yet.
    pub unchecked: u64,
    /// Bytes that an earlier run verified and that this run found wrong. They are fetched again.
    pub damaged: u64,
    /// Bytes a second over the last seconds.
    pub rate: f64,
    /// Time left at that rate, if known.
    pub time_left: Option<Duration>,
    /// Every source.
    pub sources: Vec<SourceProgress>,
}

impl Progress {
    /// How much of the data on disk this run has verified or read back, in percent, rounded down.
    #[must_use]
    pub fn checked_percent(&self) -> u8 {
        checked_percent(self.verified.saturating_add(self.received), self.unchecked)
    }
}

/// The checked share of `here` bytes, `unchecked` of which are not checked, in percent, rounded down.
#[must_use]
pub fn checked_percent(here: u64, unchecked: u64) -> u8 {
    let percent = u128::from(here.saturating_sub(unchecked)) * 100 / u128::from(here.max(1));
    u8::try_from(percent).unwrap_or(100)
}

/// Whether a source is used, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is used, or would be if there was something to request.
    Good,
    /// It failed or is busy. The engine retries it at the given time.
    Waiting(Instant),
    /// It sent bad blocks, or lied, so often that it is benched for a while, because others can do its work.
    Benched,
    /// It is given up, unless the user wants to retry it.
    GivenUp,
}

/// The progress of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceProgress {
    /// The source.
    pub id: SourceId,
    /// Who named it.
    pub named_by: NamedBy,
    /// Open connections to it.
    pub connections: u32,
    /// Bytes a second from it.
    pub rate: f64,
    /// Whether it is used.
    pub standing: Standing,
    /// Verified and written bytes from it since this transfer started, or since the file changed.
    pub verified: u64,
    /// Bytes in flight from it.
    pub in_flight: u64,
    /// Smoothed round trip, once measured.
    pub round_trip: Option<Duration>,
    /// Its last problem.
    pub problem: Option<Problem>,
}

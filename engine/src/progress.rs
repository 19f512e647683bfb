//! How a transfer stands, for people.

use std::time::Duration;

use wstp_protocol::{ErrorCode, Failure, Hash};

use crate::{Instant, SourceId, StoreError};

/// A server may ask to be left alone for so long; more would stop a transfer for good.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What a transfer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connects or opens the file.
    Starting,
    /// Blocks arrive.
    Downloading,
    /// Everything arrived, and what an earlier run stored is being read back.
    Checking,
    /// Everything arrived, and the root hash is not known yet or blocks are still being compared; or the server is to prove by its hash that the file,
    /// whose version changed, has the same bytes as before.
    Verifying,
    /// No source can be reached; the next try is at the given time.
    Waiting(Instant),
    /// Stopped by the user; everything is committed and every connection closed.
    Paused,
    /// Every block is verified and committed.
    Complete,
    /// It can't go on by itself; everything that arrived is committed.
    Failed,
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The connection could not be made or broke.
    Connection,
    /// The source spoke something that is not WSTP, or lied about sizes.
    Protocol(String),
    /// The source sent bytes that do not belong to the file.
    BadBlocks,
    /// The source did not answer in time.
    Stalled,
    /// The server said so.
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

/// When trying again makes sense, where the server said so.
pub(crate) fn wait_of(failure: &Failure) -> Option<Duration> {
    failure.retry_after_ms.map(bounded)
}

/// A wait that a server asks for, in milliseconds.
pub(crate) fn bounded(ms: u32) -> Duration {
    Duration::from_millis(ms.into()).min(LONGEST_WAIT)
}

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// What went wrong last, until something goes right again.
    pub problem: Option<Problem>,
    /// The file's size in bytes, once known.
    pub size: Option<u64>,
    /// The file's hash, once known.
    pub root: Option<Hash>,
    /// Bytes verified and written.
    pub verified: u64,
    /// Bytes written and not yet verified.
    pub received: u64,
    /// Those of them that an earlier run stored and that were not read back yet.
    pub unchecked: u64,
    /// Bytes a second over the last seconds.
    pub rate: f64,
    /// Time left at that rate, where it can be said.
    pub time_left: Option<Duration>,
    /// Every source.
    pub sources: Vec<SourceProgress>,
}

impl Progress {
    /// How much of what is here this run has verified or read back, in percent, rounded down.
    #[must_use]
    pub fn checked_percent(&self) -> u8 {
        checked_percent(self.verified.saturating_add(self.received), self.unchecked)
    }
}

/// How much of so many bytes is checked of which so many are not, in percent, rounded down.
pub(crate) fn checked_percent(here: u64, unchecked: u64) -> u8 {
    let percent = u128::from(here.saturating_sub(unchecked)) * 100 / u128::from(here.max(1));
    u8::try_from(percent).unwrap_or(100)
}

/// Whether a source is used, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is, or would be if there was something to ask it for.
    Good,
    /// It failed or is busy, and is tried again at the given time.
    Waiting(Instant),
    /// It sent bad blocks, or lied, so often that it is left alone for a while because others can do its work.
    Benched,
    /// It is not tried again, unless the user wants it.
    GivenUp,
}

/// How a source does.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceProgress {
    /// Which.
    pub id: SourceId,
    /// Open connections to it.
    pub connections: u32,
    /// Bytes a second from it.
    pub rate: f64,
    /// Whether it is used.
    pub standing: Standing,
    /// Bytes from it that were verified and written since this transfer was started, or since the file changed.
    pub verified: u64,
    /// Bytes asked for and not yet here.
    pub in_flight: u64,
    /// Smoothed round trip, once measured.
    pub round_trip: Option<Duration>,
    /// What went wrong with it last.
    pub problem: Option<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_can_stop_a_transfer_for_longer_than_minutes() {
        assert_eq!(bounded(1500), Duration::from_millis(1500));
        assert_eq!(bounded(u32::MAX), LONGEST_WAIT);
    }
}

//! One connection to a source: its stage, its requests, and when to lose patience.

use std::time::Duration;

use wstp_protocol::{BlockRun, Handle, RootReady};

use super::pages::Part;
use crate::peer::{Peer, Stamp};
use crate::{FileIdentity, Instant, SourceId};

/// The bytes of a full page of hashes. A server gives 1,024 at once.
const PAGE_BYTES: u64 = 32 << 10;
/// A request is a straggler after twice the usual round trip plus this margin.
const STRAGGLER_MARGIN: Duration = Duration::from_millis(100);
/// The usual round trip of a connection that carried no blocks yet.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(200);
/// Most time for a straggler on its own line: after one stall, a line's smoothed round trip takes long to recover.
const MOST_GRACE: Duration = Duration::from_secs(3);
/// A connection that lived less than this is not replaced at once. Otherwise one that always breaks would cost a
/// handshake for every few blocks.
const LEAST_LIFE: Duration = Duration::from_secs(1);

/// A request.
#[derive(Debug)]
pub(super) enum Ask {
    Open,
    Stat,
    Blocks(BlockAsk),
    Page(PageAsk),
}

/// A requested run of blocks.
#[derive(Clone, Debug)]
pub(super) struct BlockAsk {
    pub(super) run: BlockRun,
    pub(super) handle: Handle,
    pub(super) bytes: u64,
    pub(super) sent: Instant,
    pub(super) stamp: Stamp,
    /// Whether another connection has a request for the same run.
    pub(super) twice: bool,
}

/// A requested run of hashes.
#[derive(Clone, Debug)]
pub(super) struct PageAsk {
    pub(super) part: Part,
    pub(super) handle: Handle,
    pub(super) sent: Instant,
    /// Whether another connection has a request for the same run.
    pub(super) twice: bool,
}

impl Ask {
    pub(super) fn is_for_run(&self, run: BlockRun) -> bool {
        matches!(self, Self::Blocks(ask) if ask.run == run)
    }

    pub(super) fn is_for_part(&self, part: Part) -> bool {
        matches!(self, Self::Page(ask) if ask.part == part)
    }

    /// Notes whether another connection has a request for the same.
    pub(super) fn set_twice(&mut self, is_twice: bool) {
        match self {
            Self::Blocks(ask) => ask.twice = is_twice,
            Self::Page(ask) => ask.twice = is_twice,
            Self::Open | Self::Stat => {}
        }
    }
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The connection is being opened.
    Connecting,
    /// The file will be opened as soon as the server takes another request.
    Unopened,
    /// The file is being opened.
    Opening,
    /// A file is open. `trusted` once it is certain that it is the file of this transfer.
    Open { handle: Handle, offered: FileIdentity, trusted: bool },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) source: SourceId,
    pub(super) stage: Stage,
    pub(super) peer: Peer<Ask>,
    began: Instant,
    /// When the file was asked to be opened, and how long the answer took.
    pub(super) asked_to_open: Option<Instant>,
    opened_within: Option<Duration>,
    /// Hash pages in flight.
    pub(super) pages_in_flight: u32,
    /// A root that arrived before the handle it belongs to.
    pub(super) early_root: Option<RootReady>,
    /// Handles that became stale before they arrived, the latest ones.
    pub(super) early_stale: Vec<Handle>,
    /// How often the file had to be opened again.
    pub(super) reopened: u32,
}

impl Connection {
    pub(super) fn new(source: SourceId, now: Instant, peer: Peer<Ask>) -> Self {
        Self {
            source,
            stage: Stage::Connecting,
            peer,
            began: now,
            asked_to_open: None,
            opened_within: None,
            pages_in_flight: 0,
            early_root: None,
            early_stale: Vec::new(),
            reopened: 0,
        }
    }

    /// The file is open: the answer to that took about a round trip too.
    pub(super) fn opened(&mut self, now: Instant, handle: Handle, offered: FileIdentity) {
        self.stage = Stage::Open { handle, offered, trusted: false };
        self.opened_within = self.asked_to_open.map(|asked| now - asked);
    }

    /// The round trip of the line, from two answers. A busy processor may delay one of them, but hardly both.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        Some(self.peer.round_trip()?.min(self.opened_within?))
    }

    /// The handle, if the file is open and certain to be the wanted one.
    pub(super) fn handle(&self) -> Option<Handle> {
        match self.stage {
            Stage::Open { handle, trusted: true, .. } => Some(handle),
            _ => None,
        }
    }

    /// Whether it can give hash pages.
    pub(super) fn has_pages(&self) -> bool {
        matches!(self.stage, Stage::Open { offered: FileIdentity { root: Some(_), .. }, trusted: true, .. })
    }

    /// Whether it has carried blocks for a while.
    pub(super) fn was_fine(&self, now: Instant) -> bool {
        self.peer.window.smoothed().is_some() && now - self.began >= LEAST_LIFE
    }

    /// How long after a request to this connection `idle`, which has nothing to do, may repeat it.
    ///
    /// A block that is only under way would come twice. So two connections to one server wait for the longer of their
    /// usual times. Over the same line, the other one would not bring it sooner. A connection to another server does
    /// not wait for the usual time of this one.
    pub(super) fn grace(&self, idle: &Self) -> Duration {
        let usual =
            |connection: &Self| connection.peer.window.smoothed().unwrap_or(UNKNOWN_ROUND_TRIP) * 2 + STRAGGLER_MARGIN;
        if self.source == idle.source { usual(self).min(MOST_GRACE).max(usual(idle)) } else { usual(idle) }
    }

    /// Bytes that may have to arrive before the next answer is whole.
    pub(super) fn awaited(&self) -> u64 {
        // Runs grow with the window. So once a run has arrived, the round trip says how long the next may take.
        let is_first = self.peer.window.smoothed().is_none();
        if is_first { self.peer.in_flight + u64::from(self.pages_in_flight) * PAGE_BYTES } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Conduct;

    fn new(source: u32) -> Connection {
        let (begin, patience) = (Instant::default(), Conduct::default().patience());
        Connection::new(SourceId(source), begin, Peer::new(begin, "test", None, 0, patience))
    }

    /// A connection on which a block took this long.
    fn usually(source: u32, round_trip: Duration) -> Connection {
        let begin = Instant::default();
        let mut connection = new(source);
        let stamp = connection.peer.window.sent(begin, 0);
        connection.peer.window.arrived(begin + round_trip, &stamp, 8192);
        connection
    }

    #[test]
    fn connections_to_one_server_wait_for_each_other_and_those_to_another_do_not() {
        let [quick, slow] = [10, 500].map(Duration::from_millis);
        let (owing, new) = (usually(0, slow), new(0));
        for idle in [&new, &usually(0, quick)] {
            assert_eq!(owing.grace(idle), slow * 2 + STRAGGLER_MARGIN);
        }
        assert_eq!(usually(0, quick).grace(&owing), slow * 2 + STRAGGLER_MARGIN);
        assert_eq!(owing.grace(&usually(1, quick)), quick * 2 + STRAGGLER_MARGIN);
        let stood_still = usually(0, Duration::from_secs(9));
        assert_eq!(stood_still.grace(&usually(0, quick)), MOST_GRACE);
    }
}

//! One connection to a source: how far it is, what was asked of it, and when to lose patience.

use std::time::Duration;

use wstp_protocol::{BlockRun, Handle, RootReady};

use super::pages::Part;
use crate::patience::{Awaited, Silence, Stalls};
use crate::session::Session;
use crate::window::{Stamp, Window};
use crate::{FileIdentity, Instant, SourceId};

/// A full page of hashes, of which a server gives 1,024 at once.
const PAGE_BYTES: u64 = 32 << 10;
/// A request counts as a straggler after twice the usual round trip, and this.
const STRAGGLER_MARGIN: Duration = Duration::from_millis(100);
/// The usual round trip of a connection that carried no blocks yet.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(200);
/// Most time a straggler is given for what is usual with it: a line that stood still once takes long to forget it.
const MOST_GRACE: Duration = Duration::from_secs(3);
/// A connection that lived less than this is not replaced at once, so that one that always breaks does not cost a handshake for every few blocks.
const LEAST_LIFE: Duration = Duration::from_secs(1);

/// What was asked.
#[derive(Debug)]
pub(super) enum Ask {
    Open { sent: Instant },
    Stat { sent: Instant },
    Blocks(BlockAsk),
    Page(PageAsk),
}

/// A run of blocks that was asked for.
#[derive(Clone, Debug)]
pub(super) struct BlockAsk {
    pub(super) run: BlockRun,
    pub(super) handle: Handle,
    pub(super) bytes: u64,
    pub(super) sent: Instant,
    pub(super) stamp: Stamp,
    /// Whether another connection was asked for the same run.
    pub(super) twice: bool,
}

/// A run of hashes that was asked for.
#[derive(Clone, Debug)]
pub(super) struct PageAsk {
    pub(super) part: Part,
    pub(super) handle: Handle,
    pub(super) sent: Instant,
    /// Whether another connection was asked for the same run.
    pub(super) twice: bool,
}

impl Ask {
    pub(super) fn is_for_run(&self, run: BlockRun) -> bool {
        matches!(self, Self::Blocks(ask) if ask.run == run)
    }

    pub(super) fn is_for_part(&self, part: Part) -> bool {
        matches!(self, Self::Page(ask) if ask.part == part)
    }

    /// Notes whether another connection was asked for the same.
    pub(super) fn set_twice(&mut self, is_twice: bool) {
        match self {
            Self::Blocks(ask) => ask.twice = is_twice,
            Self::Page(ask) => ask.twice = is_twice,
            Self::Open { .. } | Self::Stat { .. } => {}
        }
    }

    fn sent(&self) -> Instant {
        match self {
            Self::Open { sent } | Self::Stat { sent } => *sent,
            Self::Blocks(ask) => ask.sent,
            Self::Page(ask) => ask.sent,
        }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The caller is opening it.
    Connecting,
    /// Hello is sent.
    Greeting,
    /// The file is to be opened as soon as the server takes a further request.
    Unopened,
    /// The file is being opened.
    Opening,
    /// A file is open; `trusted` once it is certain that it is the one of this transfer.
    Open { handle: Handle, offered: FileIdentity, trusted: bool },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) source: SourceId,
    pub(super) stage: Stage,
    pub(super) session: Session<Ask>,
    pub(super) window: Window,
    began: Instant,
    /// Bytes asked for and not here.
    pub(super) in_flight: u64,
    /// Hash pages asked for and not here.
    pub(super) pages_in_flight: u32,
    /// The server wants nothing asked before.
    pub(super) not_before: Instant,
    pub(super) silence: Silence,
    pub(super) last_sent: Instant,
    pub(super) ping_sent: Option<Instant>,
    /// A root that came before the handle it belongs to.
    pub(super) early_root: Option<RootReady>,
    /// Handles that went stale before they came, the latest ones.
    pub(super) early_stale: Vec<Handle>,
    /// How often the file had to be opened anew.
    pub(super) reopened: u32,
}

impl Connection {
    pub(super) fn new(source: SourceId, now: Instant, stalls: Stalls) -> Self {
        Self {
            source,
            stage: Stage::Connecting,
            session: Session::default(),
            window: Window::new(now),
            began: now,
            in_flight: 0,
            pages_in_flight: 0,
            not_before: now,
            silence: Silence::new(now, stalls),
            last_sent: now,
            ping_sent: None,
            early_root: None,
            early_stale: Vec::new(),
            reopened: 0,
        }
    }

    /// The handle, where the file is open and certain to be the one wanted.
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

    /// Whether it carried blocks, and for a while.
    pub(super) fn was_fine(&self, now: Instant) -> bool {
        self.window.smoothed().is_some() && now - self.began >= LEAST_LIFE
    }

    /// How long after it was asked of this connection something may be asked once more of `idle`, which has nothing to do.
    ///
    /// What is only on its way would come twice. So the two of one server give each other the time that either usually takes: what one has more of
    /// in its queue, another would not bring sooner over the same line. Another server is not held up by what is usual here.
    pub(super) fn grace(&self, idle: &Self) -> Duration {
        let usual =
            |connection: &Self| connection.window.smoothed().unwrap_or(UNKNOWN_ROUND_TRIP) * 2 + STRAGGLER_MARGIN;
        if self.source == idle.source { usual(self).min(MOST_GRACE).max(usual(idle)) } else { usual(idle) }
    }

    /// When it counts as stalled unless something happens.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        // Runs grow with the window, so once one arrived the round trip says how long the next may take.
        let is_first = self.window.smoothed().is_none();
        let bytes = if is_first { self.in_flight + u64::from(self.pages_in_flight) * PAGE_BYTES } else { 0 };
        let awaited = match self.stage {
            Stage::Connecting | Stage::Greeting => Awaited::Greeting,
            _ => Awaited::Answers {
                asked: self.session.oldest().map(Ask::sent),
                overdue: self.session.is_overtaken(),
                bytes,
            },
        };
        self.silence.stalled_at(&self.window, awaited, self.ping_sent)
    }

    /// When to say something so that the server does not close the connection: at half of its idle timeout.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        let limits = self.session.limits().filter(|_| self.ping_sent.is_none())?;
        Some(self.last_sent + Duration::from_millis(u64::from(limits.idle_timeout_ms / 2).max(100)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection on which a block took so long.
    fn usually(source: u32, round_trip: Duration) -> Connection {
        let begin = Instant::default();
        let mut connection = Connection::new(SourceId(source), begin, Stalls::default());
        let stamp = connection.window.sent(begin, 0);
        connection.window.arrived(begin + round_trip, &stamp, 8192);
        connection
    }

    #[test]
    fn connections_to_one_server_wait_for_each_other_and_those_to_another_do_not() {
        let [quick, slow] = [10, 500].map(Duration::from_millis);
        let (owing, new) = (usually(0, slow), Connection::new(SourceId(0), Instant::default(), Stalls::default()));
        for idle in [&new, &usually(0, quick)] {
            assert_eq!(owing.grace(idle), slow * 2 + STRAGGLER_MARGIN);
        }
        assert_eq!(usually(0, quick).grace(&owing), slow * 2 + STRAGGLER_MARGIN);
        assert_eq!(owing.grace(&usually(1, quick)), quick * 2 + STRAGGLER_MARGIN);
        let stood_still = usually(0, Duration::from_secs(9));
        assert_eq!(stood_still.grace(&usually(0, quick)), MOST_GRACE);
    }
}

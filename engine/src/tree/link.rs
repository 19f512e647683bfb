//! The connection to the server: how far it is, what was asked on it, and when to lose patience.

use std::time::Duration;

use wstp_protocol::{BundleReply, features};

use super::output::{FileId, FolderId};
use crate::session::Session;
use crate::window::{Stamp, Window};
use crate::{ConnectionId, Instant};

/// What was asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// A page of a folder.
    List { folder: FolderId, sent: Instant },
    /// Files of one folder, reckoned at so many bytes.
    Bundle { files: Vec<FileId>, bytes: u64, stamp: Stamp, sent: Instant },
}

impl Ask {
    fn sent(&self) -> Instant {
        match self {
            Self::List { sent, .. } | Self::Bundle { sent, .. } => *sent,
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
    /// Requests may be made.
    Ready,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) stage: Stage,
    pub(super) session: Session<Ask>,
    pub(super) window: Window,
    /// Bytes of files asked for and not here.
    pub(super) in_flight: u64,
    pub(super) bundles: usize,
    pub(super) listings: usize,
    /// The server wants nothing asked before.
    pub(super) not_before: Instant,
    /// When it last got further.
    pub(super) progressed: Instant,
    pub(super) last_sent: Instant,
    pub(super) ping_sent: Option<Instant>,
}

impl Link {
    pub(super) fn new(id: ConnectionId, now: Instant) -> Self {
        Self {
            id,
            stage: Stage::Connecting,
            session: Session::default(),
            window: Window::new(now),
            in_flight: 0,
            bundles: 0,
            listings: 0,
            not_before: now,
            progressed: now,
            last_sent: now,
            ping_sent: None,
        }
    }

    /// Whether the server takes bundles; `None` while that is not known.
    pub(super) fn takes_bundles(&self) -> Option<bool> {
        self.session.welcome().map(|welcome| welcome.features & features::BUNDLES != 0)
    }

    /// Whether the server takes another request.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        let most = self.session.limits().map_or(0, |limits| limits.requests as usize);
        self.stage == Stage::Ready && self.not_before <= now && self.session.under_way() < most
    }

    /// A request ended, however it did.
    pub(super) fn ended(&mut self, now: Instant, ask: &Ask) {
        self.progressed = now;
        match ask {
            Ask::List { .. } => self.listings -= 1,
            Ask::Bundle { bytes, .. } => {
                self.bundles -= 1;
                self.in_flight -= bytes;
            }
        }
    }

    /// When it counts as stalled unless something happens.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        let patience = self.window.patience(self.in_flight + BundleReply::OVERHEAD);
        let under_way = match self.stage {
            Stage::Connecting | Stage::Greeting => Some(self.progressed + patience),
            // Answers come, but not the one to this request.
            Stage::Ready => self
                .session
                .oldest()
                .map(Ask::sent)
                .map(|asked| (self.progressed.max(asked) + patience).min(asked + patience * 3)),
        };
        let silent = self.ping_sent.map(|sent| sent + patience);
        [under_way, silent].into_iter().flatten().min()
    }

    /// When to say something so that the server does not close the connection: at half of its idle timeout.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        let limits = self.session.limits().filter(|_| self.ping_sent.is_none())?;
        Some(self.last_sent + Duration::from_millis(u64::from(limits.idle_timeout_ms / 2).max(100)))
    }
}

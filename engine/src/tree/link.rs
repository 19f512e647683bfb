//! The connection to the server: its stage, its requests, and when to lose patience.

use std::time::Duration;

use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{BundleReply, features};

use super::output::{FileId, FolderId};
use crate::patience::{Awaited, Silence, Stalls};
use crate::session::Session;
use crate::window::{Stamp, Window};
use crate::{ConnectionId, Instant};

/// Entries to request in a page of a folder while the speed of the line is unknown.
const FIRST_ENTRIES: u32 = 125;
/// A page that arrived within this time may be longer next time.
const QUICK: Duration = Duration::from_secs(2);
/// Bytes of an entry, about.
const ENTRY_BYTES: u64 = 64;

/// A request.
#[derive(Debug)]
pub(super) enum Ask {
    /// A page of a folder.
    List { folder: FolderId, sent: Instant, entries: u32 },
    /// Files of one folder, estimated at this many bytes.
    Bundle { files: Vec<FileId>, bytes: u64, stamp: Stamp, sent: Instant },
}

impl Ask {
    fn sent(&self) -> Instant {
        match self {
            Self::List { sent, .. } | Self::Bundle { sent, .. } => *sent,
        }
    }
}

/// The stage of a connection.
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
    /// Bytes of files in flight.
    pub(super) in_flight: u64,
    pub(super) bundles: usize,
    pub(super) listings: usize,
    /// Entries to request in a page.
    pub(super) entries: u32,
    /// The server takes no request before this time.
    pub(super) not_before: Instant,
    pub(super) silence: Silence,
    pub(super) last_sent: Instant,
    pub(super) ping_sent: Option<Instant>,
}

impl Link {
    pub(super) fn new(id: ConnectionId, now: Instant, stalls: Stalls) -> Self {
        Self {
            id,
            stage: Stage::Connecting,
            session: Session::default(),
            window: Window::new(now),
            in_flight: 0,
            bundles: 0,
            listings: 0,
            entries: FIRST_ENTRIES,
            not_before: now,
            silence: Silence::new(now, stalls),
            last_sent: now,
            ping_sent: None,
        }
    }

    /// Whether the server takes bundles; `None` while that is unknown.
    pub(super) fn takes_bundles(&self) -> Option<bool> {
        self.session.welcome().map(|welcome| welcome.features & features::BUNDLES != 0)
    }

    /// Whether the server takes another request.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        let most = self.session.limits().map_or(0, |limits| limits.requests as usize);
        self.stage == Stage::Ready && self.not_before <= now && self.session.under_way() < most
    }

    /// A request ended, in whatever way.
    pub(super) fn ended(&mut self, now: Instant, ask: &Ask) {
        self.silence.broken(now);
        match ask {
            Ask::List { sent, entries, .. } => {
                self.listings -= 1;
                self.adapt_entries(now - *sent, *entries);
            }
            Ask::Bundle { bytes, .. } => {
                self.bundles -= 1;
                self.in_flight -= bytes;
            }
        }
    }

    /// A page of at most this many entries took this long, including the time in which earlier ones arrived.
    fn adapt_entries(&mut self, took: Duration, entries: u32) {
        self.entries = if took <= QUICK {
            self.entries.max(entries.saturating_mul(4)).min(MAX_LIST_ENTRIES)
        } else {
            self.entries.min((entries / 2).max(FIRST_ENTRIES))
        };
    }

    fn bytes_of_listing(&self) -> u64 {
        if self.listings > 0 { u64::from(self.entries) * ENTRY_BYTES } else { 0 }
    }

    /// When it counts as stalled if nothing happens.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        let awaited = match self.stage {
            Stage::Connecting | Stage::Greeting => Awaited::Greeting,
            Stage::Ready => Awaited::Answers {
                asked: self.session.oldest().map(Ask::sent),
                overdue: self.session.is_overtaken(),
                bytes: self.in_flight + BundleReply::OVERHEAD + self.bytes_of_listing(),
            },
        };
        self.silence.stalled_at(&self.window, awaited, self.ping_sent)
    }

    /// When to send something so that the server does not close the connection: at half of its idle timeout.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        let limits = self.session.limits().filter(|_| self.ping_sent.is_none())?;
        Some(self.last_sent + Duration::from_millis(u64::from(limits.idle_timeout_ms / 2).max(100)))
    }
}

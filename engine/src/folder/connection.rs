//! The connection to the server: its stage, its requests, and when to lose patience.

use std::time::Duration;

use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{BundleReply, features};

use super::output::{FileId, FolderId};
use crate::peer::{Peer, Stamp};
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
    Bundle { files: Vec<FileId>, bytes: u64, stamp: Stamp },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) peer: Peer<Ask>,
    pub(super) bundles: usize,
    pub(super) listings: usize,
    /// Entries to request in a page.
    pub(super) entries: u32,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, peer: Peer<Ask>) -> Self {
        Self { id, peer, bundles: 0, listings: 0, entries: FIRST_ENTRIES }
    }

    /// Whether the server takes bundles; `None` while that is unknown.
    pub(super) fn takes_bundles(&self) -> Option<bool> {
        self.peer.welcome().map(|welcome| welcome.features & features::BUNDLES != 0)
    }

    /// A request ended, in whatever way.
    pub(super) fn ended(&mut self, now: Instant, ask: &Ask) {
        match ask {
            Ask::List { sent, entries, .. } => {
                self.listings -= 1;
                self.adapt_entries(now - *sent, *entries);
            }
            Ask::Bundle { bytes, .. } => {
                self.bundles -= 1;
                self.peer.in_flight -= bytes;
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

    /// Bytes that may have to arrive before the next answer is whole.
    pub(super) fn awaited(&self) -> u64 {
        self.peer.in_flight + BundleReply::OVERHEAD + self.bytes_of_listing()
    }
}

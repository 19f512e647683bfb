//! One file being fetched: the engine's transfer with its storage.

use wstp_engine::journal::Recovered;
use wstp_engine::{Config, Output, Transfer};

use super::job::{Act, Wire};
use super::store::Store;
use crate::clock;
use crate::socket::Happening;

/// A transfer and its files, which are closed when this is dropped.
pub struct Run {
    id: u32,
    /// The engine's part.
    pub transfer: Transfer,
    store: Store,
}

impl Run {
    /// Goes on where the journal ends.
    pub fn new(id: u32, config: Config, store: Store, recovered: Recovered) -> Self {
        Self { id, transfer: Transfer::resume(config, recovered, clock::now()), store }
    }

    /// Whether storage has room for so many bytes more.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.store.has_room(bytes)
    }

    /// Something happened on one of its connections.
    pub fn handle_happening(&mut self, wire: Wire, happening: Happening) {
        let (now, connection) = (clock::now(), wire.connection);
        match happening {
            Happening::Opened => self.transfer.handle_opened(now, connection),
            Happening::Frame(frame) => self.transfer.handle_frame(now, connection, frame),
            Happening::Closed => self.transfer.handle_closed(now, connection),
        }
    }

    /// What is to be done next; what storage is to do it does by itself.
    pub fn poll_act(&mut self) -> Option<Act> {
        let wire = |connection| Wire { run: self.id, connection };
        loop {
            match self.transfer.poll_output()? {
                Output::Connect { connection, source } => return Some(Act::Connect(wire(connection), source.0)),
                Output::Send { connection, message } => {
                    return Some(Act::Send(wire(connection), message));
                }
                Output::Disconnect { connection } => return Some(Act::Disconnect(wire(connection))),
                // Others are believed only where they serve what the first one does.
                Output::Mirrors { source, urls } if source.0 == 0 => {
                    return Some(Act::TellMirrors(urls.iter().map(ToString::to_string).collect()));
                }
                Output::Mirrors { .. } | Output::Modified { .. } => {}
                Output::Store(request) => {
                    let reply = self.store.perform(request);
                    self.transfer.handle_stored(clock::now(), reply);
                }
            }
        }
    }
}

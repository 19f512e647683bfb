//! A worker's job: a file's transfer or a folder's, and the messages between a job and its worker.

use std::collections::BTreeMap;

use wasm_bindgen::JsValue;
use wstp_engine::folder::FileId;
use wstp_engine::journal::Recovered;
use wstp_engine::{ConnectionId, Instant};
use wstp_messages::{Stamp, Terms, TransferView, WorkerReport};
use wstp_protocol::{ClientMessage, Hash};

use super::store::Store;
use crate::socket::Happening;

/// Names a connection within a worker: the file it belongs to, and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wire {
    /// A folder's large file; `None` for the job itself.
    pub file: Option<FileId>,
    /// As the engine calls it.
    pub connection: ConnectionId,
}

/// A request of a job.
pub enum Act {
    /// Connect to one of the servers.
    Connect(Wire, u32),
    /// Send a message.
    Send(Wire, ClientMessage),
    /// Tell the catalogue where else the server says its folder is served.
    TellMirrors(Vec<String>),
    /// Close a connection and say nothing more of it.
    Disconnect(Wire),
    /// Open the storage of a large file: the names along the way to its folder; then [`Job::handle_store`].
    OpenStore(FileId, Vec<String>),
    /// Take the stamp of a large file's data, whose storage is closed; then [`Job::handle_stamped`].
    Stamp {
        /// The file.
        file: FileId,
        /// The names along the way to its folder.
        path: Vec<String>,
        /// The hash of the data, where they are to be read back first; they are stamped only if they have it.
        root: Option<Hash>,
    },
}

/// Bytes of a file that is being fetched.
pub struct Piece {
    /// The size of the file.
    pub size: u64,
    /// As many as were there, at most [`PIECE`](crate::stored::PIECE). None behind the end of the file.
    pub bytes: Vec<u8>,
}

/// A message to a worker.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// Write down what there is and stop.
    Stop,
    /// If the next try is set for later, try now.
    Retry,
    /// There is a network again.
    Online,
    /// These hold from now on.
    Adjust(Terms),
}

/// A transfer as its worker sees it: sans-IO but for its files.
pub trait Job {
    /// It is to do something else.
    fn handle_instruction(&mut self, instruction: Instruction);

    /// Something happened on a connection.
    fn handle_happening(&mut self, wire: Wire, happening: Happening);

    /// Storage that was asked for is open, or can't be opened.
    fn handle_store(&mut self, file: FileId, opened: Result<(Store, Recovered), JsValue>);

    /// The stamp of a large file's data; `None` where they are not right, or can't be read.
    fn handle_stamped(&mut self, _file: FileId, _stamp: Option<Stamp>) {}

    /// The time came that [`Job::poll_timeout`] said.
    fn handle_timeout(&mut self);

    /// The next request.
    fn poll_act(&mut self) -> Option<Act>;

    /// A player reads from this byte on: these blocks come first from now on.
    fn seek(&mut self, _offset: u64) {}

    /// The bytes from `offset` on, as far as they are verified and written; `None` while there are none.
    fn read(&self, _offset: u64) -> Option<Piece> {
        None
    }

    /// When to call [`Job::handle_timeout`], if nothing happens before.
    fn poll_timeout(&self) -> Option<Instant>;

    /// How it stands.
    fn view(&self) -> TransferView;

    /// The stamps of a complete folder's large files.
    fn large_stamps(&self) -> BTreeMap<u32, Stamp> {
        BTreeMap::new()
    }

    /// The report, if it has ended.
    fn end(&self) -> Option<WorkerReport>;
}

//! A source of plain HTTP that answers as a server of the protocol does, so that the engine sees one kind of connection
//! only. Its answers are messages and never frames. Nothing is encoded, so the bytes of blocks are those that came.
//!
//! It opens nothing and sends nothing. The caller makes one [`HttpSource`] for each connection to a source of
//! [`SourceKind::Http`](crate::SourceKind::Http) and stands it in for the socket:
//!
//! 1. [`Output::Connect`](crate::Output::Connect): make it, and call `handle_opened` of the transfer at once.
//! 2. [`Output::Send`](crate::Output::Send): give the message to [`HttpSource::handle_message`].
//! 3. Take every [`HttpOutput`] from [`HttpSource::poll_output`]: hand messages to `handle_frame` of the transfer, make
//!    the requests, end those that are no longer wanted.
//! 4. Give each answer to [`HttpSource::handle_answer`]. A request that gets none means that the connection is gone:
//!    `handle_closed`.
//!
//! The caller bounds the answer: it reads no more of a body than [`HttpRequest::most`] and ends the request there. The
//! engine believes nothing that comes. Such a source never has a root or a page, and its blocks count only when they
//! match the origin's hashes.

mod exchange;
#[cfg(test)]
mod tests;
mod url;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use wstp_protocol::limits::MAX_RUN_BLOCKS;
use wstp_protocol::{
    BlockRun, BlocksReply, BlocksRequest, ClientMessage, ErrorCode, Failure, FileVersion, Handle, Limits, Opened, Pong,
    RequestId, ServerMessage, VERSIONS, Welcome,
};

pub use exchange::{HttpAnswer, HttpRequest};
pub use url::file_url;

/// Requests under way at once on one connection: browsers keep six to a host, and there may be several of these.
const REQUESTS: u32 = 4;
/// When to ask again a server that is busy and does not say for how long, in milliseconds.
const BUSY_WAIT: u32 = 1000;

/// The caller's next task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpOutput {
    /// Hand this to the transfer.
    Message(ServerMessage),
    /// Make this request.
    Request(RequestId, HttpRequest),
    /// End this request; no answer to it is of use.
    Abort(RequestId),
}

/// The purpose of the awaited answer.
#[derive(Debug)]
enum Wanted {
    Size,
    Run { run: BlockRun, range: Range<u64> },
}

/// The file as it was when its size was asked for.
#[derive(Debug)]
struct File {
    handle: Handle,
    size: u64,
    etag: Option<String>,
}

/// One connection to a source of plain HTTP.
#[derive(Debug, Default)]
pub struct HttpSource {
    file: Option<File>,
    handles: Handle,
    wanted: BTreeMap<RequestId, Wanted>,
    outputs: VecDeque<HttpOutput>,
}

impl HttpSource {
    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<HttpOutput> {
        self.outputs.pop_front()
    }

    /// The transfer says something.
    pub fn handle_message(&mut self, message: &ClientMessage) {
        match message {
            ClientMessage::Hello(_) => self.say(ServerMessage::Welcome(welcome())),
            ClientMessage::Ping(ping) => self.say(ServerMessage::Pong(Pong { nonce: ping.nonce })),
            // Its first byte comes with its size, also from those that refuse `HEAD`, or compress what is asked for
            // whole.
            ClientMessage::Open(open) => self.request(open.id, Wanted::Size, HttpRequest(0..1)),
            ClientMessage::Blocks(ask) => self.ask_bytes(ask),
            ClientMessage::Cancel(cancel) => {
                if self.wanted.remove(&cancel.id).is_some() {
                    self.outputs.push_back(HttpOutput::Abort(cancel.id));
                    self.fail(cancel.id, ErrorCode::Cancelled, "The request was cancelled.", None);
                }
            }
            ClientMessage::Close(close) => drop(self.file.take_if(|file| file.handle == close.handle)),
            // Nothing that plain HTTP has.
            ClientMessage::Hashes(ask) => self.fail(ask.id, ErrorCode::NotReady, "Plain HTTP has no hashes.", None),
            ClientMessage::List(ask) => self.fail(ask.id, ErrorCode::Forbidden, "Plain HTTP has no listings.", None),
            ClientMessage::Bundle(ask) => self.fail(ask.id, ErrorCode::Forbidden, "Plain HTTP has no bundles.", None),
            ClientMessage::Stat(ask) => self.fail(ask.id, ErrorCode::Forbidden, "Plain HTTP has no listings.", None),
            ClientMessage::Search(ask) => self.fail(ask.id, ErrorCode::Forbidden, "Plain HTTP has no search.", None),
        }
    }

    /// An answer came. One to a request that was aborted is ignored.
    pub fn handle_answer(&mut self, id: RequestId, answer: HttpAnswer) {
        match self.wanted.remove(&id) {
            Some(Wanted::Size) => self.opened(id, &answer),
            Some(Wanted::Run { run, range }) => self.bytes_came(id, run, &range, answer),
            None => {}
        }
    }

    fn request(&mut self, id: RequestId, wanted: Wanted, request: HttpRequest) {
        self.wanted.insert(id, wanted);
        self.outputs.push_back(HttpOutput::Request(id, request));
    }

    fn ask_bytes(&mut self, ask: &BlocksRequest) {
        let Some(file) = self.file.as_ref().filter(|file| file.handle == ask.handle) else {
            return self.fail(ask.id, ErrorCode::BadHandle, "This file is not open.", None);
        };
        let Some((start, length)) = ask.run.byte_range(file.size) else {
            return self.fail(ask.id, ErrorCode::OutOfRange, "This lies past the end of the file.", None);
        };
        let range = start..start + u64::from(length);
        self.request(ask.id, Wanted::Run { run: ask.run, range: range.clone() }, HttpRequest(range));
    }

    fn opened(&mut self, id: RequestId, answer: &HttpAnswer) {
        let size = match answer.status {
            206 => answer.told_range().and_then(|(_, size)| size),
            // A server without ranges. If it encodes the content, this is not the file's size, and the bytes that come
            // then do not fit.
            200 => answer.length(),
            // An empty file has no first byte.
            416 => answer.size_without_range(),
            _ => return self.refused(id, answer),
        };
        let Some(size) = size else {
            return self.fail(id, ErrorCode::NotAFile, "The server does not say how large the file is.", None);
        };
        self.handles = self.handles.wrapping_add(1);
        let handle = self.handles;
        self.file = Some(File { handle, size, etag: answer.strong_etag().map(str::to_owned) });
        // Each opening claims to be a version of its own, for nothing here proves that two are the same.
        let mut version = [0; 16];
        version[..4].copy_from_slice(&handle.to_le_bytes());
        self.say(ServerMessage::Opened(Opened { id, handle, size, version: FileVersion(version), root: None }));
    }

    fn bytes_came(&mut self, id: RequestId, run: BlockRun, range: &Range<u64>, answer: HttpAnswer) {
        let Some(size) = self.file.as_ref().map(|file| file.size) else {
            return self.fail(id, ErrorCode::Changed, "The file changed.", None);
        };
        let is_whole = answer.status == 200 && *range == (0..size);
        if answer.status == 200 && !is_whole {
            return self.fail(id, ErrorCode::Forbidden, "The server does not send parts of files.", None);
        }
        if answer.status == 416 || answer.status == 412 || self.is_another_version(&answer) {
            self.file = None;
            return self.fail(id, ErrorCode::Changed, "The file changed.", None);
        }
        if answer.status != 206 && !is_whole {
            return self.refused(id, &answer);
        }
        if answer.is_of_another(range) || answer.body.len() as u64 != range.end - range.start {
            return self.fail(id, ErrorCode::Malformed, "The server sent other bytes than were asked for.", None);
        }
        self.say(ServerMessage::Blocks(BlocksReply { id, run, data: answer.body }));
    }

    /// Whether tag or size, where they are told, are not those of the file that was opened.
    fn is_another_version(&self, answer: &HttpAnswer) -> bool {
        let Some(file) = &self.file else { return true };
        let tags = (file.etag.as_deref(), answer.strong_etag());
        let size = answer.told_range().and_then(|(_, size)| size);
        matches!(tags, (Some(before), Some(now)) if before != now) || size.is_some_and(|size| size != file.size)
    }

    /// The server does not do it, and the status says why.
    fn refused(&mut self, id: RequestId, answer: &HttpAnswer) {
        let wait = answer.wait();
        match answer.status {
            404 | 410 => self.fail(id, ErrorCode::NotFound, "The server does not have this file.", None),
            429 | 503 => self.fail(id, ErrorCode::Busy, "The server is busy.", wait.or(Some(BUSY_WAIT))),
            401 => self.fail(id, ErrorCode::Forbidden, "The server asks for a name and a password.", None),
            407 => self.fail(id, ErrorCode::Forbidden, "A proxy asks for a name and a password.", None),
            500..=599 => self.fail_all(ErrorCode::Io, "The server failed.", wait),
            _ => self.fail(id, ErrorCode::Forbidden, "The server does not give this file.", None),
        }
    }

    fn fail(&mut self, id: RequestId, code: ErrorCode, text: &str, retry_after_ms: Option<u32>) {
        self.say(ServerMessage::Failure(Failure { id: Some(id), code, text: text.to_owned(), retry_after_ms }));
    }

    /// The connection is of no use now; the engine closes it and tries again later.
    fn fail_all(&mut self, code: ErrorCode, text: &str, retry_after_ms: Option<u32>) {
        self.say(ServerMessage::Failure(Failure { id: None, code, text: text.to_owned(), retry_after_ms }));
    }

    fn say(&mut self, message: ServerMessage) {
        self.outputs.push_back(HttpOutput::Message(message));
    }
}

fn welcome() -> Welcome {
    let limits =
        Limits { requests: REQUESTS, handles: 1, run_blocks: MAX_RUN_BLOCKS, page_nodes: 1, idle_timeout_ms: u32::MAX };
    Welcome { version: VERSIONS.1, features: 0, agent: "plain HTTP".to_owned(), limits }
}

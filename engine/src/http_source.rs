//! A source that is plain HTTP, made to speak as a server of the protocol does, so that the engine sees one kind of connection only.
//!
//! It opens nothing and sends nothing. The caller makes one [`HttpSource`] for each connection to a source of
//! [`SourceKind::Http`](crate::SourceKind::Http) and stands it in for the socket:
//!
//! 1. [`Output::Connect`](crate::Output::Connect): make it, and call `handle_opened` of the transfer at once.
//! 2. [`Output::Send`](crate::Output::Send): give the message to [`HttpSource::handle_message`].
//! 3. Take every [`HttpOutput`] from [`HttpSource::poll_output`]: hand frames to `handle_frame` of the transfer, make the requests, end those
//!    that are no longer wanted.
//! 4. Give each answer to [`HttpSource::handle_answer`]. A request that gets none means that the connection is gone: `handle_closed`.
//!
//! What the other side says is bounded by the caller, who reads no more of a body than [`HttpRequest::most`] and ends the request there. Nothing
//! that comes is believed: such a source never has a root or a page, and its blocks count only when they match the origin's hashes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;
use wstp_protocol::limits::MAX_RUN_BLOCKS;
use wstp_protocol::{
    BlockRun, BlocksReply, BlocksRequest, ClientMessage, ErrorCode, Failure, FileVersion, Handle, Limits, MirrorUrl,
    Opened, Pong, RequestId, ServerMessage, SharePath, VERSIONS, Welcome, spelling,
};

/// Requests under way at once on one connection: browsers keep six to a host, and there may be several of these.
const REQUESTS: u32 = 4;
/// Longest time that a `Retry-After` may ask for, in seconds.
const LONGEST_WAIT: u32 = 3600;
/// When to ask again a server that is busy and does not say for how long, in milliseconds.
const BUSY_WAIT: u32 = 1000;

/// A `GET` to be made for a range of bytes at the file's URL. It follows redirects and wants no encoding of the content, which a browser asks
/// for wherever there is no range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest(pub Range<u64>);

/// What an HTTP server said (RFC 9110): the status, fields as they came, and the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<String>,
    /// `Content-Range`; without it, as a browser hides it from who may not read the site, the size is not known.
    pub content_range: Option<String>,
    /// `ETag`; a browser may hide it.
    pub etag: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// No more of the body than [`HttpRequest::most`].
    pub body: Bytes,
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpOutput {
    /// Hand this to the transfer.
    Frame(Bytes),
    /// Make this request.
    Request(RequestId, HttpRequest),
    /// End this request; no answer to it is of use.
    Abort(RequestId),
}

/// What an answer is waited for.
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

impl HttpRequest {
    /// The value of the field `Range` (RFC 9110, section 14.2).
    #[must_use]
    pub fn range(&self) -> String {
        format!("bytes={}-{}", self.0.start, self.0.end - 1)
    }

    /// Most bytes of the answer's body to read: one more than is wanted, so that a longer one shows.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.0.end - self.0.start + 1
    }
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
            // Its first byte comes with its size, also from those that refuse `HEAD`, or compress what is asked for whole.
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
        let told = answer.content_range.as_deref();
        let size = match answer.status {
            206 => told.and_then(content_range).and_then(|(_, size)| size),
            // One without ranges. Where it encodes the content, this is not the file's size, and what comes then does not fit.
            200 => answer.content_length.as_deref().and_then(number),
            // An empty file has no first byte.
            416 => told.and_then(|told| number(told.trim().strip_prefix("bytes */")?)),
            _ => return self.refused(id, answer),
        };
        let Some(size) = size else {
            return self.fail(id, ErrorCode::NotAFile, "The server does not say how large the file is.", None);
        };
        self.handles = self.handles.wrapping_add(1);
        let handle = self.handles;
        self.file = Some(File { handle, size, etag: answer.etag.clone().filter(|etag| etag.starts_with('"')) });
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
        let is_this =
            answer.content_range.as_deref().is_none_or(|told| content_range(told).is_some_and(|(r, _)| r == *range));
        if !is_this || answer.body.len() as u64 != range.end - range.start {
            return self.fail(id, ErrorCode::Malformed, "The server sent other bytes than were asked for.", None);
        }
        self.say(ServerMessage::Blocks(BlocksReply { id, run, data: answer.body }));
    }

    /// Whether tag or size, where they are told, are not those of the file that was opened.
    fn is_another_version(&self, answer: &HttpAnswer) -> bool {
        let Some(file) = &self.file else { return true };
        let tags = (file.etag.as_ref(), answer.etag.as_ref().filter(|etag| etag.starts_with('"')));
        let size = answer.content_range.as_deref().and_then(content_range).and_then(|(_, size)| size);
        matches!(tags, (Some(before), Some(now)) if before != now) || size.is_some_and(|size| size != file.size)
    }

    /// The server does not do it, and the status says why.
    fn refused(&mut self, id: RequestId, answer: &HttpAnswer) {
        let wait = answer
            .retry_after
            .as_deref()
            .and_then(number)
            .map(|seconds| u32::try_from(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT) * 1000);
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
        self.outputs.push_back(HttpOutput::Frame(message.encode().into()));
    }
}

/// The URL of a file in a folder that is served over plain HTTP: each name percent-encoded (RFC 3986, section 2), the
/// bytes of a name that is not UTF-8 as they are on that server's disk.
#[must_use]
pub fn file_url(folder: &MirrorUrl, path: &SharePath) -> String {
    let mut url = folder.as_str().trim_end_matches('/').to_owned();
    for name in path.names() {
        url.push('/');
        for &byte in spelling::bytes(name).unwrap_or_default().iter() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                // Writing to a text can't fail.
                let _infallible = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

fn welcome() -> Welcome {
    let limits =
        Limits { requests: REQUESTS, handles: 1, run_blocks: MAX_RUN_BLOCKS, page_nodes: 1, idle_timeout_ms: u32::MAX };
    Welcome { version: VERSIONS.1, features: 0, agent: "plain HTTP".to_owned(), limits }
}

/// A number in digits; what `parse` takes besides, such as a sign, is none.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The range and, if told, the size in a `Content-Range` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { None } else { Some(number(size)?) };
    Some((number(first)?..number(last)?.checked_add(1)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::{Cancel, Close, HashesRequest, OpenRequest, Ping};

    const SIZE: u64 = 20_000;

    fn said(source: &mut HttpSource) -> ServerMessage {
        match source.poll_output() {
            Some(HttpOutput::Frame(frame)) => ServerMessage::decode(frame).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn failed(source: &mut HttpSource) -> (Option<RequestId>, ErrorCode, Option<u32>) {
        match said(source) {
            ServerMessage::Failure(failure) => (failure.id, failure.code, failure.retry_after_ms),
            other => panic!("{other:?}"),
        }
    }

    /// The first byte of a file of this size.
    fn first(size: &str) -> HttpAnswer {
        HttpAnswer { etag: Some("\"a\"".to_owned()), ..part(&format!("0-0/{size}"), 1) }
    }

    fn whole(size: &str) -> HttpAnswer {
        HttpAnswer { status: 200, content_length: Some(size.to_owned()), ..HttpAnswer::default() }
    }

    fn part(range: &str, length: usize) -> HttpAnswer {
        let content_range = Some(format!("bytes {range}"));
        HttpAnswer { status: 206, content_range, body: vec![7; length].into(), ..HttpAnswer::default() }
    }

    fn open(source: &mut HttpSource, answer: HttpAnswer) -> ServerMessage {
        source.handle_message(&ClientMessage::Open(OpenRequest { id: 1, path: SharePath::parse("f").unwrap() }));
        assert_eq!(source.poll_output(), Some(HttpOutput::Request(1, HttpRequest(0..1))));
        source.handle_answer(1, answer);
        said(source)
    }

    fn ready() -> HttpSource {
        let mut source = HttpSource::default();
        let opened = open(&mut source, first("20000"));
        assert!(matches!(opened, ServerMessage::Opened(Opened { handle: 1, size: SIZE, root: None, .. })));
        source
    }

    /// Asks for the second and third block.
    fn ask(source: &mut HttpSource) {
        let run = BlockRun { first: 1, count: 2 };
        source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
        assert_eq!(source.poll_output(), Some(HttpOutput::Request(2, HttpRequest(8192..SIZE))));
    }

    #[test]
    fn it_welcomes_and_shows_signs_of_life() {
        let mut source = HttpSource::default();
        source.handle_message(&crate::session::Session::<()>::hello("a", Some("token")));
        assert!(matches!(said(&mut source), ServerMessage::Welcome(Welcome { version: 1, features: 0, .. })));
        source.handle_message(&ClientMessage::Ping(Ping { nonce: 5 }));
        assert_eq!(said(&mut source), ServerMessage::Pong(Pong { nonce: 5 }));
        assert_eq!(source.poll_output(), None);
    }

    #[test]
    fn blocks_are_a_range_cut_to_the_file() {
        let mut source = ready();
        ask(&mut source);
        assert_eq!(HttpRequest(8192..SIZE).range(), "bytes=8192-19999");
        assert_eq!(HttpRequest(8192..SIZE).most(), SIZE - 8192 + 1);
        source.handle_answer(2, part("8192-19999/20000", 11_808));
        match said(&mut source) {
            ServerMessage::Blocks(reply) => assert_eq!((reply.id, reply.run.first, reply.data.len()), (2, 1, 11_808)),
            other => panic!("{other:?}"),
        }
        // A browser may hide the range; a size need not be told.
        for content_range in [None, Some("bytes 8192-19999/*".to_owned())] {
            ask(&mut source);
            source.handle_answer(2, HttpAnswer { content_range, ..part("", 11_808) });
            assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
        }
    }

    #[test]
    fn what_lies_past_the_end_is_not_asked_for() {
        let mut source = ready();
        for (handle, first, code) in [(1, 2, ErrorCode::OutOfRange), (9, 0, ErrorCode::BadHandle)] {
            let run = BlockRun { first, count: 2 };
            source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle, run }));
            assert_eq!(failed(&mut source), (Some(2), code, None));
        }
        source.handle_message(&ClientMessage::Close(Close { handle: 1 }));
        let run = BlockRun { first: 0, count: 1 };
        source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
        assert_eq!(failed(&mut source), (Some(2), ErrorCode::BadHandle, None));
    }

    #[test]
    fn other_bytes_than_asked_for_are_a_lie() {
        for answer in [
            part("8192-19999/20000", 11_807),
            part("8192-19999/20000", 11_809),
            part("0-11807/20000", 11_808),
            part("rubbish", 11_808),
            part("18446744073709551615-18446744073709551615/20000", 11_808),
        ] {
            let mut source = ready();
            ask(&mut source);
            source.handle_answer(2, answer);
            assert_eq!(failed(&mut source), (Some(2), ErrorCode::Malformed, None));
        }
    }

    #[test]
    fn a_file_that_changed_is_opened_anew() {
        let status = |status| HttpAnswer { status, ..HttpAnswer::default() };
        let tagged = HttpAnswer { etag: Some("\"b\"".to_owned()), ..part("8192-19999/20000", 11_808) };
        for answer in [part("8192-19999/30000", 11_808), tagged, status(416), status(412)] {
            let mut source = ready();
            ask(&mut source);
            source.handle_answer(2, answer);
            assert_eq!(failed(&mut source), (Some(2), ErrorCode::Changed, None));
            let opened = open(&mut source, first("30000"));
            assert!(matches!(opened, ServerMessage::Opened(Opened { handle: 2, size: 30_000, .. })));
        }
    }

    #[test]
    fn a_weak_tag_says_nothing() {
        let mut source = ready();
        ask(&mut source);
        let etag = Some("W/\"b\"".to_owned());
        source.handle_answer(2, HttpAnswer { etag, ..part("8192-19999/20000", 11_808) });
        assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
    }

    #[test]
    fn statuses_become_the_protocols_errors() {
        for (status, retry_after, expected) in [
            (404, None, (Some(2), ErrorCode::NotFound, None)),
            (410, None, (Some(2), ErrorCode::NotFound, None)),
            (403, None, (Some(2), ErrorCode::Forbidden, None)),
            (204, None, (Some(2), ErrorCode::Forbidden, None)),
            (200, None, (Some(2), ErrorCode::Forbidden, None)),
            (429, Some("7"), (Some(2), ErrorCode::Busy, Some(7000))),
            (503, Some("99999999999"), (Some(2), ErrorCode::Busy, Some(3_600_000))),
            (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), (Some(2), ErrorCode::Busy, Some(1000))),
            (500, None, (None, ErrorCode::Io, None)),
        ] {
            let mut source = ready();
            ask(&mut source);
            let retry_after = retry_after.map(str::to_owned);
            source.handle_answer(2, HttpAnswer { status, retry_after, ..HttpAnswer::default() });
            assert_eq!(failed(&mut source), expected, "{status}");
        }
    }

    #[test]
    fn a_server_without_ranges_serves_files_of_one_run() {
        let mut source = HttpSource::default();
        open(&mut source, whole("100"));
        let run = BlockRun { first: 0, count: 1 };
        source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
        source.poll_output();
        source.handle_answer(2, HttpAnswer { status: 200, body: vec![7; 100].into(), ..HttpAnswer::default() });
        assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
    }

    #[test]
    fn the_size_comes_with_the_first_byte() {
        let empty = HttpAnswer { status: 416, content_range: Some("bytes */0".to_owned()), ..HttpAnswer::default() };
        for (answer, expected) in [(first("20000"), SIZE), (whole("20000"), SIZE), (whole("0"), 0), (empty, 0)] {
            match open(&mut HttpSource::default(), answer.clone()) {
                ServerMessage::Opened(Opened { size, .. }) => assert_eq!(size, expected, "{answer:?}"),
                other => panic!("{answer:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_without_a_size_is_none() {
        let no_range = |status| HttpAnswer { status, ..HttpAnswer::default() };
        let sizes = ["", "+5", "-1", "a", "*", "99999999999999999999999"];
        let answers = sizes.iter().flat_map(|size| [first(size), whole(size)]);
        for answer in answers.chain([no_range(206), no_range(416), no_range(200)]) {
            match open(&mut HttpSource::default(), answer.clone()) {
                ServerMessage::Failure(failure) => assert_eq!(failure.code, ErrorCode::NotAFile, "{answer:?}"),
                other => panic!("{answer:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_cancelled_request_is_aborted_and_its_answer_ignored() {
        let mut source = ready();
        ask(&mut source);
        source.handle_message(&ClientMessage::Cancel(Cancel { id: 2 }));
        assert_eq!(source.poll_output(), Some(HttpOutput::Abort(2)));
        assert_eq!(failed(&mut source), (Some(2), ErrorCode::Cancelled, None));
        source.handle_answer(2, part("8192-19999/20000", 11_808));
        source.handle_message(&ClientMessage::Cancel(Cancel { id: 2 }));
        assert_eq!(source.poll_output(), None);
    }

    #[test]
    fn it_has_no_hashes() {
        let mut source = ready();
        let ask = HashesRequest { id: 3, handle: 1, level: 0, first: 0, count: 1 };
        source.handle_message(&ClientMessage::Hashes(ask));
        assert_eq!(failed(&mut source), (Some(3), ErrorCode::NotReady, None));
    }

    #[test]
    fn names_are_encoded_one_by_one() {
        for (folder, path, url) in [
            ("http://h/files", "a b/späß?#.txt", "http://h/files/a%20b/sp%C3%A4%C3%9F%3F%23.txt"),
            ("http://h/files/", "%2e%2e", "http://h/files/%252e%252e"),
            ("https://h", "a:b@c", "https://h/a%3Ab%40c"),
            ("https://h", "caf\u{efe9}", "https://h/caf%E9"),
        ] {
            let (folder, path) = (MirrorUrl::parse(folder).unwrap(), SharePath::parse(path).unwrap());
            assert_eq!(file_url(&folder, &path), url);
        }
    }
}

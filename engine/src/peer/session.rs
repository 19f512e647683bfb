//! The handshake of one connection, and which answer belongs to which request.

use std::collections::BTreeMap;

use wstp_protocol::{
    Cancel, ClientMessage, Compressed, DecodeError, Failure, Goodbye, Hello, Mirrors, RequestId, RootReady,
    ServerMessage, Stale, VERSIONS, Welcome, features,
};

use super::request::{Kind, Reply, Request};
use crate::{Credential, Incoming, Instant};

/// The meaning of something that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<C> {
    /// The handshake is done; requests may be made.
    Welcome,
    /// A request ended.
    Reply {
        /// The tag that the caller gave along with the request.
        context: C,
        /// The answer.
        reply: Reply,
        /// Bytes that compression saved on the wire.
        saved: u64,
    },
    /// A cancelled request ended; its answer, if there was one, is dropped.
    Cancelled {
        /// The tag that the caller gave along with the request.
        context: C,
    },
    /// See [`RootReady`].
    RootReady(RootReady),
    /// See [`Stale`].
    Stale(Stale),
    /// The answer to a ping.
    Pong,
    /// See [`Goodbye`].
    Goodbye(Goodbye),
    /// See [`Mirrors`]. Comes only to those who asked for [`features::MIRRORS`].
    Mirrors(Mirrors),
    /// The server ends the connection for this reason.
    Refused(Failure),
}

/// Why a connection can't be used any longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Not a frame of this protocol.
    #[error("the answer is not WSTP: {0}")]
    Decode(#[from] DecodeError),
    /// A message before the handshake was done.
    #[error("the server did not begin with a welcome")]
    NoWelcome,
    /// A second welcome.
    #[error("the server welcomed twice")]
    SecondWelcome,
    /// Mirrors without the feature, or a second time.
    #[error("the server named mirrors that were not asked for")]
    UnaskedMirrors,
    /// A protocol version that was not offered.
    #[error("the server chose version {0}, which was not offered")]
    Version(u16),
    /// An answer to a request that is not under way.
    #[error("the server answered a request that was never made")]
    Unasked,
    /// An answer of another kind, or with other blocks, than was asked for.
    #[error("the server answered something else than was asked")]
    WrongReply,
}

#[derive(Debug)]
struct Pending<C> {
    request: Kind,
    context: C,
    sent: Instant,
    cancelled: bool,
    /// With more answers than this, its own should have been among them.
    due: u64,
}

/// The requests of one connection; `C` is what the caller wants to get back with each answer.
#[derive(Debug)]
pub(super) struct Session<C> {
    welcome: Option<Welcome>,
    mirrors_told: bool,
    next_id: RequestId,
    pending: BTreeMap<RequestId, Pending<C>>,
    /// How many requests ended.
    answers: u64,
}

/// The first message of a connection. It asks for these [`features`].
pub(super) fn hello(agent: &str, credential: Option<&Credential>, features: u64) -> ClientMessage {
    ClientMessage::Hello(Hello {
        min_version: VERSIONS.0,
        max_version: VERSIONS.1,
        features,
        agent: agent.to_owned(),
        token: credential.map(|credential| credential.token().to_owned()),
    })
}

impl<C> Default for Session<C> {
    fn default() -> Self {
        Self { welcome: None, mirrors_told: false, next_id: 0, pending: BTreeMap::new(), answers: 0 }
    }
}

impl<C> Session<C> {
    /// The server's description of itself, once the handshake is done.
    pub(super) fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_ref()
    }

    /// How many requests have not ended, those that were cancelled included.
    pub(super) fn under_way(&self) -> usize {
        self.pending.len()
    }

    /// The requests that have not ended and were not cancelled, oldest first as long as ids have not wrapped around.
    pub(super) fn requests(&self) -> impl Iterator<Item = (RequestId, &C)> {
        self.pending.iter().filter(|(_, pending)| !pending.cancelled).map(|(id, pending)| (*id, &pending.context))
    }

    /// The same, to change what goes with them.
    pub(super) fn requests_mut(&mut self) -> impl Iterator<Item = (RequestId, &mut C)> {
        self.pending
            .iter_mut()
            .filter(|(_, pending)| !pending.cancelled)
            .map(|(id, pending)| (*id, &mut pending.context))
    }

    /// When the oldest request was sent that has not ended, even if it was cancelled.
    pub(super) fn oldest_sent(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|(_, pending)| pending.sent)
    }

    /// Whether more answers came since the oldest request was made than could have been on their way before its own.
    pub(super) fn is_overtaken(&self) -> bool {
        self.pending.first_key_value().is_some_and(|(_, pending)| self.answers > pending.due)
    }

    /// The connection is gone: every request that has not ended, and whether it was cancelled.
    pub(super) fn into_requests(self) -> impl Iterator<Item = (C, bool)> {
        self.pending.into_values().map(|pending| (pending.context, pending.cancelled))
    }

    /// Reads what came.
    ///
    /// # Errors
    /// When the server does not speak WSTP or said something that does not fit; then the connection is to be closed.
    pub(super) fn handle_frame(&mut self, frame: Incoming) -> Result<Event<C>, SessionError> {
        let message = frame.decode()?;
        match message {
            ServerMessage::Welcome(welcome) => return self.welcomed(welcome),
            ServerMessage::Failure(failure) if failure.id.is_none() => return Ok(Event::Refused(failure)),
            ServerMessage::Goodbye(goodbye) => return Ok(Event::Goodbye(goodbye)),
            _ if self.welcome.is_none() => return Err(SessionError::NoWelcome),
            _ => {}
        }
        match message {
            ServerMessage::Search(body) => self.end(body.id, Reply::Search(body)),
            ServerMessage::Listing(body) => self.end(body.id, Reply::Listing(body)),
            ServerMessage::Stat(body) => self.end(body.id, Reply::Stat(body)),
            ServerMessage::Opened(body) => self.end(body.id, Reply::Opened(body)),
            ServerMessage::Blocks(body) => self.end(body.id, Reply::Blocks(body)),
            ServerMessage::HashPage(body) => self.end(body.id, Reply::HashPage(body)),
            ServerMessage::Bundle(body) => self.end(body.id, Reply::Bundle(body)),
            ServerMessage::Zeros(_) if !self.has_agreed(features::ZEROS) => Err(SessionError::WrongReply),
            ServerMessage::Zeros(body) => self.end(body.id, Reply::Zeros(body)),
            ServerMessage::Compressed(body) => self.decompress(&body),
            ServerMessage::Failure(body) => self.end(body.id.ok_or(SessionError::Unasked)?, Reply::Failure(body)),
            ServerMessage::Pong(_) => Ok(Event::Pong),
            ServerMessage::RootReady(body) => Ok(Event::RootReady(body)),
            ServerMessage::Stale(body) => Ok(Event::Stale(body)),
            ServerMessage::Goodbye(body) => Ok(Event::Goodbye(body)),
            ServerMessage::Mirrors(body) => self.mirrors(body),
            ServerMessage::Welcome(_) => Err(SessionError::SecondWelcome),
        }
    }

    fn welcomed(&mut self, welcome: Welcome) -> Result<Event<C>, SessionError> {
        if self.welcome.is_some() {
            return Err(SessionError::SecondWelcome);
        }
        if !(VERSIONS.0..=VERSIONS.1).contains(&welcome.version) {
            return Err(SessionError::Version(welcome.version));
        }
        self.welcome = Some(welcome);
        Ok(Event::Welcome)
    }

    fn has_agreed(&self, feature: u64) -> bool {
        self.welcome.as_ref().is_some_and(|welcome| welcome.features & feature != 0)
    }

    fn mirrors(&mut self, mirrors: Mirrors) -> Result<Event<C>, SessionError> {
        if !self.has_agreed(features::MIRRORS) || std::mem::replace(&mut self.mirrors_told, true) {
            return Err(SessionError::UnaskedMirrors);
        }
        Ok(Event::Mirrors(mirrors))
    }

    /// A compressed reply. Nothing is decompressed that does not answer a request, or that nobody waits for any more.
    fn decompress(&mut self, body: &Compressed) -> Result<Event<C>, SessionError> {
        let pending = self.pending.get(&body.id).ok_or(SessionError::Unasked)?;
        if !self.has_agreed(features::COMPRESSED) || !pending.request.may_take(body.length) {
            return Err(SessionError::WrongReply);
        }
        if pending.cancelled {
            return self.end_unread(body.id);
        }
        match body.decompress()? {
            ServerMessage::Blocks(reply) => self.end_saving(body.id, Reply::Blocks(reply), body.saved()),
            ServerMessage::Bundle(reply) => self.end_saving(body.id, Reply::Bundle(reply), body.saved()),
            _ => Err(SessionError::WrongReply),
        }
    }

    /// A cancelled request ended.
    fn end_unread(&mut self, id: RequestId) -> Result<Event<C>, SessionError> {
        let pending = self.pending.remove(&id).ok_or(SessionError::Unasked)?;
        self.answers += 1;
        Ok(Event::Cancelled { context: pending.context })
    }

    fn end(&mut self, id: RequestId, reply: Reply) -> Result<Event<C>, SessionError> {
        self.end_saving(id, reply, 0)
    }

    fn end_saving(&mut self, id: RequestId, reply: Reply, saved: u64) -> Result<Event<C>, SessionError> {
        let pending = self.pending.remove(&id).ok_or(SessionError::Unasked)?;
        if !pending.request.fits(&reply) {
            self.pending.insert(id, pending);
            return Err(SessionError::WrongReply);
        }
        self.answers += 1;
        let context = pending.context;
        Ok(if pending.cancelled { Event::Cancelled { context } } else { Event::Reply { context, reply, saved } })
    }

    /// Makes a request; the message is to be sent.
    pub(super) fn request(&mut self, now: Instant, request: Request, context: C) -> ClientMessage {
        let id = self.free_id();
        let (kind, message) = request.into_message(id);
        // Answers may overtake each other: by then a server that takes so many requests at once had all of them twice.
        let at_once = self.welcome.as_ref().map_or(0, |welcome| u64::from(welcome.limits.requests));
        let due = self.answers + 2 * at_once;
        self.pending.insert(id, Pending { request: kind, context, sent: now, cancelled: false, due });
        message
    }

    /// Gives up on a request; the message is to be sent. `None` if it has ended or was cancelled before.
    pub(super) fn cancel(&mut self, id: RequestId) -> Option<ClientMessage> {
        let pending = self.pending.get_mut(&id).filter(|pending| !pending.cancelled)?;
        pending.cancelled = true;
        Some(ClientMessage::Cancel(Cancel { id }))
    }

    fn free_id(&mut self) -> RequestId {
        while self.pending.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wstp_protocol::{BlockRun, BlocksReply, BundleReply, ErrorCode, Limits, SharePath};

    fn welcome(version: u16) -> Incoming {
        welcome_with(version, 0)
    }

    fn welcome_with(version: u16, features: u64) -> Incoming {
        let limits = Limits { requests: 8, handles: 1, run_blocks: 32, page_nodes: 1024, idle_timeout_ms: 1000 };
        ServerMessage::Welcome(Welcome { version, features, agent: "s".into(), limits }).into()
    }

    fn ready() -> Session<u8> {
        let mut session = Session::default();
        assert_eq!(session.handle_frame(welcome(1)), Ok(Event::Welcome));
        session
    }

    fn blocks(id: RequestId, first: u64) -> Incoming {
        let run = BlockRun { first, count: 1 };
        ServerMessage::Blocks(BlocksReply { id, run, data: Bytes::from_static(b"x") }).into()
    }

    fn ask(session: &mut Session<u8>, context: u8) -> RequestId {
        let request = Request::Blocks { handle: 0, run: BlockRun { first: 5, count: 1 } };
        match session.request(Instant::default(), request, context) {
            ClientMessage::Blocks(body) => body.id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let mut session = ready();
        let (a, b) = (ask(&mut session, 1), ask(&mut session, 2));
        assert!(matches!(session.handle_frame(blocks(b, 5)), Ok(Event::Reply { context: 2, .. })));
        assert!(matches!(session.handle_frame(blocks(a, 5)), Ok(Event::Reply { context: 1, .. })));
        assert_eq!(session.handle_frame(blocks(a, 5)), Err(SessionError::Unasked));
    }

    #[test]
    fn an_answer_to_something_else_is_an_error() {
        let mut session = ready();
        let id = ask(&mut session, 1);
        assert_eq!(session.handle_frame(blocks(id, 6)), Err(SessionError::WrongReply));
        assert_eq!(session.under_way(), 1);
    }

    #[test]
    fn a_bundle_has_no_more_files_than_were_asked_for() {
        let mut session = ready();
        let request = Request::Bundle { path: SharePath::root(), names: vec!["a".into(), "b".into()] };
        let ClientMessage::Bundle(asked) = session.request(Instant::default(), request, 1) else {
            panic!("a bundle is asked for")
        };
        let reply = |files| {
            let files = vec![wstp_protocol::Bundled::Refused(ErrorCode::NotFound); files];
            Incoming::from(ServerMessage::Bundle(BundleReply { id: asked.id, files }))
        };
        assert_eq!(session.handle_frame(reply(3)), Err(SessionError::WrongReply));
        assert!(matches!(session.handle_frame(reply(1)), Ok(Event::Reply { context: 1, .. })));
        assert_eq!(session.handle_frame(reply(1)), Err(SessionError::Unasked));
    }

    #[test]
    fn a_cancelled_request_may_still_be_answered() {
        let mut session = ready();
        let id = ask(&mut session, 1);
        assert!(session.cancel(id).is_some());
        assert!(session.cancel(id).is_none());
        assert_eq!(session.under_way(), 1);
        assert_eq!(session.handle_frame(blocks(id, 5)), Ok(Event::Cancelled { context: 1 }));
        assert_eq!(session.under_way(), 0);
    }

    #[test]
    fn the_handshake_comes_first_and_once() {
        let mut session: Session<u8> = Session::default();
        assert_eq!(session.handle_frame(blocks(0, 0)), Err(SessionError::NoWelcome));
        assert_eq!(session.handle_frame(welcome(9)), Err(SessionError::Version(9)));
        assert_eq!(session.handle_frame(welcome(1)), Ok(Event::Welcome));
        assert_eq!(session.handle_frame(welcome(1)), Err(SessionError::SecondWelcome));
    }

    #[test]
    fn mirrors_come_once_where_they_were_agreed_on() {
        let urls = vec![wstp_protocol::MirrorUrl::parse("ws://mirror.example/ws").unwrap()];
        let frame = Incoming::from(ServerMessage::Mirrors(Mirrors { urls: urls.clone() }));
        let mut session: Session<u8> = Session::default();
        assert_eq!(session.handle_frame(frame.clone()), Err(SessionError::NoWelcome));
        assert_eq!(session.handle_frame(welcome_with(1, features::MIRRORS)), Ok(Event::Welcome));
        assert_eq!(session.handle_frame(frame.clone()), Ok(Event::Mirrors(Mirrors { urls })));
        assert_eq!(session.handle_frame(frame.clone()), Err(SessionError::UnaskedMirrors));
        assert_eq!(ready().handle_frame(frame), Err(SessionError::UnaskedMirrors));
    }

    /// The answer to a request for block 5, with a Zstandard frame of one raw block.
    fn compressed(id: RequestId) -> Compressed {
        let run = BlockRun { first: 5, count: 1 };
        let plain = ServerMessage::Blocks(BlocksReply { id, run, data: Bytes::from_static(b"data") }).encode();
        let length = plain.len() as u32;
        let header = [0x28, 0xb5, 0x2f, 0xfd, 0x20, length as u8];
        let data = [&header[..], &(length << 3 | 1).to_le_bytes()[..3], &plain].concat().into();
        Compressed { id, length, data }
    }

    fn compressing() -> (Session<u8>, RequestId) {
        let mut session = Session::default();
        session.handle_frame(welcome_with(1, features::COMPRESSED)).unwrap();
        let id = ask(&mut session, 1);
        (session, id)
    }

    fn say(session: &mut Session<u8>, compressed: Compressed) -> Result<Event<u8>, SessionError> {
        session.handle_frame(ServerMessage::Compressed(compressed).into())
    }

    #[test]
    fn a_compressed_answer_is_an_answer() {
        let (mut session, id) = compressing();
        let Ok(Event::Reply { context: 1, reply: Reply::Blocks(reply), saved: 0 }) = say(&mut session, compressed(id))
        else {
            panic!("no blocks")
        };
        assert_eq!(&reply.data[..], b"data");
        assert_eq!(say(&mut session, compressed(id)), Err(SessionError::Unasked));
    }

    #[test]
    fn a_compressed_answer_that_was_not_agreed_on_is_an_error() {
        let mut session = ready();
        let id = ask(&mut session, 1);
        assert_eq!(say(&mut session, compressed(id)), Err(SessionError::WrongReply));
        // Nor of an answer that is none of blocks or files.
        let (mut session, _) = compressing();
        let stat = session.request(Instant::default(), Request::Stat { path: SharePath::root() }, 2);
        let ClientMessage::Stat(stat) = stat else { panic!("a stat is asked for") };
        assert_eq!(say(&mut session, compressed(stat.id)), Err(SessionError::WrongReply));
    }

    #[test]
    fn an_answer_of_another_length_than_was_asked_for_is_not_decompressed() {
        let (mut session, id) = compressing();
        // One block and its header have 21 to 8,212 bytes.
        for (length, outcome) in [
            (20, SessionError::WrongReply),
            (21, SessionError::Decode(DecodeError::Compressed)),
            (8212, SessionError::Decode(DecodeError::Compressed)),
            (8213, SessionError::WrongReply),
        ] {
            assert_eq!(say(&mut session, Compressed { length, ..compressed(id) }), Err(outcome), "{length}");
        }
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_not_decompressed() {
        let (mut session, id) = compressing();
        session.cancel(id);
        let rubbish = Compressed { data: Bytes::from_static(b"rubbish"), ..compressed(id) };
        assert_eq!(say(&mut session, rubbish), Ok(Event::Cancelled { context: 1 }));
        assert_eq!(session.under_way(), 0);
    }

    #[test]
    fn a_refusal_comes_without_a_welcome() {
        let mut session: Session<u8> = Session::default();
        let failure = Failure { id: None, code: ErrorCode::Busy, text: "full".into(), retry_after_ms: Some(5) };
        let frame = ServerMessage::Failure(failure.clone()).into();
        assert_eq!(session.handle_frame(frame), Ok(Event::Refused(failure)));
    }

    #[test]
    fn ids_in_use_are_skipped_after_the_numbers_wrap() {
        let mut session = ready();
        session.next_id = u32::MAX;
        assert_eq!(ask(&mut session, 1), u32::MAX);
        session.next_id = u32::MAX;
        assert_eq!(ask(&mut session, 2), 0);
    }

    #[test]
    fn a_frame_means_what_its_message_does() {
        let run = BlockRun { first: 5, count: 1 };
        let message = |id| ServerMessage::Blocks(BlocksReply { id, run, data: Bytes::from_static(b"x") });
        let mut session = ready();
        let (a, b) = (ask(&mut session, 1), ask(&mut session, 1));
        let framed = session.handle_frame(Bytes::from(message(a).encode()).into());
        let whole = session.handle_frame(message(b).into());
        assert!(matches!((framed, whole), (
            Ok(Event::Reply { reply: Reply::Blocks(a), .. }),
            Ok(Event::Reply { reply: Reply::Blocks(b), .. })
        ) if (a.run, &a.data) == (b.run, &b.data)));
        assert!(session.handle_frame(Bytes::from_static(&[255]).into()).is_err());
    }
}

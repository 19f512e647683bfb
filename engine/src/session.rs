//! The client's half of one connection: the handshake, and which answer belongs to which request.
//!
//! It opens nothing and sends nothing: it makes messages to send and reads frames that came. The engine uses it for transfers and the
//! extension for browsing. After any [`SessionError`] the connection is to be closed: the other side does not speak WSTP or lies.
//!
//! A request ends exactly once: with [`Event::Reply`], or with [`Event::Cancelled`] if it was given up before. Requests under way when the
//! connection closes come back from [`Session::into_requests`].

use std::collections::BTreeMap;

use wstp_protocol::{
    BlockRun, BlocksReply, BlocksRequest, BundleReply, BundleRequest, Cancel, ClientMessage, DecodeError, Failure,
    Goodbye, Handle, HashPage, HashesRequest, Hello, Limits, ListRequest, Listing, Mirrors, OpenRequest, Opened,
    RequestId, RootReady, ServerMessage, SharePath, Stale, StatReply, StatRequest, VERSIONS, Welcome, features,
};

use crate::{Credential, Incoming};

/// What can be asked of a server; [`Session::request`] adds the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`ListRequest`].
    List {
        /// The folder.
        path: SharePath,
        /// Where to go on.
        cursor: Option<String>,
        /// Most entries wanted.
        limit: u32,
    },
    /// See [`StatRequest`].
    Stat {
        /// The entry.
        path: SharePath,
    },
    /// See [`OpenRequest`].
    Open {
        /// The file.
        path: SharePath,
    },
    /// See [`BlocksRequest`].
    Blocks {
        /// The open file.
        handle: Handle,
        /// The blocks.
        run: BlockRun,
    },
    /// See [`HashesRequest`].
    Hashes {
        /// The open file.
        handle: Handle,
        /// The level of the nodes.
        level: u8,
        /// The first node.
        first: u64,
        /// How many.
        count: u32,
    },
    /// See [`BundleRequest`]. Only of a server that agreed on [`features::BUNDLES`].
    Bundle {
        /// The folder.
        path: SharePath,
        /// The files' names in it.
        names: Vec<String>,
    },
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::List`].
    Listing(Listing),
    /// To [`Request::Stat`].
    Stat(StatReply),
    /// To [`Request::Open`].
    Opened(Opened),
    /// To [`Request::Blocks`], with the run that was asked for.
    Blocks(BlocksReply),
    /// To [`Request::Hashes`].
    HashPage(HashPage),
    /// To [`Request::Bundle`], with no more files than were asked for.
    Bundle(BundleReply),
    /// To any request.
    Failure(Failure),
}

/// What a frame meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<C> {
    /// The handshake is done; requests may be made.
    Welcome,
    /// A request ended.
    Reply {
        /// What the caller gave along with the request.
        context: C,
        /// The answer.
        reply: Reply,
    },
    /// A cancelled request ended; its answer, if there was one, is dropped.
    Cancelled {
        /// What the caller gave along with the request.
        context: C,
    },
    /// See [`RootReady`].
    RootReady(RootReady),
    /// See [`Stale`].
    Stale(Stale),
    /// The answer to a ping.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// See [`Goodbye`].
    Goodbye(Goodbye),
    /// See [`Mirrors`]. Comes only to those who asked for it with [`Session::hello`].
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
    cancelled: bool,
    /// With more answers than this, its own should have been among them.
    due: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Stat,
    Open,
    Blocks(BlockRun),
    Hashes,
    /// So many files.
    Bundle(usize),
}

/// One connection; `C` is what the caller wants to get back with each answer.
#[derive(Debug)]
pub struct Session<C> {
    welcome: Option<Welcome>,
    mirrors_told: bool,
    next_id: RequestId,
    pending: BTreeMap<RequestId, Pending<C>>,
    /// How many requests ended.
    answers: u64,
}

impl<C> Default for Session<C> {
    fn default() -> Self {
        Self { welcome: None, mirrors_told: false, next_id: 0, pending: BTreeMap::new(), answers: 0 }
    }
}

impl<C> Session<C> {
    /// What the server said about itself, once the handshake is done.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_ref()
    }

    /// What the server allows, once the handshake is done.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.welcome.as_ref().map(|welcome| &welcome.limits)
    }

    /// How many requests have not ended, those that were cancelled included.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.pending.len()
    }

    /// The requests that have not ended and were not cancelled, oldest first as long as ids have not wrapped around.
    pub fn requests(&self) -> impl Iterator<Item = (RequestId, &C)> {
        self.pending.iter().filter(|(_, pending)| !pending.cancelled).map(|(id, pending)| (*id, &pending.context))
    }

    /// The same, to change what goes with them.
    pub fn requests_mut(&mut self) -> impl Iterator<Item = (RequestId, &mut C)> {
        self.pending
            .iter_mut()
            .filter(|(_, pending)| !pending.cancelled)
            .map(|(id, pending)| (*id, &mut pending.context))
    }

    /// What goes with the oldest request that has not ended, even if it was cancelled.
    #[must_use]
    pub fn oldest(&self) -> Option<&C> {
        self.pending.first_key_value().map(|(_, pending)| &pending.context)
    }

    /// Whether more answers came since the oldest request was made than could have been on their way before its own.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.pending.first_key_value().is_some_and(|(_, pending)| self.answers > pending.due)
    }

    /// The connection is gone: every request that has not ended, and whether it was cancelled.
    pub fn into_requests(self) -> impl Iterator<Item = (C, bool)> {
        self.pending.into_values().map(|pending| (pending.context, pending.cancelled))
    }

    /// Reads what came.
    ///
    /// # Errors
    /// When the server does not speak WSTP or said something that does not fit; then the connection is to be closed.
    pub fn handle_frame(&mut self, frame: impl Into<Incoming>) -> Result<Event<C>, SessionError> {
        let message = frame.into().decode()?;
        match message {
            ServerMessage::Welcome(welcome) => return self.welcomed(welcome),
            ServerMessage::Failure(failure) if failure.id.is_none() => return Ok(Event::Refused(failure)),
            ServerMessage::Goodbye(goodbye) => return Ok(Event::Goodbye(goodbye)),
            _ if self.welcome.is_none() => return Err(SessionError::NoWelcome),
            _ => {}
        }
        match message {
            ServerMessage::Listing(body) => self.end(body.id, Reply::Listing(body)),
            ServerMessage::Stat(body) => self.end(body.id, Reply::Stat(body)),
            ServerMessage::Opened(body) => self.end(body.id, Reply::Opened(body)),
            ServerMessage::Blocks(body) => self.end(body.id, Reply::Blocks(body)),
            ServerMessage::HashPage(body) => self.end(body.id, Reply::HashPage(body)),
            ServerMessage::Bundle(body) => self.end(body.id, Reply::Bundle(body)),
            ServerMessage::Failure(body) => self.end(body.id.ok_or(SessionError::Unasked)?, Reply::Failure(body)),
            ServerMessage::Pong(body) => Ok(Event::Pong { nonce: body.nonce }),
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

    fn mirrors(&mut self, mirrors: Mirrors) -> Result<Event<C>, SessionError> {
        let agreed = self.welcome.as_ref().is_some_and(|welcome| welcome.features & features::MIRRORS != 0);
        if !agreed || std::mem::replace(&mut self.mirrors_told, true) {
            return Err(SessionError::UnaskedMirrors);
        }
        Ok(Event::Mirrors(mirrors))
    }

    fn end(&mut self, id: RequestId, reply: Reply) -> Result<Event<C>, SessionError> {
        let pending = self.pending.remove(&id).ok_or(SessionError::Unasked)?;
        if !pending.request.fits(&reply) {
            self.pending.insert(id, pending);
            return Err(SessionError::WrongReply);
        }
        self.answers += 1;
        let context = pending.context;
        Ok(if pending.cancelled { Event::Cancelled { context } } else { Event::Reply { context, reply } })
    }

    /// The first message of a connection. It asks for these [`features`].
    #[must_use]
    pub fn hello(agent: &str, credential: Option<&Credential>, features: u64) -> ClientMessage {
        ClientMessage::Hello(Hello {
            min_version: VERSIONS.0,
            max_version: VERSIONS.1,
            features,
            agent: agent.to_owned(),
            token: credential.map(|credential| credential.token().to_owned()),
        })
    }

    /// Makes a request; the message is to be sent.
    pub fn request(&mut self, request: Request, context: C) -> ClientMessage {
        let id = self.free_id();
        let (kind, message) = request.into_message(id);
        // Answers may overtake each other: by then a server that takes so many requests at once had all of them twice.
        let due = self.answers + 2 * self.limits().map_or(0, |limits| u64::from(limits.requests));
        self.pending.insert(id, Pending { request: kind, context, cancelled: false, due });
        message
    }

    /// Gives up on a request; the message is to be sent. `None` if it has ended or was cancelled before.
    pub fn cancel(&mut self, id: RequestId) -> Option<ClientMessage> {
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

impl Kind {
    fn fits(self, reply: &Reply) -> bool {
        match (self, reply) {
            (_, Reply::Failure(_))
            | (Self::List, Reply::Listing(_))
            | (Self::Stat, Reply::Stat(_))
            | (Self::Open, Reply::Opened(_))
            | (Self::Hashes, Reply::HashPage(_)) => true,
            (Self::Blocks(run), Reply::Blocks(blocks)) => run == blocks.run,
            (Self::Bundle(most), Reply::Bundle(bundle)) => bundle.files.len() <= most,
            _ => false,
        }
    }
}

impl Request {
    fn into_message(self, id: RequestId) -> (Kind, ClientMessage) {
        match self {
            Self::List { path, cursor, limit } => {
                (Kind::List, ClientMessage::List(ListRequest { id, path, cursor, limit }))
            }
            Self::Stat { path } => (Kind::Stat, ClientMessage::Stat(StatRequest { id, path })),
            Self::Open { path } => (Kind::Open, ClientMessage::Open(OpenRequest { id, path })),
            Self::Blocks { handle, run } => {
                (Kind::Blocks(run), ClientMessage::Blocks(BlocksRequest { id, handle, run }))
            }
            Self::Hashes { handle, level, first, count } => {
                (Kind::Hashes, ClientMessage::Hashes(HashesRequest { id, handle, level, first, count }))
            }
            Self::Bundle { path, names } => {
                (Kind::Bundle(names.len()), ClientMessage::Bundle(BundleRequest { id, path, names }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wstp_protocol::ErrorCode;

    fn welcome(version: u16) -> Bytes {
        welcome_with(version, 0)
    }

    fn welcome_with(version: u16, features: u64) -> Bytes {
        let limits = Limits { requests: 8, handles: 1, run_blocks: 32, page_nodes: 1024, idle_timeout_ms: 1000 };
        ServerMessage::Welcome(Welcome { version, features, agent: "s".into(), limits }).encode().into()
    }

    fn ready() -> Session<u8> {
        let mut session = Session::default();
        assert_eq!(session.handle_frame(welcome(1)), Ok(Event::Welcome));
        session
    }

    fn blocks(id: RequestId, first: u64) -> Bytes {
        let run = BlockRun { first, count: 1 };
        ServerMessage::Blocks(BlocksReply { id, run, data: Bytes::from_static(b"x") }).encode().into()
    }

    fn ask(session: &mut Session<u8>, context: u8) -> RequestId {
        let request = Request::Blocks { handle: 0, run: BlockRun { first: 5, count: 1 } };
        match session.request(request, context) {
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
        let ClientMessage::Bundle(asked) = session.request(request, 1) else { panic!("a bundle is asked for") };
        let reply = |files| {
            let files = vec![wstp_protocol::Bundled::Refused(ErrorCode::NotFound); files];
            Bytes::from(ServerMessage::Bundle(BundleReply { id: asked.id, files }).encode())
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
        let frame = Bytes::from(ServerMessage::Mirrors(Mirrors { urls: urls.clone() }).encode());
        let mut session: Session<u8> = Session::default();
        assert_eq!(session.handle_frame(frame.clone()), Err(SessionError::NoWelcome));
        assert_eq!(session.handle_frame(welcome_with(1, features::MIRRORS)), Ok(Event::Welcome));
        assert_eq!(session.handle_frame(frame.clone()), Ok(Event::Mirrors(Mirrors { urls })));
        assert_eq!(session.handle_frame(frame.clone()), Err(SessionError::UnaskedMirrors));
        assert_eq!(ready().handle_frame(frame), Err(SessionError::UnaskedMirrors));
        for (hello, asked) in [
            (Session::<u8>::hello("a", None, 0), 0),
            (Session::<u8>::hello("a", None, features::MIRRORS), features::MIRRORS),
        ] {
            assert!(matches!(hello, ClientMessage::Hello(Hello { features, .. }) if features == asked));
        }
    }

    #[test]
    fn a_refusal_comes_without_a_welcome() {
        let mut session: Session<u8> = Session::default();
        let failure = Failure { id: None, code: ErrorCode::Busy, text: "full".into(), retry_after_ms: Some(5) };
        let frame = ServerMessage::Failure(failure.clone());
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
}

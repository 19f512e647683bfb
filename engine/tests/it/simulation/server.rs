//! A scripted server: it speaks the protocol, honestly or not.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use wstp_engine::http_source::{HttpAnswer, HttpRequest};
use wstp_engine::{ConnectionId, Instant};
use wstp_protocol::limits::EARLY_REQUESTS;
use wstp_protocol::{
    BLOCK_SIZE, BLOCKS_HEADER_LEN, BlockRun, BlocksReply, BlocksRequest, ClientMessage, Compressed, ErrorCode, Failure,
    FileVersion, Handle, HashesRequest, Limits, MirrorUrl, Mirrors, Opened, Pong, RequestId, RootReady, ServerMessage,
    Stale, Welcome, Zeros, features,
};

use crate::compressing::{compressed, zstd};
use crate::simulation::content::{Content, Edition};
use wstp_testkit::Random;

/// The constant lie of a dishonest server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It answers in another protocol.
    NotWstp,
    /// It tells the second and later connections another size.
    TwoSizes,
    /// Pages of hashes don't lead to the root.
    WrongPages,
    /// One block is always wrong.
    WrongBlock,
    /// It sends blocks without a request.
    Unasked,
    /// It answers with other blocks than requested.
    WrongRun,
    /// Its blocks are shorter than the file's size says.
    ShortData,
    /// It gives an impossible size for the file.
    Huge,
    /// The root that it tells later differs from the one before, or from the file's.
    WrongRoot,
    /// It cancels requests without being asked.
    CancelsAll,
    /// It calls everything zero.
    AllZero,
    /// It calls blocks zero that lie behind the end of the file.
    ZerosPastTheEnd,
    /// It calls blocks zero although that was not agreed on.
    UnagreedZeros,
    /// It compresses although that was not agreed on.
    UnagreedCompression,
    /// Its compressed data are no data.
    CompressedRubbish,
    /// Its compressed data become far more than it says.
    CompressedBomb,
    /// Its compressed data hold other blocks than requested.
    CompressedWrongRun,
    /// Its compressed data hold more compressed data.
    CompressedTwice,
}

impl Lie {
    /// Every lie.
    pub const ALL: [Self; 18] = [
        Self::NotWstp,
        Self::TwoSizes,
        Self::WrongPages,
        Self::WrongBlock,
        Self::Unasked,
        Self::WrongRun,
        Self::ShortData,
        Self::Huge,
        Self::WrongRoot,
        Self::CancelsAll,
        Self::AllZero,
        Self::ZerosPastTheEnd,
        Self::UnagreedZeros,
        Self::UnagreedCompression,
        Self::CompressedRubbish,
        Self::CompressedBomb,
        Self::CompressedWrongRun,
        Self::CompressedTwice,
    ];

    /// Those about compressed data that were agreed on.
    pub const COMPRESSED: [Self; 4] =
        [Self::CompressedRubbish, Self::CompressedBomb, Self::CompressedWrongRun, Self::CompressedTwice];
}

/// A bad line's change to the first description of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misheard {
    Size,
    Version,
    Root,
}

/// Whether a server takes requests before its welcome, and how the client learns that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Early {
    #[default]
    Refused,
    /// From an earlier welcome: a browser can't read the field.
    ByBit,
    /// When the connection opens, too.
    ByField,
}

#[derive(Clone, Debug)]
pub struct ServerScript {
    pub limits: Limits,
    /// The most time for a request. Each takes its own time, so answers overtake each other.
    pub thinking: Duration,
    /// The time for hashing the file.
    pub hashing: Duration,
    /// The chance that an answer with blocks has a flipped bit.
    pub corruption: f64,
    /// The chance that the server refuses a request as too much for now.
    pub busy: f64,
    pub lie: Option<Lie>,
    /// Data that arrives garbled on the first connection.
    pub misheard: Option<Misheard>,
    /// The file is missing.
    pub missing: bool,
    /// It speaks plain HTTP, and keeps this edition even if it changes elsewhere.
    pub plain: Option<Edition>,
    /// It calls zeros by their name.
    pub tells_zeros: bool,
    /// It knows of zeros before it has read them.
    pub knows_holes: bool,
    /// The chance that it compresses an answer with blocks.
    pub compresses: f64,
    pub early: Early,
    /// The other places that it names.
    pub mirrors: Vec<MirrorUrl>,
}

struct Peer {
    handles: Vec<(Handle, u8)>,
    pending: BTreeMap<RequestId, bool>,
    number: u64,
    features: u64,
    /// When the welcome leaves; no answer leaves before.
    welcomed_at: Option<Instant>,
}

/// The answers to a message, at their times.
pub type Answers = Vec<(Duration, Option<RequestId>, ServerMessage)>;

pub struct Server {
    pub script: ServerScript,
    pub content: Rc<Content>,
    /// How often the file changed.
    changes: u8,
    pub root_at: Instant,
    number: u8,
    peers: BTreeMap<ConnectionId, Peer>,
    next_handle: Handle,
    connected: u64,
    /// Corruption ends here, so that transfers can end.
    pub faults_until: Instant,
    /// Ranges that were sent over plain HTTP.
    pub ranges: u64,
}

impl Server {
    pub fn new(number: u8, script: ServerScript, edition: Edition, faults_until: Instant) -> Self {
        let root_at = Instant(script.hashing);
        Self {
            script,
            content: Content::of(edition),
            changes: 0,
            root_at,
            number,
            peers: BTreeMap::new(),
            next_handle: 100,
            connected: 0,
            faults_until,
            ranges: 0,
        }
    }

    fn version(&self) -> FileVersion {
        FileVersion([self.changes * 16 + self.number; 16])
    }

    pub fn opened(&mut self, connection: ConnectionId) {
        self.connected += 1;
        let peer = Peer {
            handles: Vec::new(),
            pending: BTreeMap::new(),
            number: self.connected,
            features: 0,
            welcomed_at: None,
        };
        self.peers.insert(connection, peer);
    }

    pub fn closed(&mut self, connection: ConnectionId) {
        self.peers.remove(&connection);
    }

    /// Every client is disconnected, and hashes are computed again.
    pub fn restart(&mut self, now: Instant) -> Vec<ConnectionId> {
        self.root_at = now + self.script.hashing;
        std::mem::take(&mut self.peers).into_keys().collect()
    }

    /// The file changes. Every client that has it open is told.
    pub fn change(&mut self, now: Instant, edition: Edition) -> Vec<(ConnectionId, ServerMessage)> {
        self.content = Content::of(edition);
        self.changes += 1;
        self.root_at = now + self.script.hashing;
        let open = self.peers.iter().flat_map(|(id, peer)| peer.handles.iter().map(|(handle, _)| (*id, *handle)));
        open.map(|(id, handle)| (id, ServerMessage::Stale(Stale { handle }))).collect()
    }

    /// Hashing is done. All clients are told.
    pub fn roots_ready(&self) -> Vec<(ConnectionId, ServerMessage)> {
        let root = self.root();
        let fresh = |(_, changes): &&(Handle, u8)| *changes == self.changes;
        let open = self.peers.iter().flat_map(|(id, peer)| peer.handles.iter().filter(fresh).map(|(h, _)| (*id, *h)));
        open.map(|(id, handle)| (id, ServerMessage::RootReady(RootReady { handle, root }))).collect()
    }

    fn root(&self) -> [u8; 32] {
        let mut root = self.content.root;
        if self.script.lie == Some(Lie::WrongRoot) {
            root[0] ^= 1;
        }
        root
    }

    /// The delayed answer, once its time has come.
    pub fn answer(&mut self, connection: ConnectionId, id: RequestId, message: ServerMessage) -> Option<ServerMessage> {
        let cancelled = self.peers.get_mut(&connection)?.pending.remove(&id)?;
        Some(if cancelled { failure(id, ErrorCode::Cancelled) } else { message })
    }

    pub fn handle(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        message: &ClientMessage,
        random: &mut Random,
    ) -> Answers {
        if !self.peers.contains_key(&connection) {
            return Vec::new();
        }
        let think = random.up_to(self.script.thinking);
        match message {
            ClientMessage::Hello(hello) => self.welcome(now, connection, think, hello.features),
            ClientMessage::Ping(ping) => vec![(think, None, ServerMessage::Pong(Pong { nonce: ping.nonce }))],
            ClientMessage::Open(open) => {
                self.start(now, connection, open.id, think, |server| server.open(now, connection, open.id))
            }
            ClientMessage::Blocks(ask) => {
                let mut answers =
                    self.start(now, connection, ask.id, think, |server| server.blocks(now, connection, ask, random));
                if self.script.lie == Some(Lie::Unasked) {
                    let run = BlockRun { first: 0, count: 1 };
                    let data = Bytes::from_static(b"nobody asked for this");
                    answers.push((think, None, ServerMessage::Blocks(BlocksReply { id: 4_000_000, run, data })));
                }
                answers
            }
            ClientMessage::Hashes(ask) => {
                self.start(now, connection, ask.id, think, |server| server.hashes(now, connection, ask))
            }
            ClientMessage::Cancel(cancel) => {
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.pending.entry(cancel.id).and_modify(|cancelled| *cancelled = true);
                }
                Vec::new()
            }
            ClientMessage::Close(_) => Vec::new(),
            ClientMessage::List(_) | ClientMessage::Search(_) | ClientMessage::Stat(_) | ClientMessage::Bundle(_) => {
                panic!("a transfer asks for blocks of one file")
            }
        }
    }

    /// Answers a request over plain HTTP.
    pub fn http(&mut self, now: Instant, request: &HttpRequest, random: &mut Random) -> HttpAnswer {
        let edition = self.script.plain.expect("only servers of plain HTTP are asked over it");
        let status = |status| HttpAnswer { status, ..HttpAnswer::default() };
        if self.script.missing {
            return status(404);
        }
        if random.chance(self.script.busy) {
            return status(503);
        }
        let content = Content::of(edition);
        let range = &request.0;
        if range.start >= content.size() {
            return HttpAnswer { content_range: Some(format!("bytes */{}", content.size())), ..status(416) };
        }
        // A request for the first byte alone only asks for the size.
        self.ranges += u64::from(*range != (0..1));
        let mut body = content.data[range.start as usize..range.end as usize].to_vec();
        if now < self.faults_until && random.chance(self.script.corruption) {
            let at = random.below(body.len() as u64) as usize;
            body[at] ^= 1 << random.below(8);
        }
        let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size());
        HttpAnswer { content_range: Some(content_range), body: body.into(), ..status(206) }
    }

    fn start(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: RequestId,
        think: Duration,
        make: impl FnOnce(&mut Self) -> ServerMessage,
    ) -> Answers {
        let limit = self.script.limits.requests as usize;
        let peer = self.peers.get_mut(&connection).expect("checked by the caller");
        assert!(peer.pending.insert(id, false).is_none(), "a request id is used twice");
        assert!(peer.pending.len() <= limit, "more requests than the server allows");
        let until_welcome = peer.welcomed_at.expect("a request came before the greeting") - now;
        let is_early = until_welcome > Duration::ZERO;
        assert!(!is_early || self.script.early != Early::Refused, "a request came before the welcome");
        assert!(!is_early || peer.pending.len() <= EARLY_REQUESTS, "too many requests came before the welcome");
        vec![(think.max(until_welcome), Some(id), make(self))]
    }

    fn welcome(&mut self, now: Instant, connection: ConnectionId, think: Duration, known: u64) -> Answers {
        let version = if self.script.lie == Some(Lie::NotWstp) { 77 } else { 1 };
        let urls = self.script.mirrors.clone();
        let tells_zeros =
            self.script.tells_zeros || matches!(self.script.lie, Some(Lie::AllZero | Lie::ZerosPastTheEnd));
        let compresses =
            self.script.compresses > 0.0 || self.script.lie.is_some_and(|lie| Lie::COMPRESSED.contains(&lie));
        let wanted = [
            (!urls.is_empty(), features::MIRRORS),
            (tells_zeros, features::ZEROS),
            (compresses, features::COMPRESSED),
            (self.script.early != Early::Refused, features::EARLY),
        ];
        let features = known & wanted.iter().filter(|(is_wanted, _)| *is_wanted).fold(0, |all, (_, bit)| all | bit);
        let peer = self.peers.get_mut(&connection).expect("checked by the caller");
        (peer.features, peer.welcomed_at) = (features, Some(now + think));
        let welcome = Welcome { version, features, agent: "script".into(), limits: self.script.limits };
        let mirrors = (features & features::MIRRORS != 0).then_some(ServerMessage::Mirrors(Mirrors { urls }));
        std::iter::once(ServerMessage::Welcome(welcome)).chain(mirrors).map(|message| (think, None, message)).collect()
    }

    fn open(&mut self, now: Instant, connection: ConnectionId, id: RequestId) -> ServerMessage {
        if self.script.missing {
            return failure(id, ErrorCode::NotFound);
        }
        let handle = self.next_handle;
        self.next_handle += 1;
        let (changes, root) = (self.changes, (now >= self.root_at).then(|| self.root()));
        let mut version = self.version();
        let peer = self.peers.get_mut(&connection).expect("checked by the caller");
        peer.handles.push((handle, changes));
        let misheard = self.script.misheard.filter(|_| peer.number == 1);
        let mut root = root;
        if misheard == Some(Misheard::Root) {
            root.iter_mut().for_each(|root| root[7] ^= 4);
        }
        if misheard == Some(Misheard::Version) {
            version.0[7] ^= 4;
        }
        let size = match self.script.lie {
            Some(Lie::TwoSizes) if peer.number > 1 => self.content.size() + 1,
            Some(Lie::Huge) => u64::MAX - peer.number % 3,
            _ if misheard == Some(Misheard::Size) => self.content.size() / 2,
            _ => self.content.size(),
        };
        ServerMessage::Opened(Opened { id, handle, size, version, root })
    }

    fn stale(&self, connection: ConnectionId, handle: Handle) -> Option<ErrorCode> {
        let handles = &self.peers.get(&connection)?.handles;
        let (_, changes) = handles.iter().find(|(open, _)| *open == handle).expect("the client made up a handle");
        (*changes != self.changes).then_some(ErrorCode::Changed)
    }

    fn blocks(
        &self,
        now: Instant,
        connection: ConnectionId,
        ask: &BlocksRequest,
        random: &mut Random,
    ) -> ServerMessage {
        assert!(ask.run.count <= self.script.limits.run_blocks, "a longer run than the server allows");
        if let Some(code) = self.stale(connection, ask.handle) {
            return failure(ask.id, code);
        }
        if random.chance(self.script.busy) {
            return failure(ask.id, ErrorCode::Busy);
        }
        if self.script.lie == Some(Lie::CancelsAll) {
            return failure(ask.id, ErrorCode::Cancelled);
        }
        let Some(data) = self.content.bytes(ask.run) else {
            assert_ne!(self.script.lie, None, "blocks past the end of the file");
            return failure(ask.id, ErrorCode::OutOfRange);
        };
        if let Some(zeros) = self.zeros(connection, ask) {
            return ServerMessage::Zeros(zeros);
        }
        let mut run = ask.run;
        let mut data = data.to_vec();
        let corrupt = now < self.faults_until && random.chance(self.script.corruption);
        match self.script.lie {
            Some(Lie::WrongRun) => run.first += 1,
            Some(Lie::ShortData) => drop(data.pop()),
            Some(Lie::WrongBlock) if run.first == 0 => data[0] ^= 1,
            _ if corrupt => {
                let at = random.below(data.len() as u64) as usize;
                data[at] ^= 1 << random.below(8);
            }
            _ => {}
        }
        let reply = ServerMessage::Blocks(BlocksReply { id: ask.id, run, data: data.into() });
        self.carried(connection, ask, reply, random)
    }

    /// An answer with blocks as it goes out: some are compressed.
    fn carried(
        &self,
        connection: ConnectionId,
        ask: &BlocksRequest,
        reply: ServerMessage,
        random: &mut Random,
    ) -> ServerMessage {
        let (id, plain) = (ask.id, reply.encode());
        let with =
            |data: Vec<u8>| ServerMessage::Compressed(Compressed { id, length: plain.len() as u32, data: data.into() });
        match self.script.lie {
            Some(Lie::UnagreedCompression) => compressed(id, reply),
            Some(Lie::CompressedRubbish) => with(vec![7; 100]),
            Some(Lie::CompressedBomb) => with(zstd(&vec![0; 8 << 20], plain.len() as u32)),
            Some(Lie::CompressedWrongRun) => {
                let run = BlockRun { first: ask.run.first + 1, ..ask.run };
                let data = vec![0; plain.len() - BLOCKS_HEADER_LEN].into();
                compressed(id, ServerMessage::Blocks(BlocksReply { id, run, data }))
            }
            Some(Lie::CompressedTwice) => with(zstd(&compressed(id, reply).encode(), plain.len() as u32)),
            _ => {
                let has_agreed = |peer: &Peer| peer.features & features::COMPRESSED != 0;
                let compresses = self.peers.get(&connection).is_some_and(has_agreed);
                if compresses && random.chance(self.script.compresses) { compressed(id, reply) } else { reply }
            }
        }
    }

    /// Zeros in place of the requested blocks, where they are told.
    fn zeros(&self, connection: ConnectionId, ask: &BlocksRequest) -> Option<Zeros> {
        let (id, first, blocks) = (ask.id, ask.run.first, self.content.size().div_ceil(BLOCK_SIZE));
        let count = match self.script.lie {
            Some(Lie::AllZero) => blocks - first,
            Some(Lie::ZerosPastTheEnd) => u64::MAX - first,
            Some(Lie::UnagreedZeros) => ask.run.count.into(),
            _ if self.peers.get(&connection)?.features & features::ZEROS == 0 => return None,
            _ => {
                let zeros = self.content.zeros_from(first).filter(|zeros| zeros.end >= ask.run.end())?;
                if self.script.knows_holes { zeros.end - first } else { ask.run.count.into() }
            }
        };
        Some(Zeros { id, first, count })
    }

    fn hashes(&self, now: Instant, connection: ConnectionId, ask: &HashesRequest) -> ServerMessage {
        assert!(ask.count <= self.script.limits.page_nodes, "a larger page than the server allows");
        if let Some(code) = self.stale(connection, ask.handle) {
            return failure(ask.id, code);
        }
        if now < self.root_at {
            return failure(ask.id, ErrorCode::NotReady);
        }
        let Some(mut page) = self.content.page(ask.id, ask.level, ask.first, ask.count) else {
            assert_ne!(self.script.lie, None, "a page outside the tree");
            return failure(ask.id, ErrorCode::OutOfRange);
        };
        if self.script.lie == Some(Lie::WrongPages) {
            page.nodes[0][3] ^= 1;
        }
        ServerMessage::HashPage(page)
    }
}

fn failure(id: RequestId, code: ErrorCode) -> ServerMessage {
    ServerMessage::Failure(Failure { id: Some(id), code, text: "by script".into(), retry_after_ms: None })
}

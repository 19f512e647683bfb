//! A peer that has a file in memory, as a browser has one. A transfer of the engine gets the file from it, without any
//! server.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use wstp_engine::{
    Config, ConnectionId, Connections, Instant, Order, Output, Phase, SourceConfig, SourceId, SourceKind, StoreReply,
    StoreRequest, Transfer,
};
use wstp_protocol::limits::{MAX_PAGE_NODES, MAX_RUN_BLOCKS};
use wstp_protocol::tree::{Tree, fold, hash_block};
use wstp_protocol::{
    BLOCK_SIZE, BlockRun, ClientMessage, Entry, ErrorCode, FileVersion, Hash, Limits, SearchRequest, ServerMessage,
    SharePath, Welcome, block_count, features,
};
use wstp_provider::{
    Bundle, Hits, KnownZeros, Offer, OfferedFile, Outcome, Page, PeerState, Read, Refusal, Step, Task, perform,
};

const NAME: &str = "film";

/// Offers one file.
struct Peer {
    file: File,
    data: Bytes,
    leaves: Vec<Hash>,
    /// Zeros that it knows of without reading them.
    holes: Range<u64>,
    /// How often each block was read to answer.
    reads: RefCell<Vec<u32>>,
    /// Whether the file has another version by now.
    has_changed: Cell<bool>,
}

#[derive(Clone)]
struct File {
    size: u64,
    root: Hash,
    zeros: Arc<KnownZeros>,
}

impl OfferedFile for File {
    fn size(&self) -> u64 {
        self.size
    }

    fn version(&self) -> FileVersion {
        FileVersion([1; 16])
    }

    fn root(&self) -> Option<Hash> {
        Some(self.root)
    }

    fn known_zeros(&self) -> &KnownZeros {
        &self.zeros
    }
}

impl Peer {
    fn new(data: Bytes) -> Self {
        let file = File { size: data.len() as u64, root: *blake3::hash(&data).as_bytes(), zeros: Arc::default() };
        let tree = Tree::of_size(file.size);
        let blocks = data.chunks(BLOCK_SIZE as usize).zip(0..);
        let leaves = blocks.map(|(block, index)| hash_block(tree, index, block)).collect();
        Self { file, data, leaves, holes: 0..0, reads: RefCell::default(), has_changed: Cell::new(false) }
    }

    fn node(&self, blocks: Range<u64>) -> Hash {
        let is_root = blocks == (0..self.leaves.len() as u64);
        fold(&self.leaves[blocks.start as usize..blocks.end as usize], is_root).unwrap()
    }
}

impl Offer for Peer {
    type File = File;

    async fn list(&self, _path: &SharePath, _cursor: Option<&str>, _limit: u32) -> Result<Page, Refusal> {
        Err(ErrorCode::Forbidden.into())
    }

    async fn search(&self, _request: &SearchRequest) -> Result<Hits, Refusal> {
        Err(ErrorCode::Forbidden.into())
    }

    async fn stat(&self, _path: &SharePath) -> Result<Entry, Refusal> {
        Err(ErrorCode::Forbidden.into())
    }

    async fn open(&self, path: SharePath) -> Result<File, Refusal> {
        if path.as_str() == NAME { Ok(self.file.clone()) } else { Err(ErrorCode::NotFound.into()) }
    }

    async fn read(&self, _file: &File, read: &Read) -> Result<Bytes, Refusal> {
        if self.has_changed.get() {
            return Err(ErrorCode::Changed.into());
        }
        let mut reads = self.reads.borrow_mut();
        reads.resize(self.leaves.len(), 0);
        reads[(read.offset() / BLOCK_SIZE) as usize..block_count(read.end()) as usize].iter_mut().for_each(|n| *n += 1);
        let bytes = &self.data[read.offset() as usize..read.end() as usize];
        Ok([read.header(), bytes].concat().into())
    }

    async fn zeros_until(&self, _file: &File, offset: u64) -> Result<u64, Refusal> {
        if self.holes.contains(&offset) { Ok(self.holes.end) } else { Ok(offset) }
    }

    async fn hashes(&self, file: &File, page: (u8, u64, u32)) -> Result<(Vec<Hash>, Vec<Hash>), Refusal> {
        let (level, first, count) = page;
        let tree = Tree::of_size(file.size);
        let covered = tree.covered(level, first, count).ok_or(ErrorCode::OutOfRange)?;
        let end = tree.nodes(level).min(first + u64::from(count));
        let nodes = (first..end).map(|index| self.node(tree.covered(level, index, 1).unwrap())).collect();
        Ok((nodes, tree.uncles(&covered).into_iter().map(|blocks| self.node(blocks)).collect()))
    }

    async fn fill(&self, _bundle: Bundle) -> Result<Bundle, Refusal> {
        Err(ErrorCode::Forbidden.into())
    }
}

const LIMITS: Limits = Limits {
    requests: 16,
    handles: 4,
    run_blocks: MAX_RUN_BLOCKS,
    page_nodes: MAX_PAGE_NODES,
    idle_timeout_ms: 60_000,
};

/// The frames with which the peer answers a message.
fn answers(peer: &Peer, state: &mut PeerState<File>, message: ClientMessage) -> Vec<Bytes> {
    if let ClientMessage::Hello(hello) = message {
        let version = hello.max_version;
        let features = hello.features & features::ZEROS;
        let welcome = Welcome { version, features, agent: "a browser".to_owned(), limits: LIMITS };
        return vec![ServerMessage::Welcome(welcome).encode().into()];
    }
    match state.handle_message(message).unwrap() {
        Step::Nothing | Step::End(..) => Vec::new(),
        Step::Send(message) => vec![message.encode().into()],
        Step::Begin(id, task) => {
            let outcome = perform(peer, id, task).now_or_never().expect("nothing in memory has to be waited for");
            vec![state.finish(id, outcome).frame]
        }
    }
}

/// Storage of a transfer, in memory.
#[derive(Default)]
struct Disk {
    data: Vec<u8>,
    hashes: BTreeMap<u64, Hash>,
}

impl Disk {
    fn perform(&mut self, request: StoreRequest) -> StoreReply {
        let blocks = |run: BlockRun| run.first..run.end();
        match request {
            StoreRequest::SetLength { size } => self.data.resize(size as usize, 0),
            StoreRequest::Write { offset, data } => {
                self.data[offset as usize..][..data.len()].copy_from_slice(&data);
            }
            StoreRequest::WriteZeros { offset, length } => self.data[offset as usize..][..length as usize].fill(0),
            StoreRequest::WriteHashes { first, hashes } => self.hashes.extend((first..).zip(hashes)),
            StoreRequest::ReadHashes { run } => {
                return StoreReply::Hashes(blocks(run).map(|block| self.hashes[&block]).collect());
            }
            StoreRequest::Rehash { run, size } => {
                let block = |index: u64| {
                    let start = (index * BLOCK_SIZE) as usize;
                    &self.data[start..self.data.len().min(start + BLOCK_SIZE as usize)]
                };
                let tree = Tree::of_size(size);
                return StoreReply::Hashes(blocks(run).map(|index| hash_block(tree, index, block(index))).collect());
            }
            StoreRequest::Commit { .. } | StoreRequest::Compact { .. } => {}
        }
        StoreReply::Done
    }
}

/// The traffic of a peer: bytes, and answers that told zeros.
struct Sent {
    bytes: usize,
    told: usize,
}

/// Has a transfer fetch the peer's file: what it stored, how it ended, and what was sent for it.
fn fetch(peer: &Peer, path: &str) -> (Vec<u8>, Phase, Sent) {
    let source = SourceConfig::new(SourceId(1), SourceKind::Wstp, SharePath::parse(path).unwrap());
    let config = Config {
        sources: vec![source],
        agent: "test".to_owned(),
        connections: Connections::Fixed(2),
        memory_budget: 4 << 20,
        rate_limit: None,
        order: Order::HeadFirst,
        asks_modified: false,
        commit_bytes: 1 << 20,
        commit_interval: Duration::from_secs(1),
        journal_bytes: 64 << 10,
        seed: 1,
    };
    let mut now = Instant(Duration::ZERO);
    let mut transfer = Transfer::new(config, now);
    let mut states = BTreeMap::<ConnectionId, PeerState<File>>::new();
    let (mut disk, mut bytes, mut told) = (Disk::default(), 0, 0);
    for _ in 0..10_000 {
        match transfer.poll_output() {
            Some(Output::Connect { connection, .. }) => {
                states.insert(connection, PeerState::new(LIMITS, features::ZEROS));
                transfer.handle_opened(now, connection, false);
            }
            Some(Output::Send { connection, message }) => {
                for frame in answers(peer, states.get_mut(&connection).unwrap(), message) {
                    bytes += frame.len();
                    told += usize::from(matches!(ServerMessage::decode(frame.clone()), Ok(ServerMessage::Zeros(_))));
                    transfer.handle_frame(now, connection, frame);
                }
            }
            Some(Output::Disconnect { connection }) => drop(states.remove(&connection)),
            Some(Output::Store(request)) => transfer.handle_stored(now, disk.perform(request)),
            Some(_) => {}
            None if matches!(transfer.progress().phase, Phase::Complete | Phase::Failed) => break,
            None => {
                now = transfer.poll_timeout().expect("a transfer that is not at its end waits for something").max(now);
                transfer.handle_timeout(now);
            }
        }
    }
    (disk.data, transfer.progress().phase, Sent { bytes, told })
}

#[test]
fn a_transfer_gets_a_file_from_a_peer_that_is_no_server() {
    for size in [1, 8192, 8193, 3_000_000, 40_000_000] {
        let data: Vec<u8> = (0..size).map(|index: u32| (index.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        let peer = Peer::new(data.clone().into());
        let (stored, phase, _) = fetch(&peer, NAME);
        assert_eq!(phase, Phase::Complete, "{size}");
        assert!(stored == data, "{size}");
    }
}

#[test]
fn a_peer_gives_out_nothing_but_its_file() {
    let (stored, phase, _) = fetch(&Peer::new(Bytes::from_static(b"mine")), "secret");
    assert_eq!((stored, phase), (Vec::new(), Phase::Failed));
}

#[test]
fn zeros_are_told_and_not_sent() {
    const MIB: usize = 1 << 20;
    let mut data = vec![0; 30 * MIB + 5];
    data[..3 * MIB].fill(1);
    data[29 * MIB..].fill(2);
    let mut peer = Peer::new(data.clone().into());
    // A run has 256 KiB. The answer to one also covers zeros behind it, or the whole hole. The requests that are under
    // way by then, 4 MiB of them, have answers of their own.
    const RUNS: usize = 26 * 4;
    for (holes, most) in [(0..0, RUNS - 1), (3 * MIB as u64..29 * MIB as u64, 4 * 4 + 1)] {
        peer.holes = holes;
        let (stored, phase, Sent { bytes, told }) = fetch(&peer, NAME);
        assert_eq!(phase, Phase::Complete);
        assert!(stored == data);
        assert!(bytes < 5 * MIB, "{bytes} bytes were sent");
        assert!(told <= most, "{told} answers told zeros");
    }
}

#[test]
fn zeros_are_read_once() {
    const MIB: usize = 1 << 20;
    // Zeros to the end, and zeros before other bytes.
    for zeros in [3 * MIB..30 * MIB, 3 * MIB..29 * MIB] {
        let mut data = vec![1; 30 * MIB];
        data[zeros.clone()].fill(0);
        let peer = Peer::new(data.clone().into());
        for _again in 0..2 {
            let (stored, phase, _) = fetch(&peer, NAME);
            assert_eq!(phase, Phase::Complete);
            assert!(stored == data);
        }
        let block = BLOCK_SIZE as usize;
        let reads = &peer.reads.borrow()[zeros.start / block..zeros.end / block];
        assert!(reads.iter().all(|reads| *reads == 1), "a zero block was read {:?} times", reads.iter().max());
    }
}

#[test]
fn zeros_that_are_known_are_not_told_of_a_file_that_changed() {
    let peer = Peer::new(vec![0; 4 << 20].into());
    let ask = |first| {
        let read = Read::frame(1, BlockRun { first, count: 8 }, peer.file.size).unwrap().telling_zeros(true);
        perform(&peer, 1, Task::Read(peer.file.clone(), read)).now_or_never().unwrap()
    };
    assert!(matches!(ask(0), Ok(Outcome::Zeros(blocks)) if blocks == (0..512)));
    assert!(matches!(ask(8), Ok(Outcome::Zeros(_))));
    peer.has_changed.set(true);
    assert_eq!(ask(8).err().map(|refusal| refusal.code()), Some(ErrorCode::Changed));
}

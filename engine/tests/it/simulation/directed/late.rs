//! Answers that come late: of a hostile origin that was replaced meanwhile, and of a slow disk. Driven by hand, for no
//! scripted server is so patient.

use std::time::Duration;

use bytes::Bytes;
use wstp_engine::journal::{Recovered, replay};
use wstp_engine::{
    Config, ConnectionId, Connections, Instant, Order, Output, SourceConfig, SourceId, SourceKind, StoreReply,
    StoreRequest, Transfer,
};
use wstp_engine::{Phase, Problem};
use wstp_protocol::limits::{MAX_PAGE_NODES, MAX_RUN_BLOCKS};
use wstp_protocol::{
    BLOCK_SIZE, BlockRun, BlocksReply, BlocksRequest, ClientMessage, FileVersion, HashesRequest, Limits, OpenRequest,
    Opened, Pong, ServerMessage, SharePath, Stale, Welcome,
};

use super::{MIB, SECOND, SEED};
use crate::simulation::content::{Content, Edition};

/// A transfer from two sources, and what it said to each that is not answered yet.
struct Talk {
    transfer: Transfer,
    now: Instant,
    /// Connections of the first source, and of the second.
    connections: [Vec<ConnectionId>; 2],
    asked: Vec<(ConnectionId, BlocksRequest)>,
    opens: Vec<(ConnectionId, OpenRequest)>,
    pages: Vec<(ConnectionId, HashesRequest)>,
    /// The record.
    journal: Vec<u8>,
    /// The writes and reads that storage owes while it is slow.
    held: Option<Vec<StoreRequest>>,
}

impl Talk {
    fn begin() -> Self {
        Self::resume(Recovered::default(), None)
    }

    fn resume(recovered: Recovered, held: Option<Vec<StoreRequest>>) -> Self {
        let path = SharePath::parse("file").expect("a plain path");
        let source = |id| SourceConfig::new(SourceId(id), SourceKind::Wstp, path.clone());
        let config = Config {
            sources: vec![source(0), source(1)],
            agent: "test".to_owned(),
            connections: Connections::Fixed(4),
            memory_budget: 64 * MIB,
            rate_limit: None,
            order: Order::default(),
            asks_modified: false,
            commit_bytes: 16 * MIB,
            commit_interval: SECOND,
            journal_bytes: 64 << 10,
            seed: SEED,
        };
        let transfer = Transfer::resume(config, recovered, Instant(Duration::ZERO));
        Self {
            transfer,
            now: Instant(Duration::ZERO),
            connections: [Vec::new(), Vec::new()],
            asked: Vec::new(),
            opens: Vec::new(),
            pages: Vec::new(),
            journal: Vec::new(),
            held,
        }
    }

    fn store(&mut self, request: StoreRequest) {
        if let Some(held) = &mut self.held {
            return held.push(request);
        }
        let reply = match request {
            StoreRequest::Rehash { run, .. } => StoreReply::Hashes(vec![[7; 32]; run.count as usize]),
            StoreRequest::Commit { record } => {
                self.journal.extend(record);
                StoreReply::Done
            }
            _ => StoreReply::Done,
        };
        self.transfer.handle_stored(self.now, reply);
    }

    /// Does what the transfer wants; the servers welcome, and answer pings.
    fn settle(&mut self) {
        while let Some(output) = self.transfer.poll_output() {
            match output {
                Output::Connect { connection, source } => {
                    self.connections[source.0 as usize].push(connection);
                    self.transfer.handle_opened(self.now, connection, false);
                }
                Output::Send { connection, message } => match message {
                    ClientMessage::Hello(_) => self.say(connection, ServerMessage::Welcome(welcome())),
                    ClientMessage::Ping(ping) => self.say(connection, ServerMessage::Pong(Pong { nonce: ping.nonce })),
                    ClientMessage::Open(ask) => self.opens.push((connection, ask)),
                    ClientMessage::Blocks(ask) => self.asked.push((connection, ask)),
                    ClientMessage::Hashes(ask) => self.pages.push((connection, ask)),
                    _ => {}
                },
                Output::Disconnect { connection } => {
                    self.connections.iter_mut().for_each(|all| all.retain(|other| *other != connection));
                    self.asked.retain(|(other, _)| *other != connection);
                    self.opens.retain(|(other, _)| *other != connection);
                }
                Output::Store(request) => self.store(request),
                _ => {}
            }
        }
    }

    fn say(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.transfer.handle_frame(self.now, connection, message);
    }

    /// Opens on this source what waits to be opened.
    fn open(&mut self, source: usize, size: u64, version: u8, root: Option<[u8; 32]>) {
        let (of_source, others) =
            self.opens.drain(..).partition(|(connection, _)| self.connections[source].contains(connection));
        self.opens = others;
        let of_source: Vec<_> = of_source;
        for (connection, ask) in of_source {
            let version = FileVersion([version; 16]);
            self.say(connection, ServerMessage::Opened(Opened { id: ask.id, handle: 1, size, version, root }));
        }
        self.settle();
    }

    /// Answers one request for blocks of this source, as the file was when it was asked for.
    fn answer(&mut self, source: usize, size: u64) -> bool {
        self.answer_with(source, |run| {
            let length = run.byte_range(size).expect("it was asked for of this file").1;
            Bytes::from(vec![7; length as usize])
        })
    }

    /// Answers one request for blocks of this source with these bytes.
    fn answer_with(&mut self, source: usize, bytes: impl FnOnce(BlockRun) -> Bytes) -> bool {
        let of_source = |(connection, _): &(ConnectionId, _)| self.connections[source].contains(connection);
        let Some(place) = self.asked.iter().position(of_source) else { return false };
        let (connection, ask) = self.asked.remove(place);
        let data = bytes(ask.run);
        self.say(connection, ServerMessage::Blocks(BlocksReply { id: ask.id, run: ask.run, data }));
        self.settle();
        true
    }

    /// Sends all hashes that were asked for.
    fn prove(&mut self, content: &Content) {
        for (connection, ask) in std::mem::take(&mut self.pages) {
            let page = content.page(ask.id, ask.level, ask.first, ask.count).expect("a page of this file");
            self.say(connection, ServerMessage::HashPage(page));
        }
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.transfer.handle_timeout(self.now);
        self.settle();
    }
}

fn welcome() -> Welcome {
    let limits = Limits {
        requests: 64,
        handles: 64,
        run_blocks: MAX_RUN_BLOCKS,
        page_nodes: MAX_PAGE_NODES,
        idle_timeout_ms: 120_000,
    };
    Welcome { version: 1, features: 0, agent: "test".to_owned(), limits }
}

#[test]
fn an_answer_for_the_file_before_is_not_taken_for_one_of_the_file_after() {
    let short = 8 * BLOCK_SIZE - 1000;
    for size in [640 * BLOCK_SIZE, 4 * BLOCK_SIZE + 5] {
        let mut talk = Talk::begin();
        talk.settle();
        // The second source has another file, which nobody can tell before the first one has said which it is.
        talk.open(1, size, 2, Some([1; 32]));
        talk.open(0, short, 1, None);
        assert!(talk.asked.len() >= 2, "blocks are asked for before the root is known");
        for connection in talk.connections[0].clone() {
            talk.say(connection, ServerMessage::Stale(Stale { handle: 1 }));
        }
        talk.settle();
        // It takes the first one's place after a while, in which that one is not wholly silent.
        for second in 0..20 {
            talk.wait(SECOND);
            if second == 5 {
                assert!(talk.answer(0, short));
            }
        }
        assert_eq!(talk.transfer.progress().size, Some(size));
        assert!(talk.answer(0, short), "nothing was asked that is not answered");
        while talk.answer(0, short) {}
        let progress = talk.transfer.progress();
        assert!(progress.received + progress.verified <= size, "{progress:?}");
    }
}

#[test]
fn a_change_is_told_also_while_what_is_here_is_read_back() {
    let (size, grown) = (8 * BLOCK_SIZE, 9 * BLOCK_SIZE);
    let mut talk = Talk::begin();
    talk.settle();
    talk.open(0, size, 1, None);
    assert!(talk.answer(0, size));
    talk.wait(2 * SECOND);
    let (recovered, _) = replay([&talk.journal, &[]]);
    assert!(!recovered.received().is_empty());
    let mut talk = Talk::resume(recovered, Some(Vec::new()));
    talk.settle();
    talk.open(0, grown, 2, None);
    let held = talk.held.take().unwrap_or_default();
    held.into_iter().for_each(|request| talk.store(request));
    talk.settle();
    let progress = talk.transfer.progress();
    assert_eq!((progress.phase, progress.problem), (Phase::Failed, Some(Problem::Changed)));
}

#[test]
fn a_run_counts_although_its_first_blocks_came_from_another_source() {
    let content = Content::of(Edition { size: 64 * BLOCK_SIZE, number: 0 });
    let honest = |run| content.bytes(run).expect("a run of this file");
    let mut talk = Talk::begin();
    talk.settle();
    talk.open(0, content.size(), 1, Some(content.root));
    talk.prove(&content);
    // Everything comes but the last run.
    while talk.asked.len() > 1 || talk.transfer.requested().all(|run| run.end < 64) {
        assert!(talk.answer_with(0, honest));
    }
    talk.open(1, content.size(), 2, Some(content.root));
    talk.wait(SECOND);
    let [(_, first), (_, second)] = &talk.asked[..] else {
        panic!("the last run is asked for twice: {:?}", talk.asked)
    };
    assert_eq!(first.run, second.run);
    assert!(first.run.count > 1, "{first:?}");
    assert!(talk.answer_with(0, |run| {
        let mut bytes = honest(run).to_vec();
        bytes[BLOCK_SIZE as usize] ^= 1;
        bytes.into()
    }));
    let progress = talk.transfer.progress();
    assert_eq!(progress.verified, content.size() - BLOCK_SIZE);
    assert!(talk.answer_with(1, honest));
    let progress = talk.transfer.progress();
    assert_eq!((progress.verified, &progress.sources[1].problem), (content.size(), &None));
}

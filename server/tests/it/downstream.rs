//! A session whose client speaks over a WebSocket, while the server's frames come in a response.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use wstp_protocol::exchange::{BESIDE_WEBSOCKET, CONTENT_TYPE, Record, Records};
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{
    BLOCK_SIZE, BlockRun, BlocksRequest, ClientMessage, ErrorCode, Handle, OpenRequest, Ping, ServerMessage, SharePath,
    VERSIONS,
};
use wstp_server::store::MemoryStore;
use wstp_server::{Config, Control, Timeouts};

use crate::support::plain::{head, send};
use crate::support::{Client, Embedded, greeting, hello, sample, with_tokens};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const BLOCK: usize = BLOCK_SIZE as usize;

/// A response under way.
struct Downstream {
    stream: TcpStream,
    name: String,
    /// Bytes of the body whose chunks were not taken apart yet.
    raw: Vec<u8>,
    records: Records,
    next: u64,
}

fn request(fields: &[&str]) -> String {
    let (session, kind) = (format!("WSTP-Session: {BESIDE_WEBSOCKET}"), format!("Content-Type: {CONTENT_TYPE}"));
    let fields: Vec<_> = [&*session, &*kind, "Content-Length: 0"].iter().chain(fields).copied().collect();
    head("POST", "/ws", &fields)
}

impl Downstream {
    async fn begin(address: &str) -> Self {
        Self::begin_with(address, &[]).await
    }

    async fn begin_with(address: &str, fields: &[&str]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request(fields).as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        while !raw.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut raw).await.unwrap(), 0);
        }
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(raw[..end].to_vec()).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let name = head.lines().find_map(|line| line.strip_prefix("wstp-session: ")).unwrap().to_owned();
        raw.drain(..end + 4);
        Self { stream, name, raw, records: Records::new(MAX_SERVER_FRAME), next: 0 }
    }

    /// The next message; `None` once the response has ended.
    async fn next(&mut self) -> Option<ServerMessage> {
        loop {
            let line = self.raw.windows(2).position(|window| window == b"\r\n");
            let size =
                line.map(|line| usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap());
            if let (Some(line), Some(size)) = (line, size)
                && self.raw.len() >= line + size + 4
            {
                let chunk: Vec<_> = self.raw.drain(..line + size + 4).skip(line + 2).take(size).collect();
                if size == 0 {
                    return None;
                }
                // The server's chunks end where parts of its records do.
                match self.records.next(&chunk[..], &mut 0).unwrap() {
                    Some(Record::Frame(number, frame)) => {
                        assert_eq!(number, self.next);
                        self.next += 1;
                        return Some(ServerMessage::decode(frame).unwrap());
                    }
                    Some(Record::End) => panic!("such a response has no last record"),
                    None => continue,
                }
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.raw)).await.unwrap();
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

/// A session that was greeted.
async fn session(address: &str) -> (Client, Downstream) {
    claim(address, Downstream::begin(address).await).await
}

async fn claim(address: &str, mut downstream: Downstream) -> (Client, Downstream) {
    let mut client = Client::open(address, None).await.unwrap();
    client.send_raw(Message::text(&downstream.name)).await;
    client.send(&hello(VERSIONS)).await;
    assert!(matches!(downstream.next().await, Some(ServerMessage::Welcome(_))));
    (client, downstream)
}

async fn serving(blocks: usize, config: Config) -> (Embedded, Arc<Control>, Vec<u8>) {
    let (store, bytes) = (MemoryStore::default(), sample(blocks * BLOCK));
    store.put(&SharePath::parse("film").unwrap(), bytes.clone());
    let control = Arc::new(Control::new(config));
    (Embedded::of_store(control.clone(), Arc::new(store)).await, control, bytes)
}

fn blocks(handle: Handle, id: u32, first: u64, count: u32) -> ClientMessage {
    ClientMessage::Blocks(BlocksRequest { id, handle, run: BlockRun { first, count } })
}

async fn open(client: &mut Client, downstream: &mut Downstream) -> Handle {
    client.send(&ClientMessage::Open(OpenRequest { id: 1, path: SharePath::parse("film").unwrap() })).await;
    match downstream.next().await {
        Some(ServerMessage::Opened(opened)) => opened.handle,
        other => panic!("{other:?}"),
    }
}

async fn all_end(control: &Control) {
    let ended = async {
        while !control.sessions().list().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn a_file_comes_in_the_response_of_a_session_whose_requests_go_over_a_websocket() {
    let (server, control, bytes) = serving(96, Config::new("nowhere")).await;
    let (mut client, mut downstream) = session(server.address()).await;
    assert_eq!(control.sessions().list().len(), 1, "the two are one session");
    let handle = open(&mut client, &mut downstream).await;
    for run in 0..3 {
        client.send(&blocks(handle, 10 + run, u64::from(run) * 32, 32)).await;
    }
    client.send(&ClientMessage::Ping(Ping { nonce: 7 })).await;
    let (mut found, mut ponged) = (0, false);
    while found < 3 || !ponged {
        match downstream.next().await.unwrap() {
            ServerMessage::Blocks(reply) => {
                let start = reply.run.first as usize * BLOCK;
                assert_eq!(reply.data, bytes[start..start + 32 * BLOCK]);
                found += 1;
            }
            ServerMessage::Pong(pong) => ponged = pong.nonce == 7,
            ServerMessage::RootReady(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // A ping of the WebSocket's own is answered there, and nothing else is said there.
    client.send_raw(Message::Ping(vec![1].into())).await;
    assert_eq!(client.receive_raw().await, Message::Pong(vec![1].into()));
    // The last words come in the response, which then ends.
    client.send_frame(vec![0xff]).await;
    let failure = loop {
        match downstream.next().await.unwrap() {
            ServerMessage::Failure(failure) => break failure,
            ServerMessage::RootReady(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed));
    assert_eq!(downstream.next().await, None);
    assert!(matches!(client.receive_raw().await, Message::Close(_)));
    server.stop().await;
}

#[tokio::test]
async fn the_session_ends_with_either_of_the_two_and_gives_its_place_back() {
    let config = Config { max_connections: 1, ..Config::new("nowhere") };
    let (server, control, _) = serving(2000, config).await;
    // More than the buffers on the way take, and the client reads none of it.
    let (mut client, mut downstream) = session(server.address()).await;
    let handle = open(&mut client, &mut downstream).await;
    for run in 0..60 {
        client.send(&blocks(handle, 10 + run, u64::from(run) * 32, 32)).await;
    }
    assert!(matches!(downstream.next().await, Some(ServerMessage::Blocks(_) | ServerMessage::RootReady(_))));
    drop(downstream);
    all_end(&control).await;
    assert!(client.next().await.is_none());

    let (client, mut downstream) = session(server.address()).await;
    drop(client);
    while downstream.next().await.is_some() {}
    all_end(&control).await;

    let (mut client, mut downstream) = session(server.address()).await;
    assert!(control.sessions().end(control.sessions().list()[0].connection));
    assert!(matches!(downstream.next().await, Some(ServerMessage::Goodbye(_))));
    assert_eq!(downstream.next().await, None);
    assert!(client.next().await.is_none());
    all_end(&control).await;
    server.stop().await;
}

/// A text that is no claim ends the connection.
async fn is_refused(address: &str, first: Option<ClientMessage>, text: &str) {
    let mut client = Client::open(address, None).await.unwrap();
    if let Some(first) = first {
        client.send(&first).await;
        assert!(matches!(client.receive().await, ServerMessage::Welcome(_)));
    }
    client.send_raw(Message::text(text)).await;
    let ServerMessage::Failure(failure) = client.receive().await else { panic!("{text} is a breach") };
    assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed), "{text}");
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn a_name_counts_once_and_as_the_first_message_and_for_a_time() {
    let (server, _, _) = serving(1, Config::new("nowhere")).await;
    is_refused(server.address(), None, BESIDE_WEBSOCKET).await;
    is_refused(server.address(), None, "00000000000000000000000000000000").await;
    let downstream = Downstream::begin(server.address()).await;
    is_refused(server.address(), Some(hello(VERSIONS)), &downstream.name).await;
    let (_client, downstream) = claim(server.address(), downstream).await;
    is_refused(server.address(), None, &downstream.name).await;
    server.stop().await;

    let timeouts = Timeouts { handshake: Duration::from_millis(50), ..Timeouts::default() };
    let (server, _, _) = serving(1, Config { timeouts, ..Config::new("nowhere") }).await;
    let mut unclaimed = Downstream::begin(server.address()).await;
    assert_eq!(unclaimed.next().await, None, "nobody named it in time");
    is_refused(server.address(), None, &unclaimed.name).await;
    server.stop().await;
}

#[tokio::test]
async fn only_those_who_may_open_a_websocket_get_a_response_for_one() {
    let (server, _, _) = serving(1, Config::new("nowhere")).await;
    let evil = send(server.address(), request(&["Origin: http://evil.example"])).await;
    assert_eq!((evil.status, evil.header("wstp-session")), (403, None));
    let simple = head("POST", "/ws", &[&format!("WSTP-Session: {BESIDE_WEBSOCKET}"), "Content-Length: 0"]);
    assert_eq!(send(server.address(), simple).await.status, 415);
    let records = head(
        "POST",
        "/ws",
        &[&format!("WSTP-Session: {BESIDE_WEBSOCKET}"), &format!("Content-Type: {CONTENT_TYPE}"), "Content-Length: 13"],
    );
    let body = [&wstp_protocol::exchange::record_header(1, 0)[..], &[9]].concat();
    assert_eq!(send(server.address(), [records.as_bytes(), &body].concat()).await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_response_belongs_to_the_caller_that_asked_for_it() {
    const ANNA: &str = "Authorization: Bearer anna";
    let server = Embedded::of_store(with_tokens(&["anna", "ben"]), Arc::new(MemoryStore::default())).await;
    for fields in [&[][..], &["Authorization: Bearer eve"]] {
        let refused = send(server.address(), request(fields)).await;
        assert_eq!((refused.status, refused.header("wstp-session")), (401, None));
    }
    for (token, is_let_in) in [("anna", true), ("ben", false)] {
        let mut downstream = Downstream::begin_with(server.address(), &[ANNA]).await;
        let mut client = Client::open(server.address(), None).await.unwrap();
        client.send_raw(Message::text(&downstream.name)).await;
        client.send(&greeting(Some(token))).await;
        match downstream.next().await {
            Some(ServerMessage::Welcome(_)) => assert!(is_let_in),
            Some(ServerMessage::Failure(failure)) => {
                assert_eq!((failure.code, is_let_in), (ErrorCode::Unauthorized, false));
                assert_eq!(downstream.next().await, None);
            }
            other => panic!("{token}: {other:?}"),
        }
    }
    server.stop().await;
}

//! The protocol over HTTP exchanges, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_protocol::exchange::{CONTENT_TYPE, InOrder, MAX_REQUEST_BODY, Record, Records, record_header};
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{
    BLOCK_SIZE, BlockRun, BlocksRequest, ClientMessage, Close, ErrorCode, OpenRequest, Opened, Ping, ServerMessage,
    SharePath, VERSIONS,
};
use wstp_server::accounts::{Accounts, BookError};
use wstp_server::store::MemoryStore;
use wstp_server::{Config, Control};

use crate::support::plain::{Reply, head, send};
use crate::support::{Client, Embedded, Folder, Server, greeting, hello, sample, with_tokens};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const BLOCK: usize = BLOCK_SIZE as usize;

/// A session over HTTP, with a new TCP connection for each exchange.
struct Session {
    address: String,
    name: Option<String>,
    /// A whole line of the head.
    credential: Option<&'static str>,
    next: u64,
    received: InOrder,
}

/// The end of an exchange.
#[derive(Debug)]
struct Exchanged {
    reply: Reply,
    /// The messages in their order.
    messages: Vec<ServerMessage>,
    goes_on: bool,
}

impl Session {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), name: None, credential: None, next: 0, received: InOrder::new(1 << 24) }
    }

    /// A session that was greeted.
    async fn begin(address: &str) -> Self {
        let mut session = Self::new(address);
        let welcomed = session.exchange(&[hello(VERSIONS)]).await;
        assert!(matches!(welcomed.messages[..], [ServerMessage::Welcome(_)]), "{:?}", welcomed.messages);
        assert!(welcomed.goes_on);
        session
    }

    fn body(&mut self, messages: &[ClientMessage]) -> Vec<u8> {
        let mut body = Vec::new();
        for message in messages {
            let frame = message.encode();
            body.extend(record_header(frame.len(), self.next));
            body.extend(frame);
            self.next += 1;
        }
        body
    }

    fn request(&self, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![format!("Content-Type: {CONTENT_TYPE}"), format!("Content-Length: {}", body.len())];
        fields.extend(self.name.iter().map(|name| format!("WSTP-Session: {name}")));
        fields.extend(self.credential.map(str::to_owned));
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        [head("POST", "/ws", &fields).as_bytes(), body].concat()
    }

    async fn exchange(&mut self, messages: &[ClientMessage]) -> Exchanged {
        let body = self.body(messages);
        self.send(&body).await
    }

    async fn send(&mut self, body: &[u8]) -> Exchanged {
        let reply = tokio::time::timeout(PATIENCE, send(&self.address, self.request(body))).await.unwrap();
        let (mut messages, mut goes_on) = (Vec::new(), false);
        if reply.status == 200 {
            self.name = self.name.take().or_else(|| reply.header("wstp-session").map(str::to_owned));
            let (mut records, mut position) = (Records::new(MAX_SERVER_FRAME), 0);
            while let Some(record) = records.next(&reply.body[..], &mut position).unwrap() {
                match record {
                    Record::Frame(number, frame) => self.received.put(number, frame).unwrap(),
                    Record::End => goes_on = true,
                }
            }
            while let Some(frame) = self.received.take() {
                messages.push(ServerMessage::decode(frame).unwrap());
            }
        }
        Exchanged { reply, messages, goes_on }
    }

    async fn open(&mut self, path: &str) -> Opened {
        let open = OpenRequest { id: 1, path: SharePath::parse(path).unwrap() };
        let mut opened = self.exchange(&[ClientMessage::Open(open)]).await;
        match opened.messages.remove(0) {
            ServerMessage::Opened(opened) => opened,
            other => panic!("{other:?}"),
        }
    }
}

fn blocks(opened: &Opened, id: u32, first: u64, count: u32) -> ClientMessage {
    ClientMessage::Blocks(BlocksRequest { id, handle: opened.handle, run: BlockRun { first, count } })
}

#[tokio::test]
async fn a_file_comes_by_exchanges_and_its_root_with_one_that_asks_for_nothing() {
    let folder = Folder::new();
    let bytes = sample(100 * BLOCK);
    folder.file("film", &bytes);
    let server = Server::start(folder.path()).await;
    let mut session = Session::begin(server.address()).await;
    let opened = session.open("film").await;
    let runs: Vec<_> = (0..3).map(|run| blocks(&opened, 10 + run, u64::from(run) * 32, 32)).collect();
    let fetched = session.exchange(&runs).await;
    assert!(fetched.goes_on);
    let reply = &fetched.reply;
    assert_eq!(reply.header("content-type"), Some(CONTENT_TYPE));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!(reply.header("cache-control"), Some("no-store, no-transform"));
    let mut root = opened.root;
    let mut found = 0;
    for message in fetched.messages {
        match message {
            ServerMessage::Blocks(reply) => {
                let start = reply.run.first as usize * BLOCK;
                assert_eq!(reply.data, bytes[start..start + 32 * BLOCK]);
                found += 1;
            }
            ServerMessage::RootReady(ready) => root = Some(ready.root),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(found, 3);
    while root.is_none() {
        for message in session.exchange(&[]).await.messages {
            let ServerMessage::RootReady(ready) = message else { panic!("{message:?}") };
            root = Some(ready.root);
        }
    }
    assert_eq!(root, Some(*blake3::hash(&bytes).as_bytes()));
    let closed = session.exchange(&[ClientMessage::Close(Close { handle: opened.handle })]).await;
    assert!(closed.goes_on && closed.messages.is_empty());
}

#[tokio::test]
async fn only_those_who_may_open_a_websocket_may_begin_an_exchange() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let mut session = Session::new(server.address());
    let body = session.body(&[hello(VERSIONS)]);
    let length = format!("Content-Length: {}", body.len());
    let with = async |fields: &[&str]| {
        let fields: Vec<_> = fields.iter().copied().chain([length.as_str()]).collect();
        send(server.address(), [head("POST", "/ws", &fields).as_bytes(), &body].concat()).await
    };
    const TYPE: &str = "Content-Type: application/x-wstp";
    // The second one is the host of these requests.
    for origin in ["chrome-extension://abcdefghijklmnopabcdefghijklmnop", "http://127.0.0.1"] {
        let reply = with(&[TYPE, &format!("Origin: {origin}")]).await;
        assert_eq!(reply.status, 200, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert_eq!(reply.header("access-control-expose-headers"), Some("wstp-session"));
        let asked = ["Access-Control-Request-Method: POST", &format!("Origin: {origin}")];
        let reply = send(server.address(), head("OPTIONS", "/ws", &asked)).await;
        assert_eq!(reply.header("access-control-allow-headers"), Some("authorization, content-type, wstp-session"));
    }
    for origin in ["http://evil.example", "null", "http://localhost"] {
        let reply = with(&[TYPE, &format!("Origin: {origin}")]).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None), "{origin}");
        let reply = send(server.address(), head("OPTIONS", "/ws", &[&format!("Origin: {origin}")])).await;
        assert_eq!((reply.status, reply.header("access-control-allow-headers")), (403, None), "{origin}");
    }
    // A form or a simple request of a page can have these types.
    for simple in ["Content-Type: text/plain", "Content-Type: multipart/form-data", "Accept: */*"] {
        assert_eq!(with(&[simple]).await.status, 415, "{simple}");
    }
    for name in ["", "0", "00000000000000000000000000000000"] {
        assert_eq!(with(&[TYPE, &format!("WSTP-Session: {name}")]).await.status, 410, "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_ends_the_session_and_nothing_else() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let ping = |nonce| ClientMessage::Ping(Ping { nonce });
    for wrong in [vec![1], record_header(1 << 20, 1).to_vec(), [&record_header(1, 0)[..], &[9]].concat()] {
        let mut session = Session::begin(server.address()).await;
        let length = wrong.len();
        let is_repeated = length > 12;
        assert_eq!(session.send(&wrong).await.reply.status, 400, "{length}");
        let after = session.exchange(&[ping(1)]).await;
        assert_eq!(after.reply.status, if is_repeated { 410 } else { 200 }, "{length}");
    }
    let mut session = Session::begin(server.address()).await;
    assert_eq!(session.send(&vec![0; MAX_REQUEST_BODY + 1]).await.reply.status, 413);
    assert!(session.exchange(&[ping(2)]).await.goes_on);

    // A frame that is none, and a second greeting, are told as over a WebSocket.
    for frame in [vec![0xff], hello(VERSIONS).encode()] {
        let mut session = Session::begin(server.address()).await;
        let body = [&record_header(frame.len(), 1)[..], &frame].concat();
        let told = session.send(&body).await;
        let [ServerMessage::Failure(failure)] = &told.messages[..] else { panic!("{:?}", told.messages) };
        assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed));
        assert!(!told.goes_on);
    }
    let asked = Session::new(server.address()).send(&[]).await.reply;
    assert_eq!((asked.status, asked.header("wstp-session")), (204, None), "it only asks whether exchanges are served");
    Client::connect(server.address()).await;
}

#[tokio::test]
async fn a_session_belongs_to_the_caller_that_began_it() {
    const ANNA: &str = "Authorization: Bearer anna";
    const BEN: &str = "Authorization: Bearer ben";
    let control = with_tokens(&["anna", "ben"]);
    let store = MemoryStore::default();
    store.put(&SharePath::parse("film").unwrap(), sample(BLOCK));
    let server = Embedded::of_store(control.clone(), Arc::new(store)).await;
    let begin = async |credential, token: Option<&str>| {
        let mut session = Session { credential, ..Session::new(server.address()) };
        let greeted = session.exchange(&[greeting(token)]).await;
        (session, greeted)
    };
    for (credential, token) in [(None, None), (None, Some("eve")), (Some(ANNA), Some("ben"))] {
        let (_, greeted) = begin(credential, token).await;
        let [ServerMessage::Failure(failure)] = &greeted.messages[..] else { panic!("{:?}", greeted.messages) };
        assert_eq!((failure.code, greeted.goes_on), (ErrorCode::Unauthorized, false), "{credential:?} {token:?}");
    }
    for (credential, token) in [(Some(ANNA), Some("anna")), (Some(ANNA), None), (None, Some("anna"))] {
        let (mut session, greeted) = begin(credential, token).await;
        assert!(matches!(greeted.messages[..], [ServerMessage::Welcome(_)]), "{credential:?} {token:?}");
        for other in [None, Some(ANNA), Some(BEN)].into_iter().filter(|other| *other != credential) {
            session.credential = other;
            assert_eq!(session.exchange(&[]).await.reply.status, 410, "{other:?}");
            let name = format!("WSTP-Session: {}", session.name.as_deref().unwrap());
            let fields: Vec<_> = [&*name].into_iter().chain(other).collect();
            assert_eq!(send(server.address(), head("DELETE", "/ws", &fields)).await.status, 410, "{other:?}");
        }
        session.credential = credential;
        session.open("film").await;
    }
    // A token that is revoked ends the session with the words of the protocol, and not with a status.
    let (mut session, _) = begin(Some(ANNA), Some("anna")).await;
    let revoke = |accounts: &mut Accounts| {
        accounts.tokens.clear();
        Ok::<_, BookError>(())
    };
    control.callers().book().update(revoke).unwrap();
    control.review();
    let last = session.exchange(&[]).await;
    let [ServerMessage::Failure(failure)] = &last.messages[..] else { panic!("{last:?}") };
    assert_eq!((failure.id, failure.code, last.goes_on), (None, ErrorCode::Unauthorized, false));
    server.stop().await;
}

#[tokio::test]
async fn exchanges_at_once_overtake_each_other_and_stay_in_order() {
    let folder = Folder::new();
    folder.file("film", &sample(100 * BLOCK));
    let server = Server::start(folder.path()).await;
    let mut session = Session::begin(server.address()).await;
    let opened = session.open("film").await;
    let first = session.body(&[blocks(&opened, 10, 0, 32), blocks(&opened, 11, 32, 32)]);
    let second = session.body(&[blocks(&opened, 12, 64, 32)]);
    // The server has to wait for the first request before it can answer the second.
    let mut overtaking = TcpStream::connect(server.address()).await.unwrap();
    overtaking.write_all(&session.request(&second)).await.unwrap();
    let mut head = [0; 12];
    overtaking.read_exact(&mut head).await.unwrap();
    let mut messages = session.send(&first).await.messages;
    let mut rest = Vec::new();
    overtaking.read_to_end(&mut rest).await.unwrap();
    let reply = Reply::parse(&[&head[..], &rest].concat());
    let (mut records, mut position) = (Records::new(MAX_SERVER_FRAME), 0);
    while let Some(Record::Frame(number, frame)) = records.next(&reply.body[..], &mut position).unwrap() {
        session.received.put(number, frame).unwrap();
    }
    assert!(records.has_ended());
    messages.extend(std::iter::from_fn(|| session.received.take()).map(|frame| ServerMessage::decode(frame).unwrap()));
    messages.retain(|message| matches!(message, ServerMessage::Blocks(_)));
    assert_eq!(messages.len(), 3, "{messages:?}");
}

#[tokio::test]
async fn a_cut_response_and_a_farewell_end_the_session_and_free_its_seat() {
    let (store, path) = (MemoryStore::default(), SharePath::parse("film").unwrap());
    store.put(&path, sample(2000 * BLOCK));
    let control = Arc::new(Control::new(Config { max_connections: 1, ..Config::new("nowhere") }));
    let server = Embedded::of_store(control.clone(), Arc::new(store)).await;
    let is_free = async || {
        while !control.sessions().list().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let mut session = Session::begin(server.address()).await;
    let view = control.sessions().list().remove(0);
    assert_eq!(control.callers().of_address([127, 0, 0, 1].into()).holds().seats, 1);
    let busy = Session::new(server.address()).exchange(&[hello(VERSIONS)]).await;
    let [ServerMessage::Failure(failure)] = &busy.messages[..] else { panic!("{:?}", busy.messages) };
    assert_eq!((failure.code, busy.goes_on), (ErrorCode::Busy, false));

    // More than the buffers on the way take.
    let opened = session.open("film").await;
    assert_eq!(control.sessions().list()[0].transfers[0].0, path);
    let runs: Vec<_> = (0..60).map(|run| blocks(&opened, 10 + run, u64::from(run) * 32, 32)).collect();
    let body = session.body(&runs);
    let mut cut = TcpStream::connect(server.address()).await.unwrap();
    cut.write_all(&session.request(&body)).await.unwrap();
    cut.read_exact(&mut [0; 1000]).await.unwrap();
    drop(cut);
    tokio::time::timeout(PATIENCE, is_free()).await.unwrap();
    assert_eq!(session.exchange(&[]).await.reply.status, 410);

    let session = Session::begin(server.address()).await;
    assert_ne!(control.sessions().list()[0].connection, view.connection);
    let name = format!("WSTP-Session: {}", session.name.as_deref().unwrap());
    assert_eq!(send(server.address(), head("DELETE", "/ws", &[&name])).await.status, 204);
    tokio::time::timeout(PATIENCE, is_free()).await.unwrap();

    let mut session = Session::begin(server.address()).await;
    assert!(control.sessions().end(control.sessions().list()[0].connection));
    let last = session.exchange(&[]).await;
    assert!(!last.goes_on);
    tokio::time::timeout(PATIENCE, is_free()).await.unwrap();
    server.stop().await;
}

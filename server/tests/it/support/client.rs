//! A client of the protocol, one request at a time unless told otherwise.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wstp_protocol::tree::{Tree, verify_page};
use wstp_protocol::*;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection from one of this machine's addresses.
pub async fn connect_from(own: &str, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
    // A path may follow.
    let address = address.split('/').next().unwrap();
    socket.connect(address.parse().unwrap()).await.unwrap()
}

/// A connected client.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: RequestId,
    /// Messages that came while another was waited for.
    aside: VecDeque<ServerMessage>,
    /// Roots that were told after their file was opened.
    roots: HashMap<Handle, Hash>,
}

impl Client {
    /// Opens the WebSocket and nothing more.
    pub async fn open(address: &str, origin: Option<&str>) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket, next_id: 1, aside: VecDeque::new(), roots: HashMap::new() })
    }

    /// Opens the WebSocket from one of this machine's addresses.
    pub async fn open_from(own: &str, address: &str) -> Self {
        let stream = MaybeTlsStream::Plain(connect_from(own, address).await);
        let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await.unwrap();
        Self { socket, next_id: 1, aside: VecDeque::new(), roots: HashMap::new() }
    }

    /// Opens the WebSocket from one of this machine's addresses, and greets.
    pub async fn connect_from(own: &str, address: &str) -> Self {
        let mut client = Self::open_from(own, address).await;
        client.hello().await;
        client
    }

    /// Opens the WebSocket and greets.
    pub async fn connect(address: &str) -> Self {
        let mut client = Self::open(address, None).await.unwrap();
        client.hello().await;
        client
    }

    /// Greets.
    pub async fn hello(&mut self) -> Welcome {
        self.send(&hello(VERSIONS)).await;
        match self.receive().await {
            ServerMessage::Welcome(welcome) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Greets with the features of a newer client, and takes what it is told right away.
    pub async fn hello_with(&mut self, features: u64) -> (Welcome, Option<Mirrors>) {
        let ClientMessage::Hello(hello) = hello(VERSIONS) else { panic!("a greeting is a hello") };
        self.send(&ClientMessage::Hello(Hello { features, ..hello })).await;
        self.send(&ClientMessage::Ping(Ping { nonce: 0 })).await;
        let ServerMessage::Welcome(welcome) = self.receive().await else { panic!("no welcome") };
        match self.receive().await {
            ServerMessage::Mirrors(mirrors) => (welcome, Some(mirrors)),
            ServerMessage::Pong(_) => (welcome, None),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &ClientMessage) {
        self.send_frame(message.encode()).await;
    }

    /// Sends raw bytes as a frame.
    pub async fn send_frame(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::Binary(frame.into())).await.unwrap();
    }

    /// Sends any WebSocket message.
    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next WebSocket message, whatever it is.
    pub async fn receive_raw(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next message; `None` once the server closed the connection.
    pub async fn next(&mut self) -> Option<ServerMessage> {
        if let Some(message) = self.aside.pop_front() {
            return Some(message);
        }
        self.next_from_socket().await
    }

    async fn next_from_socket(&mut self) -> Option<ServerMessage> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the server says something") {
                Some(Ok(Message::Binary(frame))) => return Some(ServerMessage::decode(frame).unwrap()),
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next message.
    pub async fn receive(&mut self) -> ServerMessage {
        self.next().await.expect("the connection is open")
    }

    /// The first message, of those to come and those put aside, for which `pick` gives something.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(&ServerMessage) -> Option<T>) -> T {
        if let Some((place, found)) =
            self.aside.iter().enumerate().find_map(|(place, message)| Some((place, pick(message)?)))
        {
            self.aside.remove(place);
            return found;
        }
        loop {
            let message = self.next_from_socket().await.expect("the connection is open");
            match pick(&message) {
                Some(found) => return found,
                None => self.aside.push_back(message),
            }
        }
    }

    /// A new request id.
    pub fn id(&mut self) -> RequestId {
        self.next_id += 1;
        self.next_id
    }

    /// The answer to a request.
    pub async fn answer(&mut self, id: RequestId) -> Result<ServerMessage, Failure> {
        self.find(|message| match message {
            ServerMessage::Failure(failure) if failure.id == Some(id) => Some(Err(failure.clone())),
            message if answers(message) == Some(id) => Some(Ok(message.clone())),
            _ => None,
        })
        .await
    }

    /// Lists a page.
    pub async fn list_page(&mut self, path: &str, cursor: Option<String>, limit: u32) -> Result<Listing, Failure> {
        let id = self.id();
        self.send(&ClientMessage::List(ListRequest { id, path: SharePath::parse(path).unwrap(), cursor, limit })).await;
        match self.answer(id).await? {
            ServerMessage::Listing(listing) => Ok(listing),
            other => panic!("{other:?}"),
        }
    }

    /// Lists a whole folder.
    pub async fn list(&mut self, path: &str) -> Result<Vec<Entry>, Failure> {
        let (mut entries, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.list_page(path, cursor, limits::MAX_LIST_ENTRIES).await?;
            entries.extend(page.entries);
            match page.next {
                None => return Ok(entries),
                next => cursor = next,
            }
        }
    }

    /// The paths of all files that a search finds beneath a folder.
    pub async fn search(&mut self, path: &str, words: &str) -> Result<Vec<SharePath>, Failure> {
        let (path, mut found, mut cursor) = (SharePath::parse(path).unwrap(), Vec::new(), None);
        loop {
            let (id, words, limit) = (self.id(), words.to_owned(), limits::MAX_LIST_ENTRIES);
            self.send(&ClientMessage::Search(SearchRequest { id, path: path.clone(), words, cursor, limit })).await;
            let ServerMessage::Search(SearchReply { hits, next, .. }) = self.answer(id).await? else {
                panic!("something else than hits")
            };
            let files = hits.into_iter().filter(|hit| hit.entry.kind == EntryKind::File);
            let of_hit = |hit: Hit| path.append(&hit.folder).unwrap().join(&hit.entry.name).unwrap();
            found.extend(files.map(of_hit));
            match next {
                None => return Ok(found),
                next => cursor = next,
            }
        }
    }

    /// Asks about one entry.
    pub async fn stat(&mut self, path: &str) -> Result<Entry, Failure> {
        let id = self.id();
        self.send(&ClientMessage::Stat(StatRequest { id, path: SharePath::parse(path).unwrap() })).await;
        match self.answer(id).await? {
            ServerMessage::Stat(reply) => Ok(reply.entry),
            other => panic!("{other:?}"),
        }
    }

    /// Opens a file.
    pub async fn open_file(&mut self, path: &str) -> Result<Opened, Failure> {
        let id = self.id();
        self.send(&ClientMessage::Open(OpenRequest { id, path: SharePath::parse(path).unwrap() })).await;
        match self.answer(id).await? {
            ServerMessage::Opened(opened) => Ok(opened),
            other => panic!("{other:?}"),
        }
    }

    /// Asks for blocks without waiting for them.
    pub async fn ask_blocks(&mut self, handle: Handle, first: u64, count: u32) -> RequestId {
        let id = self.id();
        self.send(&ClientMessage::Blocks(BlocksRequest { id, handle, run: BlockRun { first, count } })).await;
        id
    }

    /// Fetches blocks.
    pub async fn blocks(&mut self, handle: Handle, first: u64, count: u32) -> Result<Bytes, Failure> {
        let id = self.ask_blocks(handle, first, count).await;
        match self.answer(id).await? {
            ServerMessage::Blocks(reply) => {
                assert_eq!(reply.run, BlockRun { first, count });
                Ok(reply.data)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Fetches a page of hashes.
    pub async fn hashes(&mut self, handle: Handle, level: u8, first: u64, count: u32) -> Result<HashPage, Failure> {
        let id = self.id();
        self.send(&ClientMessage::Hashes(HashesRequest { id, handle, level, first, count })).await;
        match self.answer(id).await? {
            ServerMessage::HashPage(page) => Ok(page),
            other => panic!("{other:?}"),
        }
    }

    /// Asks for small files without waiting for them.
    pub async fn ask_bundle(&mut self, path: &str, names: &[&str]) -> RequestId {
        let id = self.id();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(&ClientMessage::Bundle(BundleRequest { id, path: SharePath::parse(path).unwrap(), names })).await;
        id
    }

    /// Fetches small files, as many as the server gives at once.
    pub async fn bundle(&mut self, path: &str, names: &[&str]) -> Result<Vec<Bundled>, Failure> {
        let id = self.ask_bundle(path, names).await;
        match self.answer(id).await? {
            ServerMessage::Bundle(reply) => {
                assert!((1..=names.len()).contains(&reply.files.len()));
                Ok(reply.files)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The root of an open file, waiting for it if need be.
    pub async fn root(&mut self, opened: &Opened) -> Hash {
        if let Some(root) = opened.root.or_else(|| self.roots.get(&opened.handle).copied()) {
            return root;
        }
        let root = self.root_ready(opened.handle).await;
        self.roots.insert(opened.handle, root);
        root
    }

    /// The next notice that a root is known.
    pub async fn root_ready(&mut self, handle: Handle) -> Hash {
        self.find(|message| match message {
            ServerMessage::RootReady(ready) if ready.handle == handle => Some(ready.root),
            _ => None,
        })
        .await
    }

    /// Fetches a page and checks it.
    pub async fn verified_page(&mut self, opened: &Opened, level: u8, first: u64, count: u32) -> HashPage {
        let root = self.root(opened).await;
        let page = self.hashes(opened.handle, level, first, count).await.unwrap();
        verify_page(Tree::of_size(opened.size), &root, (level, first, count), &page.nodes, &page.uncles).unwrap();
        page
    }

    /// Fetches a whole file.
    pub async fn fetch(&mut self, path: &str) -> Vec<u8> {
        let opened = self.open_file(path).await.unwrap();
        let blocks = block_count(opened.size);
        let mut bytes = Vec::new();
        for first in (0..blocks).step_by(limits::MAX_RUN_BLOCKS as usize) {
            let count = (blocks - first).min(u64::from(limits::MAX_RUN_BLOCKS)) as u32;
            bytes.extend_from_slice(&self.blocks(opened.handle, first, count).await.unwrap());
        }
        bytes
    }
}

/// A greeting.
pub fn hello((min_version, max_version): (u16, u16)) -> ClientMessage {
    ClientMessage::Hello(Hello { min_version, max_version, features: 0, agent: "test".to_owned(), token: None })
}

/// A greeting with a token.
pub fn greeting(token: Option<&str>) -> ClientMessage {
    let (min_version, max_version) = VERSIONS;
    let token = token.map(str::to_owned);
    ClientMessage::Hello(Hello { min_version, max_version, features: 0, agent: "test".to_owned(), token })
}

fn answers(message: &ServerMessage) -> Option<RequestId> {
    match message {
        ServerMessage::Listing(reply) => Some(reply.id),
        ServerMessage::Stat(reply) => Some(reply.id),
        ServerMessage::Search(reply) => Some(reply.id),
        ServerMessage::Opened(reply) => Some(reply.id),
        ServerMessage::Blocks(reply) => Some(reply.id),
        ServerMessage::Zeros(reply) => Some(reply.id),
        ServerMessage::HashPage(reply) => Some(reply.id),
        ServerMessage::Bundle(reply) => Some(reply.id),
        ServerMessage::Compressed(reply) => Some(reply.id),
        _ => None,
    }
}

/// Connects until there is a seat.
pub async fn seat_comes_free(address: &str) {
    loop {
        let mut client = Client::open(address, None).await.unwrap();
        client.send(&hello(VERSIONS)).await;
        if matches!(client.receive().await, ServerMessage::Welcome(_)) {
            return;
        }
    }
}

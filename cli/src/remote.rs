//! One connection to a server for looking at it: listing, describing, hashes. One request at a time.
//!
//! Everything has a time limit, in which nothing may arrive; but a server that is alive may take as long as it needs to hash a file.

use std::time::Duration;

use tokio::sync::mpsc;
use wstp_engine::Incoming;
use wstp_engine::session::{Event, Reply, Request, Session};
use wstp_protocol::limits::{MAX_LIST_ENTRIES, MAX_PAGE_NODES};
use wstp_protocol::tree::{Tree, verify_page};
use wstp_protocol::{
    ClientMessage, Close, Entry, ErrorCode, Handle, Hash, Listing, Opened, Ping, RootReady, SharePath, features,
};

use crate::AGENT;
use crate::address::Address;
use crate::exit::Failure;
use crate::socket::{Happening, Socket};
use crate::words::{astray, not_wstp, refused, silent};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// How often a server that hashes is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(15);

/// A connection whose handshake is done.
pub struct Remote {
    label: String,
    socket: Socket,
    happenings: mpsc::Receiver<((), Happening)>,
    session: Session<()>,
    /// The last root that was told before anybody waited for it.
    ready: Option<RootReady>,
    stale: Option<Handle>,
}

/// A file that is open on a connection.
#[derive(Clone, Copy, Debug)]
pub struct OpenFile {
    handle: Handle,
    /// Bytes.
    pub size: u64,
    /// Its BLAKE3 hash.
    pub root: Hash,
}

impl Remote {
    /// Connects, once.
    ///
    /// # Errors
    ///
    /// When nobody answers in time, or not as a WSTP server does.
    pub async fn connect(address: &Address) -> Result<Self, Failure> {
        let label = address.label();
        let remote = Self::begin(address);
        let arrivals = remote.socket.arrivals().clone();
        arrivals.wait(CONNECT_PATIENCE, remote.greet()).await.unwrap_or_else(|| Err(silent(&label)))
    }

    fn begin(address: &Address) -> Self {
        let (sender, happenings) = mpsc::channel(1);
        Self {
            label: address.label(),
            socket: Socket::connect(address.clone(), (), sender),
            happenings,
            session: Session::default(),
            ready: None,
            stale: None,
        }
    }

    async fn greet(mut self) -> Result<Self, Failure> {
        self.send(&Session::<()>::hello(AGENT, None, features::LINKS))?;
        loop {
            let frame = self.next_frame().await?;
            if matches!(self.read(frame)?, Some(Event::Welcome)) {
                return Ok(self);
            }
        }
    }

    /// What to call the server.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Describes what stands at a path.
    ///
    /// # Errors
    ///
    /// When there is nothing, or the server is lost.
    pub async fn stat(&mut self, path: SharePath) -> Result<Entry, Failure> {
        match self.request(Request::Stat { path }).await? {
            Reply::Stat(reply) => Ok(reply.entry),
            _ => Err(self.confused()),
        }
    }

    /// A page of a folder.
    ///
    /// # Errors
    ///
    /// When it is no folder, or the server is lost.
    pub async fn list(&mut self, path: SharePath, cursor: Option<String>) -> Result<Listing, Failure> {
        match self.request(Request::List { path, cursor, limit: MAX_LIST_ENTRIES }).await? {
            Reply::Listing(listing) => Ok(listing),
            _ => Err(self.confused()),
        }
    }

    /// Opens a file; its hash may not be known yet.
    ///
    /// # Errors
    ///
    /// When it is no file, or the server is lost.
    pub async fn open(&mut self, path: SharePath) -> Result<Opened, Failure> {
        match self.request(Request::Open { path: path.clone() }).await {
            Ok(Reply::Opened(opened)) => Ok(opened),
            Ok(_) => Err(self.confused()),
            Err(failure) => Err(self.explain(path, failure).await),
        }
    }

    /// Why the server does not serve a path, in better words where a link is to blame.
    pub async fn explain(&mut self, path: SharePath, failure: Failure) -> Failure {
        if !matches!(failure.refusal, Some(ErrorCode::Forbidden | ErrorCode::NotFound)) {
            return failure;
        }
        let kind = self.stat(path).await.map(|entry| entry.kind);
        kind.ok().and_then(|kind| astray(kind, failure.refusal, &self.label)).unwrap_or(failure)
    }

    /// Has the server close a file. Nothing is answered.
    ///
    /// # Errors
    ///
    /// When the server takes nothing any more.
    pub fn close(&mut self, opened: &Opened) -> Result<(), Failure> {
        (self.ready, self.stale) = (None, None);
        self.send(&ClientMessage::Close(Close { handle: opened.handle }))
    }

    /// Waits until the hash of an open file is known.
    ///
    /// # Errors
    ///
    /// When the file changes meanwhile, or the server is lost.
    pub async fn hashed(&mut self, opened: &Opened) -> Result<OpenFile, Failure> {
        let of_file = |ready: &RootReady| ready.handle == opened.handle;
        let mut root = opened.root.or_else(|| self.ready.filter(of_file).map(|ready| ready.root));
        let arrivals = self.socket.arrivals().clone();
        let mut pinged = false;
        while root.is_none() {
            match arrivals.wait(PING_EVERY, self.next_frame()).await {
                Some(frame) => {
                    self.read(frame?)?;
                    pinged = false;
                }
                None if pinged => return Err(silent(&self.label)),
                None => {
                    self.send(&ClientMessage::Ping(Ping { nonce: 0 }))?;
                    pinged = true;
                }
            }
            if self.stale == Some(opened.handle) {
                return Err(refused(wstp_protocol::ErrorCode::Changed, "", &self.label));
            }
            root = self.ready.filter(of_file).map(|ready| ready.root);
        }
        let root = root.ok_or_else(|| self.confused())?;
        Ok(OpenFile { handle: opened.handle, size: opened.size, root })
    }

    /// Nodes of a file's hash tree, proved against its root: `count` of them from `first` on, less what lies past the end.
    ///
    /// # Errors
    ///
    /// When the server lies, the file changed, or the server is lost.
    pub async fn hashes(&mut self, file: &OpenFile, level: u8, first: u64, count: u32) -> Result<Vec<Hash>, Failure> {
        let request = Request::Hashes { handle: file.handle, level, first, count };
        let Reply::HashPage(page) = self.request(request).await? else { return Err(self.confused()) };
        let tree = Tree::of_size(file.size);
        verify_page(tree, &file.root, (level, first, count), &page.nodes, &page.uncles)
            .map_err(|error| not_wstp(&self.label, error))?;
        Ok(page.nodes)
    }

    /// Most nodes the server gives at once: a power of two.
    #[must_use]
    pub fn page_nodes(&self) -> u32 {
        self.session.limits().map_or(1, |limits| limits.page_nodes.clamp(1, MAX_PAGE_NODES))
    }

    async fn request(&mut self, request: Request) -> Result<Reply, Failure> {
        let message = self.session.request(request, ());
        self.send(&message)?;
        let label = self.label.clone();
        let arrivals = self.socket.arrivals().clone();
        arrivals.wait(ANSWER_PATIENCE, self.answer()).await.unwrap_or_else(|| Err(silent(&label)))
    }

    async fn answer(&mut self) -> Result<Reply, Failure> {
        loop {
            let frame = self.next_frame().await?;
            match self.read(frame)? {
                Some(Event::Reply { reply: Reply::Failure(failure), .. }) => {
                    return Err(refused(failure.code, &failure.text, &self.label));
                }
                Some(Event::Reply { reply, .. }) => return Ok(reply),
                _ => {}
            }
        }
    }

    /// Reads a frame; notices are put aside.
    fn read(&mut self, frame: Incoming) -> Result<Option<Event<()>>, Failure> {
        match self.session.handle_frame(frame).map_err(|error| not_wstp(&self.label, error))? {
            Event::Refused(failure) => Err(refused(failure.code, &failure.text, &self.label)),
            Event::Goodbye(_) => Err(refused(wstp_protocol::ErrorCode::ShuttingDown, "", &self.label)),
            Event::RootReady(ready) => {
                self.ready = Some(ready);
                Ok(None)
            }
            Event::Stale(stale) => {
                self.stale = Some(stale.handle);
                Ok(None)
            }
            event => Ok(Some(event)),
        }
    }

    async fn next_frame(&mut self) -> Result<Incoming, Failure> {
        loop {
            match self.happenings.recv().await {
                Some((_, Happening::Opened)) => {}
                Some((_, Happening::Came(frame))) => return Ok(frame),
                Some((_, Happening::Closed(failure))) => return Err(failure),
                None => return Err(silent(&self.label)),
            }
        }
    }

    fn send(&self, message: &ClientMessage) -> Result<(), Failure> {
        self.socket.send(message).map_err(|_| silent(&self.label))
    }

    fn confused(&self) -> Failure {
        not_wstp(&self.label, "it answered something else than was asked")
    }
}

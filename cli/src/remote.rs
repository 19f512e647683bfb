//! One connection to a server for looking at it: listing, describing, hashes. One request at a time.
//!
//! Each answer has a time limit that begins anew when bytes arrive. A server that is alive may hash a file for as long
//! as it needs.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use wstp_engine::Incoming;
use wstp_engine::peer::{Due, Event, Patience, Peer, Reply, Request};
use wstp_protocol::limits::{MAX_LIST_ENTRIES, MAX_PAGE_NODES};
use wstp_protocol::tree::{Tree, verify_page};
use wstp_protocol::{
    ClientMessage, Entry, ErrorCode, Handle, Hash, Listing, Opened, RootReady, SearchReply, SharePath, features,
};

use crate::AGENT;
use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::carrier::{Carrier, Happening};
use crate::credentials;
use crate::exit::{Code, Failure};
use crate::words::{astray, not_wstp, refused, silent};

/// 10 s for the connection and as long for the welcome, 30 s for an answer. A server that hashes has to answer a ping
/// every 15 s.
const PATIENCE: Patience = Patience::fixed(Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(15));
/// Longest sleep; nothing is due later than a ping.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A connection whose handshake is done.
pub struct Remote {
    label: String,
    socket: Carrier,
    happenings: mpsc::Receiver<((), Happening)>,
    peer: Peer<()>,
    began: Instant,
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
        let mut remote = Self::begin(address);
        while remote.peer.welcome().is_none() {
            remote.next_event().await?;
        }
        Ok(remote)
    }

    fn begin(address: &Address) -> Self {
        let (sender, happenings) = mpsc::channel(1);
        let credential = credentials::of(address);
        Self {
            label: address.host_and_port(),
            socket: Carrier::connect(address.clone(), (), sender),
            happenings,
            peer: Peer::new(
                wstp_engine::Instant::default(),
                AGENT,
                credential.as_ref(),
                features::LINKS | features::SEARCH,
                PATIENCE,
            ),
            began: Instant::now(),
            ready: None,
            stale: None,
        }
    }

    /// The name to show for the server.
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

    /// Some hits of a search beneath a folder.
    ///
    /// # Errors
    ///
    /// When it is no folder, the server can't search, or it is lost.
    pub async fn search(
        &mut self,
        path: SharePath,
        words: String,
        cursor: Option<String>,
    ) -> Result<SearchReply, Failure> {
        if self.peer.welcome().is_none_or(|welcome| welcome.features & features::SEARCH == 0) {
            let what = format!("{} is too old to search.", self.label);
            return Err(Failure::new(Code::Failed, what, "List its folders with `wstp ls`."));
        }
        match self.request(Request::Search { path, words, cursor, limit: MAX_LIST_ENTRIES }).await? {
            Reply::Search(reply) => Ok(reply),
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
        kind.ok().and_then(|kind| astray(kind, failure.refusal)).unwrap_or(failure)
    }

    /// Has the server close a file. Nothing is answered.
    ///
    /// # Errors
    ///
    /// When the server takes nothing any more.
    pub fn close(&mut self, opened: &Opened) -> Result<(), Failure> {
        (self.ready, self.stale) = (None, None);
        let message = self.peer.close(self.now(), opened.handle);
        self.send(&message)
    }

    /// Waits until the hash of an open file is known.
    ///
    /// # Errors
    ///
    /// When the file changes meanwhile, or the server is lost.
    pub async fn hashed(&mut self, opened: &Opened) -> Result<OpenFile, Failure> {
        let of_file = |ready: &RootReady| ready.handle == opened.handle;
        let mut root = opened.root.or_else(|| self.ready.filter(of_file).map(|ready| ready.root));
        while root.is_none() {
            self.next_event().await?;
            if self.stale == Some(opened.handle) {
                return Err(refused(wstp_protocol::ErrorCode::Changed, "", &self.label));
            }
            root = self.ready.filter(of_file).map(|ready| ready.root);
        }
        let root = root.ok_or_else(|| self.confused())?;
        Ok(OpenFile { handle: opened.handle, size: opened.size, root })
    }

    /// Nodes of a file's hash tree, proved against its root: `count` of them from `first` on, less what lies past the
    /// end.
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
        self.peer.limits().map_or(1, |limits| limits.page_nodes.clamp(1, MAX_PAGE_NODES))
    }

    async fn request(&mut self, request: Request) -> Result<Reply, Failure> {
        let message = self.peer.request(self.now(), request, ());
        self.send(&message)?;
        loop {
            match self.next_event().await? {
                Event::Reply { reply: Reply::Failure(failure), .. } => {
                    return Err(refused(failure.code, &failure.text, &self.label));
                }
                Event::Reply { reply, .. } => return Ok(reply),
                _ => {}
            }
        }
    }

    /// Waits for the next event. The wait ends when the peer loses patience.
    async fn next_event(&mut self) -> Result<Event<()>, Failure> {
        loop {
            let due = self.peer.poll_timeout(0).map(|at| self.began + (at - wstp_engine::Instant::default()));
            let due = due.unwrap_or_else(|| Instant::now() + LONGEST_SLEEP);
            match timeout_at(due, self.happenings.recv()).await {
                Err(_) => self.expire()?,
                Ok(None) => return Err(silent(&self.label)),
                Ok(Some((_, Happening::Opened { takes_early }))) => {
                    if let Some(greeting) = self.peer.handle_opened(self.now(), takes_early) {
                        self.send(&greeting)?;
                    }
                }
                Ok(Some((_, Happening::Came(incoming)))) => return self.read(incoming),
                Ok(Some((_, Happening::Closed(failure)))) => return Err(failure),
            }
        }
    }

    /// Nothing whole came for long.
    fn expire(&mut self) -> Result<(), Failure> {
        let now = self.now();
        match due(&mut self.peer, self.socket.arrivals(), now) {
            Some(Due::Ping(ping)) => self.send(&ping),
            Some(Due::Stalled) => Err(silent(&self.label)),
            None => Ok(()),
        }
    }

    /// Reads what came, and remembers notices about open files.
    fn read(&mut self, incoming: Incoming) -> Result<Event<()>, Failure> {
        let event = self.peer.handle_frame(self.now(), incoming).map_err(|error| not_wstp(&self.label, error))?;
        match &event {
            Event::Refused(failure) => return Err(refused(failure.code, &failure.text, &self.label)),
            Event::Goodbye(_) => return Err(refused(ErrorCode::ShuttingDown, "", &self.label)),
            Event::RootReady(ready) => self.ready = Some(*ready),
            Event::Stale(stale) => self.stale = Some(stale.handle),
            _ => {}
        }
        Ok(event)
    }

    fn now(&self) -> wstp_engine::Instant {
        wstp_engine::Instant(self.began.elapsed())
    }

    fn send(&self, message: &ClientMessage) -> Result<(), Failure> {
        self.socket.send(message).map_err(|_| silent(&self.label))
    }

    fn confused(&self) -> Failure {
        not_wstp(&self.label, "it answered something else than was asked")
    }
}

/// Does what the peer's time asks for. Bytes of an answer show that the server is alive.
fn due(peer: &mut Peer<()>, arrivals: &Arrivals, now: wstp_engine::Instant) -> Option<Due> {
    if arrivals.go_on() {
        peer.handle_bytes(now);
    }
    peer.handle_timeout(now, 0)
}

#[cfg(test)]
mod tests {
    use wstp_protocol::{Limits, ServerMessage, Welcome};

    use super::*;

    #[test]
    fn an_answer_whose_bytes_come_is_waited_for() {
        let at = |seconds| wstp_engine::Instant(Duration::from_secs(seconds));
        let mut peer = Peer::new(at(0), AGENT, None, features::LINKS | features::SEARCH, PATIENCE);
        assert!(peer.handle_opened(at(0), false).is_some());
        let limits = Limits { requests: 1, handles: 1, run_blocks: 1, page_nodes: 1, idle_timeout_ms: 600_000 };
        let welcome = Welcome { version: 1, features: 0, agent: "s".to_owned(), limits };
        peer.handle_frame(at(0), ServerMessage::Welcome(welcome)).unwrap();
        peer.request(at(0), Request::Stat { path: SharePath::root() }, ());
        let arrivals = Arrivals::default();
        for round in 1..10 {
            arrivals.add(1);
            assert_ne!(due(&mut peer, &arrivals, at(10 * round)), Some(Due::Stalled));
        }
        assert_eq!(due(&mut peer, &arrivals, at(120)), Some(Due::Stalled));
    }
}

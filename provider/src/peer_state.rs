//! The state of one peer: its open files, its requests, and the requests it may send. Every table is bounded.
//!
//! Invariant: each request that was begun is answered exactly once, by [`PeerState::finish`].

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use wstp_protocol::tree::Tree;
use wstp_protocol::{
    BlocksRequest, ClientMessage, ErrorCode, Handle, Hash, HashPage, HashesRequest, Limits, ListRequest, OpenRequest,
    Opened, Pong, RequestId, RootReady, ServerMessage, Stale, StatReply, StatRequest, Zeros, features,
};

use crate::{Bundle, OfferedFile, Outcome, Read, Refusal, Task};

/// A peer after its handshake. `F` is a file that it has open.
#[derive(Debug)]
pub struct PeerState<F> {
    limits: Limits,
    features: u64,
    is_stopping: bool,
    requests: HashMap<RequestId, UnderWay>,
    handles: HashMap<Handle, F>,
    /// Handles that ended because their file changed, oldest first: requests that crossed the notice get the right
    /// error.
    stale: VecDeque<Handle>,
    next_handle: Handle,
}

#[derive(Debug)]
struct UnderWay {
    handle: Option<Handle>,
    /// Why its outcome is not wanted any more.
    ended: Option<ErrorCode>,
}

/// The consequence of a peer's message.
#[derive(Debug)]
pub enum Step<F> {
    /// Nothing is to be done.
    Nothing,
    /// This is to be said.
    Send(ServerMessage),
    /// This is to be [performed](crate::perform), and then [finished](PeerState::finish).
    Begin(RequestId, Task<F>),
    /// The outcome of these requests is not wanted any more: they may be finished at once, with any outcome. A handle
    /// may have been given back with them.
    End(Vec<RequestId>, Option<(Handle, F)>),
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer<F> {
    /// The frame.
    pub frame: Bytes,
    /// The file that was opened, and the hash that the peer was told.
    pub opened: Option<(Handle, F, Option<Hash>)>,
    /// The handle whose file turned out to be another one: see [`PeerState::change`].
    pub changed: Option<Handle>,
}

/// The peer does not speak the protocol; its connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl<F: OfferedFile + Clone> PeerState<F> {
    /// A peer that was told these limits and agreed on these features, and has asked for nothing yet.
    #[must_use]
    pub fn new(limits: Limits, features: u64) -> Self {
        Self {
            limits,
            features,
            is_stopping: false,
            requests: HashMap::new(),
            handles: HashMap::new(),
            stale: VecDeque::new(),
            next_handle: 1,
        }
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether a handle is open.
    #[must_use]
    pub fn is_open(&self, handle: Handle) -> bool {
        self.handles.contains_key(&handle)
    }

    /// Refuses every further request.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Takes a message of the peer.
    ///
    /// # Errors
    /// When no peer may say this now.
    pub fn handle_message(&mut self, message: ClientMessage) -> Result<Step<F>, Malformed> {
        let (id, handle, task) = match message {
            ClientMessage::Hello(_) => return Err(Malformed("a second greeting")),
            ClientMessage::Ping(ping) => return Ok(Step::Send(ServerMessage::Pong(Pong { nonce: ping.nonce }))),
            ClientMessage::Cancel(cancel) => return Ok(self.cancel(cancel.id)),
            ClientMessage::Close(close) => return Ok(self.close(close.handle)),
            ClientMessage::Bundle(_) if !self.has(features::BUNDLES) => {
                return Err(Malformed("a bundle that was not agreed on"));
            }
            ClientMessage::Bundle(request) => {
                (request.id, None, Ok(Task::Fill(Bundle::new(request).compressing(self.has(features::COMPRESSED)))))
            }
            ClientMessage::Search(_) if !self.has(features::SEARCH) => {
                return Err(Malformed("a search that was not agreed on"));
            }
            ClientMessage::Search(request) => (request.id, None, Ok(Task::Search(request))),
            ClientMessage::List(ListRequest { id, path, cursor, limit }) => {
                (id, None, Ok(Task::List(path, cursor, limit)))
            }
            ClientMessage::Stat(StatRequest { id, path }) => (id, None, Ok(Task::Stat(path))),
            ClientMessage::Open(OpenRequest { id, path }) => (id, None, Ok(Task::Open(path))),
            ClientMessage::Blocks(request) => (request.id, Some(request.handle), self.blocks(request)),
            ClientMessage::Hashes(request) => (request.id, Some(request.handle), self.hashes(request)),
        };
        Ok(match self.admits(id).map_err(Refusal::from).and(task) {
            Ok(task) => {
                self.requests.insert(id, UnderWay { handle, ended: None });
                Step::Begin(id, task)
            }
            Err(refusal) => Step::Send(ServerMessage::Failure(refusal.failure(Some(id)))),
        })
    }

    /// Makes the answer to a request of what came of it.
    ///
    /// # Panics
    /// When the request was not begun, or was finished before: then there is no one to answer.
    pub fn finish(&mut self, id: RequestId, outcome: Result<Outcome<F>, Refusal>) -> Answer<F> {
        let request = self.requests.remove(&id).expect("a request is begun before it is finished, and finished once");
        let outcome = request.ended.map_or(outcome, |code| Err(code.into()));
        let mut opened = None;
        let frame = outcome.and_then(|outcome| {
            let message = match outcome {
                Outcome::Frame(frame) => return Ok(frame),
                Outcome::Listed(page) => ServerMessage::Listing(page.listing(id, self.features)),
                Outcome::Found(hits) => ServerMessage::Search(hits.reply(id, self.features)),
                Outcome::Stat(mut entry) => {
                    entry.kind = entry.kind.known_with(self.features);
                    ServerMessage::Stat(StatReply { id, entry })
                }
                Outcome::Hashes(nodes, uncles) => ServerMessage::HashPage(HashPage { id, nodes, uncles }),
                Outcome::Zeros(blocks) => {
                    ServerMessage::Zeros(Zeros { id, first: blocks.start, count: blocks.end - blocks.start })
                }
                Outcome::Opened(file) => {
                    let (size, version, root) = (file.size(), file.version(), file.root());
                    let handle = self.open(file.clone())?;
                    opened = Some((handle, file, root));
                    ServerMessage::Opened(Opened { id, handle, size, version, root })
                }
            };
            Ok(message.encode().into())
        });
        match frame {
            Ok(frame) => Answer { frame, opened, changed: None },
            Err(refusal) => Answer {
                frame: ServerMessage::Failure(refusal.failure(Some(id))).encode().into(),
                opened: None,
                changed: request.handle.filter(|_| refusal.code() == ErrorCode::Changed),
            },
        }
    }

    /// The hash of an open file became known: the notice for the peer, if it still has it open.
    #[must_use]
    pub fn root_ready(&self, handle: Handle, root: Hash) -> Option<ServerMessage> {
        self.is_open(handle).then_some(ServerMessage::RootReady(RootReady { handle, root }))
    }

    /// The file of a handle changed. The handle is closed, and its requests end; what is to be said, and what may be
    /// dropped early. `None` where it is not open any more.
    pub fn change(&mut self, handle: Handle) -> Option<(ServerMessage, Vec<RequestId>)> {
        self.handles.remove(&handle)?;
        if self.stale.len() >= self.limits.handles as usize {
            self.stale.pop_front();
        }
        self.stale.push_back(handle);
        Some((ServerMessage::Stale(Stale { handle }), self.end_requests(handle, ErrorCode::Changed)))
    }

    /// Closes every handle; what was open. Requests under way are still to be finished.
    pub fn clear(&mut self) -> Vec<F> {
        for request in self.requests.values_mut() {
            request.ended.get_or_insert(ErrorCode::Cancelled);
        }
        self.handles.drain().map(|(_, file)| file).collect()
    }

    fn admits(&self, id: RequestId) -> Result<(), ErrorCode> {
        match () {
            () if self.is_stopping => Err(ErrorCode::ShuttingDown),
            () if self.requests.contains_key(&id) => Err(ErrorCode::DuplicateId),
            () if self.requests.len() >= self.limits.requests as usize => Err(ErrorCode::Busy),
            () => Ok(()),
        }
    }

    fn blocks(&self, request: BlocksRequest) -> Result<Task<F>, Refusal> {
        let file = self.file(request.handle)?;
        if request.run.count > self.limits.run_blocks {
            return Err(ErrorCode::OutOfRange.into());
        }
        let read = Read::frame(request.id, request.run, file.size())?;
        let read = read.telling_zeros(self.has(features::ZEROS)).compressing(self.has(features::COMPRESSED));
        Ok(Task::Read(file, read))
    }

    fn hashes(&self, request: HashesRequest) -> Result<Task<F>, Refusal> {
        let HashesRequest { handle, level, first, count, .. } = request;
        let file = self.file(handle)?;
        let is_there =
            count <= self.limits.page_nodes && Tree::of_size(file.size()).covered(level, first, count).is_some();
        if is_there { Ok(Task::Hashes(file, (level, first, count))) } else { Err(ErrorCode::OutOfRange.into()) }
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    fn file(&self, handle: Handle) -> Result<F, ErrorCode> {
        match self.handles.get(&handle) {
            Some(file) => Ok(file.clone()),
            None if self.stale.contains(&handle) => Err(ErrorCode::Changed),
            None => Err(ErrorCode::BadHandle),
        }
    }

    fn open(&mut self, file: F) -> Result<Handle, ErrorCode> {
        if self.handles.len() >= self.limits.handles as usize {
            return Err(ErrorCode::Busy);
        }
        while self.handles.contains_key(&self.next_handle) || self.stale.contains(&self.next_handle) {
            self.next_handle = self.next_handle.wrapping_add(1);
        }
        let handle = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(1);
        self.handles.insert(handle, file);
        Ok(handle)
    }

    fn cancel(&mut self, id: RequestId) -> Step<F> {
        let Some(request) = self.requests.get_mut(&id) else { return Step::Nothing };
        request.ended.get_or_insert(ErrorCode::Cancelled);
        Step::End(vec![id], None)
    }

    fn close(&mut self, handle: Handle) -> Step<F> {
        let file = self.handles.remove(&handle);
        Step::End(self.end_requests(handle, ErrorCode::Cancelled), file.map(|file| (handle, file)))
    }

    fn end_requests(&mut self, handle: Handle, reason: ErrorCode) -> Vec<RequestId> {
        let on_it = self.requests.iter_mut().filter(|(_, request)| request.handle == Some(handle));
        on_it
            .map(|(id, request)| {
                request.ended.get_or_insert(reason);
                *id
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::KnownZeros;
    use wstp_protocol::limits::{MAX_PAGE_NODES, MAX_RUN_BLOCKS};
    use wstp_protocol::{BLOCK_SIZE, BlockRun, BundleRequest, Cancel, Close, FileVersion, Ping, SharePath};

    const SIZE: u64 = 100 * BLOCK_SIZE;

    #[derive(Clone, Debug, PartialEq)]
    struct File;

    impl OfferedFile for File {
        fn size(&self) -> u64 {
            SIZE
        }

        fn version(&self) -> FileVersion {
            FileVersion([1; 16])
        }

        fn root(&self) -> Option<Hash> {
            None
        }

        fn known_zeros(&self) -> &KnownZeros {
            static KNOWN: LazyLock<KnownZeros> = LazyLock::new(KnownZeros::default);
            &KNOWN
        }
    }

    fn peer(features: u64) -> PeerState<File> {
        let limits = Limits {
            requests: 3,
            handles: 2,
            run_blocks: MAX_RUN_BLOCKS,
            page_nodes: MAX_PAGE_NODES,
            idle_timeout_ms: 1,
        };
        PeerState::new(limits, features)
    }

    fn open(peer: &mut PeerState<File>, id: RequestId) -> Answer<File> {
        let request = ClientMessage::Open(OpenRequest { id, path: SharePath::root() });
        assert!(matches!(peer.handle_message(request).unwrap(), Step::Begin(begun, Task::Open(_)) if begun == id));
        peer.finish(id, Ok(Outcome::Opened(File)))
    }

    fn blocks(id: RequestId, handle: Handle, first: u64) -> ClientMessage {
        ClientMessage::Blocks(BlocksRequest { id, handle, run: BlockRun { first, count: 1 } })
    }

    fn refused(step: Step<File>) -> ErrorCode {
        match step {
            Step::Send(ServerMessage::Failure(failure)) => failure.code,
            other => panic!("{other:?}"),
        }
    }

    fn failure(answer: &Answer<File>) -> ErrorCode {
        match ServerMessage::decode(answer.frame.clone()).unwrap() {
            ServerMessage::Failure(failure) => failure.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_more_is_begun_than_was_agreed_on() {
        let mut peer = peer(0);
        let (handle, ..) = open(&mut peer, 1).opened.unwrap();
        for id in 1..=3 {
            assert!(matches!(peer.handle_message(blocks(id, handle, 0)).unwrap(), Step::Begin(..)));
        }
        assert_eq!(refused(peer.handle_message(blocks(3, handle, 0)).unwrap()), ErrorCode::DuplicateId);
        assert_eq!(refused(peer.handle_message(blocks(4, handle, 0)).unwrap()), ErrorCode::Busy);
        peer.finish(2, Ok(Outcome::Frame(Bytes::new())));
        assert!(matches!(peer.handle_message(blocks(2, handle, 0)).unwrap(), Step::Begin(..)));
        peer.stop();
        assert_eq!(refused(peer.handle_message(blocks(4, handle, 0)).unwrap()), ErrorCode::ShuttingDown);
        assert!(matches!(peer.handle_message(ClientMessage::Ping(Ping { nonce: 7 })).unwrap(), Step::Send(_)));
    }

    #[test]
    fn nothing_is_read_outside_of_an_open_file() {
        let mut peer = peer(0);
        assert_eq!(refused(peer.handle_message(blocks(1, 1, 0)).unwrap()), ErrorCode::BadHandle);
        let (handle, ..) = open(&mut peer, 1).opened.unwrap();
        assert_eq!(refused(peer.handle_message(blocks(1, handle, 100)).unwrap()), ErrorCode::OutOfRange);
        assert_eq!(refused(peer.handle_message(blocks(1, handle, u64::MAX)).unwrap()), ErrorCode::OutOfRange);
        for (level, first, count) in [(0, 128, 1), (0, 0, 3), (0, 1, 2), (200, 0, 1)] {
            let request = ClientMessage::Hashes(HashesRequest { id: 1, handle, level, first, count });
            assert_eq!(refused(peer.handle_message(request).unwrap()), ErrorCode::OutOfRange);
        }
        let at_end = peer.handle_message(blocks(1, handle, 99)).unwrap();
        let Step::Begin(1, Task::Read(File, read)) = at_end else { panic!("{at_end:?}") };
        assert_eq!((read.offset(), read.end()), (99 * BLOCK_SIZE, SIZE));
    }

    #[test]
    fn handles_are_bounded_and_not_given_twice() {
        let mut peer = peer(0);
        let (first, ..) = open(&mut peer, 1).opened.unwrap();
        let (second, ..) = open(&mut peer, 1).opened.unwrap();
        assert_ne!(first, second);
        assert_eq!(failure(&open(&mut peer, 1)), ErrorCode::Busy);
        let closed = peer.handle_message(ClientMessage::Close(Close { handle: first })).unwrap();
        assert!(matches!(closed, Step::End(_, Some((handle, File))) if handle == first));
        let (third, ..) = open(&mut peer, 1).opened.unwrap();
        assert!(third != first && third != second);
        assert_eq!(peer.clear().len(), 2);
    }

    #[test]
    fn a_request_that_was_ended_is_answered_with_the_reason() {
        let mut peer = peer(0);
        let (handle, ..) = open(&mut peer, 1).opened.unwrap();
        peer.handle_message(blocks(1, handle, 0)).unwrap();
        let ended = peer.handle_message(ClientMessage::Cancel(Cancel { id: 1 })).unwrap();
        assert!(matches!(ended, Step::End(ids, None) if ids == [1]));
        assert_eq!(failure(&peer.finish(1, Ok(Outcome::Frame(Bytes::new())))), ErrorCode::Cancelled);
        assert!(peer.is_idle());
        assert!(matches!(peer.handle_message(ClientMessage::Cancel(Cancel { id: 1 })).unwrap(), Step::Nothing));
        // A file that is opened for nobody gets no handle.
        let request = ClientMessage::Open(OpenRequest { id: 2, path: SharePath::root() });
        peer.handle_message(request).unwrap();
        peer.handle_message(ClientMessage::Cancel(Cancel { id: 2 })).unwrap();
        assert!(peer.finish(2, Ok(Outcome::Opened(File))).opened.is_none());
        assert_eq!(peer.clear().len(), 1);
    }

    #[test]
    fn a_change_ends_the_handle_once_and_its_requests_say_so() {
        let mut peer = peer(0);
        let (handle, ..) = open(&mut peer, 1).opened.unwrap();
        peer.handle_message(blocks(1, handle, 0)).unwrap();
        peer.handle_message(blocks(2, handle, 0)).unwrap();
        let answer = peer.finish(1, Err(ErrorCode::Changed.into()));
        assert_eq!((failure(&answer), answer.changed), (ErrorCode::Changed, Some(handle)));
        let (notice, ended) = peer.change(handle).unwrap();
        assert_eq!((notice, ended), (ServerMessage::Stale(Stale { handle }), vec![2]));
        assert_eq!(failure(&peer.finish(2, Ok(Outcome::Frame(Bytes::new())))), ErrorCode::Changed);
        assert!(peer.change(handle).is_none());
        assert_eq!(refused(peer.handle_message(blocks(1, handle, 0)).unwrap()), ErrorCode::Changed);
    }

    #[test]
    fn a_bundle_has_to_be_agreed_on() {
        let request = BundleRequest { id: 1, path: SharePath::root(), names: vec!["a".to_owned()] };
        let request = ClientMessage::Bundle(request);
        assert!(peer(0).handle_message(request.clone()).is_err());
        let begun = peer(features::BUNDLES).handle_message(request).unwrap();
        assert!(matches!(begun, Step::Begin(1, Task::Fill(_))));
    }
}

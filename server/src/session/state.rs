//! The state of one connection: open files, requests under way, and the tasks that belong to them.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{AbortHandle, AbortRegistration};
use tokio_util::task::AbortOnDropHandle;
use wstp_protocol::{Handle, RequestId, ServerMessage};
use wstp_provider::{Answer, Outcome, PeerState, Refusal};

use crate::hashing::OpenFile;

/// The tables of a connection.
pub struct State {
    /// Requests and handles.
    pub peer: PeerState<Arc<OpenFile>>,
    works: HashMap<RequestId, AbortHandle>,
    /// They tell the client what becomes of its open files.
    followers: HashMap<Handle, AbortOnDropHandle<()>>,
}

impl State {
    /// Nothing open, nothing under way.
    pub fn new(peer: PeerState<Arc<OpenFile>>) -> Self {
        Self { peer, works: HashMap::new(), followers: HashMap::new() }
    }

    /// A request was begun; its work is aborted once its outcome is not wanted any more.
    pub fn begin(&mut self, id: RequestId) -> AbortRegistration {
        let (handle, registration) = AbortHandle::new_pair();
        self.works.insert(id, handle);
        registration
    }

    /// The answer to a request.
    pub fn finish(&mut self, id: RequestId, outcome: Result<Outcome<Arc<OpenFile>>, Refusal>) -> Answer<Arc<OpenFile>> {
        self.works.remove(&id);
        self.peer.finish(id, outcome)
    }

    /// Aborts the work on requests whose outcome is not wanted any more.
    pub fn abort(&self, ids: &[RequestId]) {
        ids.iter().filter_map(|id| self.works.get(id)).for_each(AbortHandle::abort);
    }

    /// Has `follower` run for as long as the handle is open.
    pub fn follow(&mut self, handle: Handle, follower: AbortOnDropHandle<()>) {
        if self.peer.is_open(handle) {
            self.followers.insert(handle, follower);
        }
    }

    /// A handle was given back.
    pub fn unfollow(&mut self, handle: Handle) {
        self.followers.remove(&handle);
    }

    /// The file of a handle changed: what is to be said. The follower is to be dropped once that is said: it may be the
    /// one who says it.
    pub fn change(&mut self, handle: Handle) -> Option<(ServerMessage, Option<AbortOnDropHandle<()>>)> {
        let (notice, ended) = self.peer.change(handle)?;
        self.abort(&ended);
        Some((notice, self.followers.remove(&handle)))
    }

    /// Ends everything; what was open.
    pub fn clear(&mut self) -> Vec<Arc<OpenFile>> {
        self.works.values().for_each(AbortHandle::abort);
        self.followers.clear();
        self.peer.clear()
    }
}

//! What one connection has open and under way. No I/O; every table is bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use wstp_protocol::{ErrorCode, Handle, RequestId};

use crate::hashing::OpenFile;

/// Handles and requests of one connection.
pub struct State {
    max_requests: usize,
    max_handles: usize,
    requests: HashMap<RequestId, UnderWay>,
    handles: HashMap<Handle, Open>,
    /// Handles that ended because their file changed, oldest first: requests that crossed the notice get the right error.
    stale: VecDeque<Handle>,
    next_handle: Handle,
}

struct UnderWay {
    handle: Option<Handle>,
    end: oneshot::Sender<ErrorCode>,
}

/// An open handle.
pub struct Open {
    file: Arc<OpenFile>,
    /// Tells the client what becomes of the file; ends with the handle.
    follower: Option<AbortOnDropHandle<()>>,
}

impl State {
    /// Nothing open, nothing under way.
    pub fn new(max_requests: u32, max_handles: u32) -> Self {
        Self {
            max_requests: max_requests as usize,
            max_handles: max_handles as usize,
            requests: HashMap::new(),
            handles: HashMap::new(),
            stale: VecDeque::new(),
            next_handle: 1,
        }
    }

    /// Begins a request; the receiver yields the reason if it is to end early.
    ///
    /// # Errors
    /// [`ErrorCode::DuplicateId`] or [`ErrorCode::Busy`].
    pub fn begin(&mut self, id: RequestId, handle: Option<Handle>) -> Result<oneshot::Receiver<ErrorCode>, ErrorCode> {
        if self.requests.contains_key(&id) {
            return Err(ErrorCode::DuplicateId);
        }
        if self.requests.len() >= self.max_requests {
            return Err(ErrorCode::Busy);
        }
        let (end, ended) = oneshot::channel();
        self.requests.insert(id, UnderWay { handle, end });
        Ok(ended)
    }

    /// The request has its answer.
    pub fn finish(&mut self, id: RequestId) {
        self.requests.remove(&id);
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// Has a request end early. It stays in the table until its answer is queued.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(request) = self.requests.get_mut(&id) {
            end(request, ErrorCode::Cancelled);
        }
    }

    /// Opens a handle.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] when too many are open.
    pub fn open(&mut self, file: Arc<OpenFile>) -> Result<Handle, ErrorCode> {
        if self.handles.len() >= self.max_handles {
            return Err(ErrorCode::Busy);
        }
        while self.handles.contains_key(&self.next_handle) || self.stale.contains(&self.next_handle) {
            self.next_handle = self.next_handle.wrapping_add(1);
        }
        let handle = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(1);
        self.handles.insert(handle, Open { file, follower: None });
        Ok(handle)
    }

    /// Has `follower` run for as long as the handle is open.
    pub fn follow(&mut self, handle: Handle, follower: AbortOnDropHandle<()>) {
        if let Some(open) = self.handles.get_mut(&handle) {
            open.follower = Some(follower);
        }
    }

    /// The file of a handle.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where the file changed, [`ErrorCode::BadHandle`] where it is not open.
    pub fn file(&self, handle: Handle) -> Result<Arc<OpenFile>, ErrorCode> {
        match self.handles.get(&handle) {
            Some(open) => Ok(open.file.clone()),
            None if self.stale.contains(&handle) => Err(ErrorCode::Changed),
            None => Err(ErrorCode::BadHandle),
        }
    }

    /// Closes a handle at the client's wish; its requests end.
    pub fn close(&mut self, handle: Handle) -> Option<Arc<OpenFile>> {
        self.end_requests(handle, ErrorCode::Cancelled);
        self.handles.remove(&handle).map(|open| open.file)
    }

    /// Closes a handle because its file changed; its requests end. `None` where it was not open any more. What comes back is to
    /// be dropped once the client is told: the one who tells may be the handle's own follower.
    pub fn close_stale(&mut self, handle: Handle) -> Option<Open> {
        let open = self.handles.remove(&handle)?;
        self.end_requests(handle, ErrorCode::Changed);
        if self.stale.len() == self.max_handles {
            self.stale.pop_front();
        }
        self.stale.push_back(handle);
        Some(open)
    }

    /// Ends everything; what was open.
    pub fn clear(&mut self) -> Vec<Arc<OpenFile>> {
        self.requests.clear();
        self.handles.drain().map(|(_, open)| open.file).collect()
    }

    fn end_requests(&mut self, handle: Handle, reason: ErrorCode) {
        for request in self.requests.values_mut().filter(|request| request.handle == Some(handle)) {
            end(request, reason);
        }
    }
}

/// Sends the reason, once; later ones find a channel that is already used.
fn end(request: &mut UnderWay, reason: ErrorCode) {
    let (spent, _) = oneshot::channel();
    let _already_ended = std::mem::replace(&mut request.end, spent).send(reason);
}

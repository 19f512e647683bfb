//! Requests: each is a task that ends with exactly one answer.

use std::sync::Arc;

use futures_util::future::{AbortRegistration, Abortable, Aborted};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use wstp_protocol::{ErrorCode, Handle, RequestId};
use wstp_provider::{Outcome, Task};

use super::connection::Connection;
use crate::hashing::{HashState, OpenFile};

impl Connection {
    /// Does what was asked, or as much of it as is wanted, and answers.
    pub(super) async fn perform(self: Arc<Self>, id: RequestId, task: Task<Arc<OpenFile>>, ended: AbortRegistration) {
        let held = self.desk.session.caller.request();
        let opening = if let Task::Open(path) = &task { Some(path.clone()) } else { None };
        let work = async {
            if let Err(refusal) = &held {
                return Err(*refusal);
            }
            let mut room = self.outbox.room(task.answer_len()).await;
            let outcome = wstp_provider::perform(&self.desk, id, task).await?;
            if let Outcome::Frame(frame) = &outcome {
                // A compressed frame leaves room for others.
                drop(room.split(room.num_permits().saturating_sub(frame.len())));
            }
            Ok((outcome, room))
        };
        let done = Abortable::new(work, ended).await;
        let (outcome, room) = match done.unwrap_or_else(|Aborted| Err(ErrorCode::Cancelled.into())) {
            Ok((outcome, room)) => (Ok(outcome), Some(room)),
            Err(refusal) => {
                tracing::debug!(id, code = ?refusal.code(), "refused");
                (Err(refusal), None)
            }
        };
        let Ok(slot) = self.outbox.slot().await else { return };
        let answer = self.finish(id, outcome);
        if let (Some((handle, ..)), Some(path)) = (&answer.opened, opening) {
            self.server.control.events().note_reading(&self.desk.session.caller, &path);
            self.desk.session.fetches(*handle, &path);
        }
        slot.send(answer.frame, room);
        if let Some((handle, file, root)) = answer.opened {
            self.follow(handle, &file, root.is_some());
        }
        if let Some(handle) = answer.changed {
            self.make_stale(handle).await;
        }
    }

    /// Has a task tell the client what becomes of a file, for as long as its handle is open.
    fn follow(self: &Arc<Self>, handle: Handle, file: &OpenFile, knows_root: bool) {
        let mut state = file.state();
        if !knows_root {
            // Changes since the file was opened are news.
            state.mark_changed();
        }
        let connection = Arc::downgrade(self);
        let follower = async move {
            while state.changed().await.is_ok() {
                let Some(connection) = connection.upgrade() else { return };
                let news = state.borrow_and_update().clone();
                match news {
                    HashState::Ready(tree) => {
                        let notice = connection.state().peer.root_ready(handle, tree.root());
                        let Some(notice) = notice else { return };
                        if connection.outbox.send(&notice).await.is_err() {
                            return;
                        }
                    }
                    HashState::Changed => return connection.make_stale(handle).await,
                    HashState::Failed => return connection.give_up_hashing(),
                    HashState::Pending => {}
                }
            }
        };
        let follower = tokio::spawn(follower.in_current_span());
        self.state().follow(handle, AbortOnDropHandle::new(follower));
    }
}

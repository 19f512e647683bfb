//! Handles the messages of the server.

use wstp_protocol::{ErrorCode, Failure};

use super::connection::Ask;
use super::{FolderProblem, FolderTransfer, Suspect};
use crate::peer::{Blame, Event, Reply, SessionError, bounded, wait_of};
use crate::{ConnectionId, Incoming, Problem};

/// How often something is tried that may work the next time.
const MOST_TRIES: u8 = 3;

impl FolderTransfer {
    pub(super) fn read_frame(&mut self, id: ConnectionId, frame: Incoming) {
        let Some(open) = self.connection.as_mut().filter(|open| open.id == id) else { return };
        match open.peer.handle_frame(self.now, frame) {
            Ok(event) => self.handle_event(event),
            Err(error) => self.not_wstp(&error),
        }
    }

    fn not_wstp(&mut self, error: &SessionError) {
        self.distrust(Problem::Protocol(error.to_string()));
    }

    fn handle_event(&mut self, event: Event<Ask>) {
        match event {
            Event::Welcome => {
                let features =
                    self.connection.as_ref().and_then(|open| open.peer.welcome()).map_or(0, |it| it.features);
                self.conduct.welcomed(features);
            }
            Event::Pong => {}
            Event::Reply { context, reply, .. } => self.handle_reply(context, reply),
            Event::Goodbye(goodbye) => {
                self.drop_connection(Problem::Connection, Some(bounded(goodbye.retry_after_ms)));
            }
            Event::Refused(failure) => self.refused(&failure),
            // Nothing is cancelled and nothing opened here, and mirrors are not asked for.
            Event::Cancelled { .. } | Event::RootReady(_) | Event::Stale(_) | Event::Mirrors(_) => {}
        }
    }

    fn handle_reply(&mut self, ask: Ask, reply: Reply) {
        let now = self.now;
        let Some(open) = &mut self.connection else { return };
        open.ended(now, &ask);
        match (ask, reply) {
            (Ask::List { folder, .. }, Reply::Listing(listing)) => self.listed(folder, listing),
            (Ask::Bundle { files, bytes, stamp, .. }, Reply::Bundle(bundle)) => {
                open.peer.window.arrived(now, &stamp, bytes);
                self.conduct.delivered();
                self.bundle_arrived(files, bundle);
            }
            (Ask::List { folder, .. }, Reply::Failure(failure)) => self.list_failed(folder, &failure),
            (Ask::Bundle { files, .. }, Reply::Failure(failure)) => self.bundle_failed(files, &failure),
            (ask, _) => {
                self.release(ask);
                self.not_wstp(&SessionError::WrongReply);
            }
        }
    }

    /// A request failed for a reason that concerns the server rather than what was asked for.
    pub(super) fn request_failed(&mut self, failure: &Failure) {
        match Blame::of(failure) {
            Blame::Busy(wait) => {
                if let Some(open) = &mut self.connection {
                    open.peer.leave_alone(self.now, wait);
                }
            }
            Blame::Lie => self.distrust(Problem::from(failure)),
            Blame::Refusal => self.refused(failure),
        }
    }

    /// The server does not want this connection.
    fn refused(&mut self, failure: &Failure) {
        let problem = Problem::from(failure);
        match failure.code {
            ErrorCode::Unauthorized | ErrorCode::UnsupportedVersion => self.fail(FolderProblem::Source(problem)),
            _ => self.drop_connection(problem, wait_of(failure)),
        }
    }

    /// Whether something that went wrong is worth another try; counts it.
    pub(super) fn may_try_again(&mut self, suspect: Suspect) -> bool {
        let tries = self.suspects.entry(suspect).or_default();
        *tries += 1;
        let may = *tries < MOST_TRIES;
        if !may {
            self.suspects.remove(&suspect);
        }
        may
    }
}

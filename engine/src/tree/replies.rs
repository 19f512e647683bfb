//! What the server says.

use std::time::Duration;

use wstp_protocol::{ErrorCode, Failure};

use super::link::{Ask, Stage};
use super::{Suspect, TreeProblem, TreeTransfer};
use crate::progress::{bounded, wait_of};
use crate::session::{Event, Reply, SessionError};
use crate::{ConnectionId, Incoming, Problem};

/// How long to leave a server alone that is busy and does not say how long.
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// A server that says zero does not get a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// How often something is tried that may work the next time.
const MOST_TRIES: u8 = 3;

impl TreeTransfer {
    pub(super) fn read_frame(&mut self, id: ConnectionId, frame: Incoming) {
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else { return };
        match link.session.handle_frame(frame) {
            Ok(event) => self.handle_event(event),
            Err(error) => self.not_wstp(&error),
        }
    }

    fn not_wstp(&mut self, error: &SessionError) {
        self.distrust(Problem::Protocol(error.to_string()));
    }

    fn handle_event(&mut self, event: Event<Ask>) {
        match event {
            Event::Welcome => self.welcomed(),
            Event::Reply { context, reply } => self.handle_reply(context, reply),
            Event::Pong { .. } => {
                if let Some(link) = &mut self.link {
                    link.ping_sent = None;
                }
            }
            Event::Goodbye(goodbye) => {
                self.drop_link(Problem::Connection, Some(bounded(goodbye.retry_after_ms)));
            }
            Event::Refused(failure) => self.refused(&failure),
            // Nothing is cancelled and nothing opened here, and mirrors are not asked for.
            Event::Cancelled { .. } | Event::RootReady(_) | Event::Stale(_) | Event::Mirrors(_) => {}
        }
    }

    fn welcomed(&mut self) {
        let now = self.now;
        if let Some(link) = &mut self.link {
            link.stage = Stage::Ready;
            link.silence.broken(now);
        }
    }

    fn handle_reply(&mut self, ask: Ask, reply: Reply) {
        let now = self.now;
        let Some(link) = &mut self.link else { return };
        link.ended(now, &ask);
        match (ask, reply) {
            (Ask::List { folder, .. }, Reply::Listing(listing)) => self.listed(folder, listing),
            (Ask::Bundle { files, bytes, stamp, .. }, Reply::Bundle(bundle)) => {
                link.window.arrived(now, &stamp, bytes);
                self.stalls.forget();
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
        match failure.code {
            ErrorCode::Busy | ErrorCode::NotReady => {
                let until = self.now + wait_of(failure).unwrap_or(BUSY_WAIT).max(SHORTEST_WAIT);
                if let Some(link) = &mut self.link {
                    link.not_before = link.not_before.max(until);
                }
            }
            ErrorCode::OutOfRange | ErrorCode::DuplicateId | ErrorCode::Cancelled | ErrorCode::Malformed => {
                self.distrust(Problem::from(failure));
            }
            _ => self.refused(failure),
        }
    }

    /// The server does not want this connection.
    fn refused(&mut self, failure: &Failure) {
        let problem = Problem::from(failure);
        match failure.code {
            ErrorCode::Unauthorized | ErrorCode::UnsupportedVersion => self.fail(TreeProblem::Source(problem)),
            _ => self.drop_link(problem, wait_of(failure)),
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

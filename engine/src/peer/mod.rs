//! The client's half of one connection to a server, below every client: file transfers, folders, browsing and the short
//! questions of `wstp`.
//!
//! A [`Peer`] greets, keeps to the server's limits, measures the line, loses patience with silence and keeps the
//! connection alive. It opens nothing, sends nothing and reads no clock: its owner has the socket and the time.
//!
//! 1. The connection is open: [`Peer::handle_opened`] gives the first message.
//! 2. Something arrives: [`Peer::handle_frame`], and [`Peer::handle_bytes`] for a part of a frame.
//! 3. [`Peer::poll_timeout`] has come: [`Peer::handle_timeout`] says whether to send a ping or to close the connection.
//!
//! A request ends exactly once: with [`Event::Reply`], or with [`Event::Cancelled`] if it was cancelled before.
//! [`Peer::into_requests`] gives back the requests that are under way when the connection closes. After any
//! [`SessionError`] the connection has to be closed: the other side does not speak WSTP or lies.
//!
//! A server's conduct over many connections, and when to try it again, is remembered in a `Conduct`.

mod backoff;
mod blame;
mod conduct;
mod path;
mod patience;
mod request;
mod session;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use wstp_protocol::limits::EARLY_REQUESTS;
use wstp_protocol::{ClientMessage, Close, Handle, Limits, Ping, RequestId, Welcome};

pub(crate) use self::backoff::Jitter;
pub(crate) use self::blame::{Blame, bounded, wait_of};
pub(crate) use self::conduct::{Conduct, Wait};
pub(crate) use self::path::Path;
pub use self::patience::Patience;
use self::patience::{Awaited, Silence};
pub use self::request::{Reply, Request};
use self::session::Session;
pub use self::session::{Event, SessionError};
pub(crate) use self::window::{Stamp, Window};
use crate::{Credential, Incoming, Instant};

/// The shortest time between two pings, however short the server's idle timeout is.
const SHORTEST_IDLE: Duration = Duration::from_millis(100);
/// A server that says zero does not get a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// One connection to a server; `C` comes back with each answer.
#[derive(Debug)]
pub struct Peer<C> {
    /// The first message, until it is sent.
    greeting: Option<ClientMessage>,
    session: Session<C>,
    pub(crate) window: Window,
    /// Bytes of data asked for and not here.
    pub(crate) in_flight: u64,
    patience: Patience,
    silence: Silence,
    not_before: Instant,
    last_sent: Instant,
    ping_sent: Option<Instant>,
    greeted: Instant,
    /// Requests that the server takes before its welcome.
    early_requests: usize,
    /// From the greeting to its answer.
    round_trip: Option<Duration>,
}

/// The task of a connection's owner when its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send this, so that the server does not close the connection.
    Ping(ClientMessage),
    /// Close the connection: it was silent for too long.
    Stalled,
}

impl<C> Peer<C> {
    /// A connection that is being opened. `agent` names the program, `features` are those of
    /// [`wstp_protocol::features`] that it wants.
    #[must_use]
    pub fn new(now: Instant, agent: &str, credential: Option<&Credential>, features: u64, patience: Patience) -> Self {
        Self {
            greeting: Some(session::hello(agent, credential, features)),
            session: Session::default(),
            window: Window::new(now),
            in_flight: 0,
            patience,
            silence: Silence::new(now),
            not_before: now,
            last_sent: now,
            ping_sent: None,
            greeted: now,
            early_requests: 0,
            round_trip: None,
        }
    }

    /// The server's words about itself, once the handshake is done.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.session.welcome()
    }

    /// The server's limits, once the handshake is done.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.session.welcome().map(|welcome| &welcome.limits)
    }

    /// How long the server took to answer the greeting: about a round trip of the line.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether the connection is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.greeting.is_none()
    }

    /// How many requests have not ended, those that were cancelled included.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.session.under_way()
    }

    /// Whether the server takes another request now. `spare` requests more would have room as well, unless nothing is
    /// under way.
    #[must_use]
    pub fn takes_requests(&self, now: Instant, spare: usize) -> bool {
        let most = self.most_requests();
        self.not_before <= now && most > 0 && self.under_way() < most.saturating_sub(spare).max(1)
    }

    /// Whether the server takes another request, even one that is busy.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way() < self.most_requests()
    }

    fn most_requests(&self) -> usize {
        self.limits().map_or(self.early_requests, |limits| limits.requests as usize)
    }

    /// When the server wants to be asked again, if not now.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        Some(self.not_before).filter(|at| *at > now)
    }

    /// The requests that have not ended and were not cancelled, oldest first as long as ids have not wrapped around.
    pub fn requests(&self) -> impl Iterator<Item = (RequestId, &C)> {
        self.session.requests()
    }

    /// The same, to change what goes with them.
    pub fn requests_mut(&mut self) -> impl Iterator<Item = (RequestId, &mut C)> {
        self.session.requests_mut()
    }

    /// The connection is gone: every request that has not ended, and whether it was cancelled.
    pub fn into_requests(self) -> impl Iterator<Item = (C, bool)> {
        self.session.into_requests()
    }

    /// The connection is open. The first message is to be sent; `None` if it was before. `takes_early` says whether the
    /// server takes requests before its welcome: then [`Peer::takes_requests`] is true at once.
    pub fn handle_opened(&mut self, now: Instant, takes_early: bool) -> Option<ClientMessage> {
        let greeting = self.greeting.take()?;
        self.early_requests = if takes_early { EARLY_REQUESTS } else { 0 };
        self.silence.broken(now);
        (self.last_sent, self.greeted) = (now, now);
        Some(greeting)
    }

    /// Bytes came that are no whole frame yet.
    pub fn handle_bytes(&mut self, now: Instant) {
        self.silence.broken(now);
    }

    /// Reads what came.
    ///
    /// # Errors
    /// When the server does not speak WSTP or said something that does not fit; then the connection is to be closed.
    pub fn handle_frame(&mut self, now: Instant, frame: impl Into<Incoming>) -> Result<Event<C>, SessionError> {
        let event = self.session.handle_frame(frame.into())?;
        if matches!(event, Event::Welcome) {
            self.round_trip = Some(now - self.greeted);
        }
        match event {
            Event::Welcome | Event::Reply { .. } | Event::Cancelled { .. } => self.silence.broken(now),
            // A server that answers pings and nothing else is stalled.
            Event::Pong => self.ping_sent = None,
            _ => {}
        }
        Ok(event)
    }

    /// Makes a request; the message is to be sent.
    pub fn request(&mut self, now: Instant, request: Request, context: C) -> ClientMessage {
        self.last_sent = now;
        self.session.request(now, request, context)
    }

    /// Cancels a request; the message is to be sent. `None` if it has ended or was cancelled before.
    pub fn cancel(&mut self, now: Instant, id: RequestId) -> Option<ClientMessage> {
        let message = self.session.cancel(id)?;
        self.last_sent = now;
        Some(message)
    }

    /// Gives an open file back; the message is to be sent, and is not answered.
    pub fn close(&mut self, now: Instant, handle: Handle) -> ClientMessage {
        self.last_sent = now;
        ClientMessage::Close(Close { handle })
    }

    /// The server is busy: nothing is asked of it for so long.
    pub(crate) fn leave_alone(&mut self, now: Instant, wait: Duration) {
        self.not_before = self.not_before.max(now + wait.max(SHORTEST_WAIT));
    }

    /// When to call [`Peer::handle_timeout`], if nothing happens before. `awaited` is how many bytes may have to arrive
    /// before the next answer is whole.
    #[must_use]
    pub fn poll_timeout(&self, awaited: u64) -> Option<Instant> {
        self.stalled_at(awaited).into_iter().chain(self.ping_at()).min()
    }

    /// The time has come.
    pub fn handle_timeout(&mut self, now: Instant, awaited: u64) -> Option<Due> {
        if self.stalled_at(awaited).is_some_and(|at| at <= now) {
            return Some(Due::Stalled);
        }
        if self.ping_at().is_some_and(|at| at <= now) {
            (self.ping_sent, self.last_sent) = (Some(now), now);
            return Some(Due::Ping(ClientMessage::Ping(Ping { nonce: 0 })));
        }
        None
    }

    fn stalled_at(&self, awaited: u64) -> Option<Instant> {
        let awaited = match self.welcome() {
            None => Awaited::Greeting,
            Some(_) => Awaited::Answers {
                asked: self.session.oldest_sent(),
                overdue: self.session.is_overtaken(),
                bytes: awaited,
                pinged: self.ping_sent,
            },
        };
        self.silence.stalled_at(&self.patience, &self.window, awaited)
    }

    /// When to say something so that the server does not close the connection: at half of its idle timeout, or sooner
    /// where patience wants it.
    fn ping_at(&self) -> Option<Instant> {
        let limits = self.limits().filter(|_| self.ping_sent.is_none())?;
        let idle = Duration::from_millis(u64::from(limits.idle_timeout_ms / 2));
        Some(self.last_sent + self.patience.until_ping(idle).max(SHORTEST_IDLE))
    }
}

//! One connection to a server: its handshake, the requests on it, and its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wstp_client::words::reason;
use wstp_engine::Instant;
use wstp_engine::peer::{self, Due, Event, Patience, Peer, Request};
use wstp_messages::{Credential, Need, Problem, ServerView};
use wstp_protocol::{ClientMessage, ErrorCode, features};
use wstp_words::phrase;

use super::Unanswered;
use super::ahead::Ahead;
use super::listing::SHORT_PAGE;
use crate::carrier::Carrier;
use crate::socket::Happening;
use crate::words::{not_wstp, problem, server_problem, unauthorized_problem};
use crate::{AGENT, clock};

/// The outcome of a request.
pub type Answer = Result<peer::Reply, Unanswered>;
/// The outcome of a handshake.
pub type Welcomed = Result<(), Unanswered>;

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// The features that browsing uses.
const FEATURES: u64 = features::LINKS | features::LOGIN | features::SEARCH;
/// Requests one connection may have open here; views ask for one at a time.
const MAX_REQUESTS: usize = 16;

/// A connection to one server.
pub struct Connection {
    server: ServerView,
    /// Whether it says who the user is.
    is_proven: bool,
    pub(super) state: RefCell<State>,
}

/// The changing part of a connection.
pub(super) struct State {
    carrier: Option<Carrier>,
    peer: Peer<oneshot::Sender<Answer>>,
    awaiting_welcome: Vec<oneshot::Sender<Welcomed>>,
    last_used: Instant,
    /// Entries to ask for in a page.
    pub(super) page: u32,
    /// The pages that the view will want next, read while it draws those before.
    pub(super) ahead: Option<Rc<RefCell<Ahead<Unanswered>>>>,
}

impl Connection {
    /// One that is not open yet.
    pub fn new(server: ServerView, credential: Option<&Credential>) -> Self {
        let state = State {
            carrier: None,
            peer: new_peer(credential),
            awaiting_welcome: Vec::new(),
            last_used: clock::now(),
            page: SHORT_PAGE,
            ahead: None,
        };
        Self { server, is_proven: credential.is_some(), state: RefCell::new(state) }
    }

    /// Speaks over this carrier from now on.
    pub fn attach(&self, carrier: Carrier) {
        self.state.borrow_mut().carrier = Some(carrier);
    }

    /// When something was last asked for.
    pub fn last_used(&self) -> Instant {
        self.state.borrow().last_used
    }

    /// Whether it waits for an answer.
    pub fn is_busy(&self) -> bool {
        self.state.borrow().peer.under_way() > 0
    }

    /// The server as the user knows it.
    pub fn label(&self) -> &str {
        &self.server.label
    }

    /// Whether the user proved nothing, and a login would show more.
    pub fn hides_more(&self) -> bool {
        self.knows(features::LOGIN)
    }

    /// Whether the server has this feature.
    pub fn knows(&self, feature: u64) -> bool {
        self.state.borrow().peer.welcome().is_some_and(|welcome| welcome.features & feature != 0)
    }

    /// The server refused a request, or the connection as a whole.
    pub fn refused(&self, code: ErrorCode, text: &str) -> Unanswered {
        if code != ErrorCode::Unauthorized {
            return server_problem(code, text, self.label()).into();
        }
        let problem = unauthorized_problem(self.label(), self.is_proven);
        Unanswered { problem, needs: Some(Box::new((self.server.clone(), Need::Login))) }
    }

    /// The name and version of its program.
    pub fn agent(&self) -> String {
        self.state.borrow().peer.welcome().map_or_else(String::new, |welcome| welcome.agent.clone())
    }

    /// `None` if the handshake is done.
    pub fn await_welcome(&self) -> Option<oneshot::Receiver<Welcomed>> {
        let mut state = self.state.borrow_mut();
        state.last_used = clock::now();
        if state.peer.welcome().is_some() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.awaiting_welcome.push(sender);
        Some(receiver)
    }

    fn request(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Unanswered> {
        let mut state = self.state.borrow_mut();
        let allowed = state.peer.limits().map_or(0, |limits| limits.requests as usize).min(MAX_REQUESTS);
        if state.peer.under_way() >= allowed {
            return Err(problem(phrase!(server_still_answers, self.label()), phrase!(try_in_a_moment)).into());
        }
        let (sender, receiver) = oneshot::channel();
        let now = clock::now();
        let message = state.peer.request(now, request, sender);
        state.last_used = now;
        state.send(&message);
        Ok(receiver)
    }

    /// Asks the server, and waits for its answer as long as the peer's patience allows.
    pub async fn ask(&self, request: Request) -> Answer {
        let answer = self.request(request)?;
        self.wait(answer).await.unwrap_or_else(|_| Err(lost(self.label()).into()))
    }

    /// Waits for something that the connection brings or its end ends.
    pub async fn wait<T>(&self, mut coming: oneshot::Receiver<T>) -> Result<T, oneshot::Canceled> {
        loop {
            let due = self.state.borrow().peer.poll_timeout(0);
            let sleep = sleep(due.map_or(ANSWER_PATIENCE, |at| at - clock::now()));
            match select(&mut coming, Box::pin(sleep)).await {
                Either::Left((came, _)) => return came,
                Either::Right(_) => self.expire(),
            }
        }
    }

    /// The peer's time has come.
    fn expire(&self) {
        let mut state = self.state.borrow_mut();
        match state.peer.handle_timeout(clock::now(), 0) {
            Some(Due::Ping(ping)) => state.send(&ping),
            Some(Due::Stalled) if state.peer.is_open() => state.end(silent(self.label()).into()),
            Some(Due::Stalled) => state.give_up_opening(),
            None => {}
        }
    }

    /// Whether nothing can be asked on it any more.
    pub fn is_over(&self) -> bool {
        self.state.borrow().carrier.is_none()
    }

    /// Whether the connection can still be used.
    pub fn handle(&self, happening: Happening) -> bool {
        let mut state = self.state.borrow_mut();
        match happening {
            Happening::Opened => {
                if let Some(greeting) = state.peer.handle_opened(clock::now(), false) {
                    state.send(&greeting);
                }
                true
            }
            Happening::Came(incoming) => match state.peer.handle_frame(clock::now(), incoming) {
                Ok(Event::Welcome) => {
                    let awaiting = std::mem::take(&mut state.awaiting_welcome);
                    awaiting.into_iter().for_each(|sender| drop(sender.send(Ok(()))));
                    true
                }
                Ok(Event::Reply { context, reply, .. }) => {
                    let _ = context.send(Ok(reply));
                    true
                }
                Ok(Event::Refused(failure)) => {
                    state.end(self.refused(failure.code, &failure.text));
                    false
                }
                Ok(Event::Goodbye(_)) => false,
                Ok(_) => true,
                Err(error) => {
                    state.end(not_wstp(self.label(), &reason(&error.to_string())).into());
                    false
                }
            },
            Happening::Bytes => {
                state.peer.handle_bytes(clock::now());
                true
            }
            Happening::Closed => {
                if state.peer.is_open() {
                    let problem = if state.peer.welcome().is_some() {
                        lost(self.label())
                    } else {
                        not_wstp(self.label(), &phrase!(it_closed))
                    };
                    state.end(problem.into());
                } else {
                    state.give_up_opening();
                }
                false
            }
        }
    }
}

impl State {
    fn send(&self, message: &ClientMessage) {
        if let Some(carrier) = &self.carrier {
            carrier.send(&message.encode());
        }
    }

    /// The connection could not be opened. Those who wait for it find out why.
    fn give_up_opening(&mut self) {
        self.carrier = None;
        self.awaiting_welcome.clear();
    }

    /// Tells everybody who waits why nothing will come.
    fn end(&mut self, reason: Unanswered) {
        self.carrier = None;
        for sender in std::mem::take(&mut self.awaiting_welcome) {
            let _ = sender.send(Err(reason.clone()));
        }
        for (sender, _) in std::mem::replace(&mut self.peer, new_peer(None)).into_requests() {
            let _ = sender.send(Err(reason.clone()));
        }
    }
}

fn new_peer<C>(credential: Option<&Credential>) -> Peer<C> {
    let patience = Patience::fixed(CONNECT_PATIENCE, ANSWER_PATIENCE, ANSWER_PATIENCE);
    let credential = credential.map(|Credential(token)| wstp_engine::Credential::Token(token.clone()));
    Peer::new(clock::now(), AGENT, credential.as_ref(), FEATURES, patience)
}

/// The server closed the connection.
pub fn lost(label: &str) -> Problem {
    problem(phrase!(server_closed, label), phrase!(try_again_sentence))
}

fn silent(label: &str) -> Problem {
    problem(phrase!(server_silent, label), phrase!(check_still_runs))
}

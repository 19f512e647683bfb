//! Looking at servers: one connection for each, opened when it is needed and closed when it was not for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wstp_engine::Instant;
use wstp_engine::session::{self, Event, Request, Session};
use wstp_messages::{Listed, ListedKind, Problem, Reply, ServerView};
use wstp_protocol::{EntryKind, Listing, SharePath, features};

use super::address::Address;
use crate::socket::{Happening, Socket};
use crate::words::{problem, server_problem};
use crate::{AGENT, clock};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(60);
/// Entries in one page: enough for most folders, and drawn at once.
const PAGE: u32 = 500;
/// Requests one connection may have open here; views ask for one at a time.
const MAX_REQUESTS: usize = 16;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    async fn fetch(url: &str, options: &JsValue) -> Result<JsValue, JsValue>;
}

type Answer = Result<session::Reply, Problem>;
type Welcomed = Result<String, Problem>;

/// The connections used for browsing.
#[derive(Clone, Default)]
pub struct Browser {
    connections: Rc<RefCell<HashMap<String, Rc<Connection>>>>,
}

struct Connection {
    label: String,
    state: RefCell<State>,
}

struct State {
    socket: Option<Socket>,
    session: Session<oneshot::Sender<Answer>>,
    awaiting_welcome: Vec<oneshot::Sender<Welcomed>>,
    last_used: Instant,
    opened: bool,
}

impl Browser {
    /// Connects to a server, or finds out why that can't be done.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn connect(&self, typed: &str) -> Result<ServerView, Problem> {
        let address = Address::parse(typed)?;
        let agent = self.connection(&address).await?.agent();
        Ok(ServerView { address: address.to_string(), label: address.label(), agent })
    }

    /// Asks for one page of a folder.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn list(&self, address: &str, path: String, cursor: Option<String>) -> Result<Reply, Problem> {
        let address = Address::parse(address)?;
        let path = SharePath::parse(path).map_err(|error| {
            problem(format!("This folder can't be opened: {error}."), "Go back to the folder above.")
        })?;
        let connection = self.connection(&address).await?;
        let answer = connection.request(Request::List { path, cursor, limit: PAGE })?;
        match select(answer, Box::pin(sleep(ANSWER_PATIENCE))).await {
            // A page without entries that is not the last would be followed by another one for ever.
            Either::Left((Ok(Ok(session::Reply::Listing(listing))), _))
                if listing.entries.is_empty() && listing.next.is_some() =>
            {
                Err(endless(&connection.label))
            }
            Either::Left((Ok(Ok(session::Reply::Listing(listing))), _)) => Ok(listed(listing)),
            Either::Left((Ok(Ok(session::Reply::Failure(failure))), _)) => {
                Err(server_problem(failure.code, &failure.text, &connection.label))
            }
            Either::Left((Ok(Err(problem)), _)) => Err(problem),
            Either::Left(_) => Err(lost(&connection.label)),
            Either::Right(_) => {
                self.connections.borrow_mut().remove(&address.to_string());
                Err(silent(&connection.label))
            }
        }
    }

    /// Closes the connections nobody used for a while.
    pub fn close_idle(&self) {
        let now = clock::now();
        self.connections.borrow_mut().retain(|_, connection| {
            let state = connection.state.borrow();
            state.session.under_way() > 0 || now - state.last_used < IDLE
        });
    }

    /// A connection whose handshake is done.
    async fn connection(&self, address: &Address) -> Result<Rc<Connection>, Problem> {
        let key = address.to_string();
        let known = self.connections.borrow().get(&key).cloned();
        let connection = match known {
            Some(connection) => connection,
            None => self.open(address)?,
        };
        let Some(welcome) = connection.await_welcome() else { return Ok(connection) };
        let result = match select(welcome, Box::pin(sleep(CONNECT_PATIENCE))).await {
            Either::Left((Ok(Ok(_)), _)) => return Ok(connection),
            Either::Left((Ok(Err(problem)), _)) => problem,
            Either::Left((Err(_), _)) | Either::Right(_) => {
                let opened = connection.state.borrow().opened;
                if opened { silent(&connection.label) } else { diagnose(address).await }
            }
        };
        self.connections.borrow_mut().retain(|_, other| !Rc::ptr_eq(other, &connection));
        Err(result)
    }

    fn open(&self, address: &Address) -> Result<Rc<Connection>, Problem> {
        let connection = Rc::new(Connection {
            label: address.label(),
            state: RefCell::new(State {
                socket: None,
                session: Session::default(),
                awaiting_welcome: Vec::new(),
                last_used: clock::now(),
                opened: false,
            }),
        });
        let (connections, weak) = (Rc::downgrade(&self.connections), Rc::downgrade(&connection));
        let socket = Socket::connect(&address.to_string(), move |happening| {
            let Some(connection) = weak.upgrade() else { return };
            if !connection.handle(happening)
                && let Some(connections) = connections.upgrade()
            {
                connections.borrow_mut().retain(|_, other| !Rc::ptr_eq(other, &connection));
            }
        })
        .map_err(|_| problem("The browser can't connect to that address.", "Check how it is spelled."))?;
        connection.state.borrow_mut().socket = Some(socket);
        self.connections.borrow_mut().insert(address.to_string(), connection.clone());
        Ok(connection)
    }
}

impl Connection {
    fn agent(&self) -> String {
        self.state.borrow().session.welcome().map_or_else(String::new, |welcome| welcome.agent.clone())
    }

    /// `None` if the handshake is done.
    fn await_welcome(&self) -> Option<oneshot::Receiver<Welcomed>> {
        let mut state = self.state.borrow_mut();
        state.last_used = clock::now();
        if state.session.welcome().is_some() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.awaiting_welcome.push(sender);
        Some(receiver)
    }

    fn request(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Problem> {
        let mut state = self.state.borrow_mut();
        let allowed = state.session.limits().map_or(0, |limits| limits.requests as usize).min(MAX_REQUESTS);
        if state.session.under_way() >= allowed {
            return Err(problem(format!("{} still answers other questions.", self.label), "Try again in a moment."));
        }
        let (sender, receiver) = oneshot::channel();
        let message = state.session.request(request, sender);
        state.last_used = clock::now();
        if let Some(socket) = &state.socket {
            socket.send(&message.encode());
        }
        Ok(receiver)
    }

    /// Whether the connection can still be used.
    fn handle(&self, happening: Happening) -> bool {
        let mut state = self.state.borrow_mut();
        match happening {
            Happening::Opened => {
                state.opened = true;
                if let Some(socket) = &state.socket {
                    socket.send(&Session::<()>::hello_with(AGENT, None, features::LINKS).encode());
                }
                true
            }
            Happening::Frame(frame) => match state.session.handle_frame(frame) {
                Ok(Event::Welcome) => {
                    let agent = state.session.welcome().map_or_else(String::new, |welcome| welcome.agent.clone());
                    let awaiting = std::mem::take(&mut state.awaiting_welcome);
                    awaiting.into_iter().for_each(|sender| drop(sender.send(Ok(agent.clone()))));
                    true
                }
                Ok(Event::Reply { context, reply }) => {
                    let _ = context.send(Ok(reply));
                    true
                }
                Ok(Event::Refused(failure)) => {
                    state.end(server_problem(failure.code, &failure.text, &self.label));
                    false
                }
                Ok(Event::Goodbye(_)) => false,
                Ok(_) => true,
                Err(error) => {
                    state.end(not_wstp(&self.label, &error.to_string()));
                    false
                }
            },
            Happening::Closed => {
                if state.opened {
                    let problem = if state.session.welcome().is_some() {
                        lost(&self.label)
                    } else {
                        not_wstp(&self.label, "it closed the connection")
                    };
                    state.end(problem);
                } else {
                    // Whoever waits finds out why.
                    state.awaiting_welcome.clear();
                }
                false
            }
        }
    }
}

impl State {
    /// Tells everybody who waits why nothing will come.
    fn end(&mut self, problem: Problem) {
        self.socket = None;
        for sender in std::mem::take(&mut self.awaiting_welcome) {
            let _ = sender.send(Err(problem.clone()));
        }
        for (sender, _) in std::mem::take(&mut self.session).into_requests() {
            let _ = sender.send(Err(problem.clone()));
        }
    }
}

/// A WebSocket fails without saying why; a plain request tells whether anybody is there.
async fn diagnose(address: &Address) -> Problem {
    let label = address.label();
    let options = js_sys::Object::new();
    let _ = js_sys::Reflect::set(&options, &"mode".into(), &"no-cors".into());
    let _ = js_sys::Reflect::set(&options, &"cache".into(), &"no-store".into());
    let url = address.page("/healthz");
    let probe = Box::pin(fetch(&url, &options));
    let answers = matches!(select(probe, Box::pin(sleep(PROBE_PATIENCE))).await, Either::Left((Ok(_), _)));
    if answers {
        return problem(
            format!("Something answers at {label}, but it is not a WSTP server, or it refuses this browser."),
            "Check the address. WSTP servers usually listen on port 3000.",
        );
    }
    if address.is_secure() {
        return problem(
            format!("No secure connection to {label} could be made."),
            format!(
                "Either nobody answers there, or the certificate is not trusted: open {} in a tab, accept it, and try again.",
                address.page("/")
            ),
        );
    }
    problem(
        format!("Nobody answers at {label}."),
        "Check the address, and that the server runs and can be reached from here.",
    )
}

fn not_wstp(label: &str, reason: &str) -> Problem {
    problem(
        format!("What answers at {label} is not a WSTP server ({reason})."),
        "Check the address. WSTP servers usually listen on port 3000.",
    )
}

fn lost(label: &str) -> Problem {
    problem(format!("{label} closed the connection."), "Try again.")
}

fn silent(label: &str) -> Problem {
    problem(format!("{label} does not answer."), "Try again, or check that the server still runs.")
}

fn endless(label: &str) -> Problem {
    problem(format!("{label} sends a list of this folder that does not end."), "Ask who runs the server.")
}

fn listed(listing: Listing) -> Reply {
    let entries = listing.entries.into_iter().map(|entry| Listed {
        name: entry.name,
        kind: match entry.kind {
            EntryKind::Directory => ListedKind::Directory,
            EntryKind::File => ListedKind::File,
            EntryKind::Dangling => ListedKind::Dangling,
            EntryKind::Unreadable => ListedKind::Unreadable,
            EntryKind::LeadsOut => ListedKind::LeadsOut,
            EntryKind::Circle => ListedKind::Circle,
        },
        size: entry.size,
        modified_ms: entry.modified_ms,
    });
    Reply::Listing { entries: entries.collect(), next: listing.next }
}

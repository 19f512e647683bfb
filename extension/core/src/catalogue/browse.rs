//! Looking at servers: one connection for each, opened when it is needed and closed when it was not for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wstp_engine::Instant;
use wstp_engine::session::{self, Event, Request, Session};
use wstp_messages::{Listed, ListedKind, Problem, Reply, ServerView, Spot};
use wstp_protocol::{Entry, EntryKind, ErrorCode, Listing, SharePath, features};

use super::address::Address;
use super::diagnosis::{Finding, diagnose};
use super::typed::Typed;
use crate::socket::{Happening, Socket};
use crate::words::{problem, server_problem};
use crate::{AGENT, clock};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(60);
/// Entries in one page: enough for most folders, and drawn at once.
const PAGE: u32 = 500;
/// The same while nobody knows how fast the line is, and on a slow one: they come within the patience at a few hundred bytes a second.
const SHORT_PAGE: u32 = 100;
/// A page that took no longer may be a full one next time.
const QUICK: Duration = Duration::from_secs(2);
/// Requests one connection may have open here; views ask for one at a time.
const MAX_REQUESTS: usize = 16;

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

/// Why there is no connection.
enum Unconnected {
    /// In words.
    Told(Problem),
    /// No WebSocket could be opened, and nobody said why.
    Unopened,
}

struct State {
    socket: Option<Socket>,
    session: Session<oneshot::Sender<Answer>>,
    awaiting_welcome: Vec<oneshot::Sender<Welcomed>>,
    last_used: Instant,
    opened: bool,
    /// Entries to ask for in a page.
    page: u32,
}

impl Browser {
    /// Connects to a server and looks at what of it was asked for, or finds out why that can't be done.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn connect(&self, typed: &str) -> Result<(ServerView, Spot), Problem> {
        let Typed { mut address, path } = Typed::parse(typed)?;
        let connection = match self.connection(&address).await {
            Ok(connection) => connection,
            Err(Unconnected::Told(problem)) => return Err(problem),
            Err(Unconnected::Unopened) => match diagnose(&address).await {
                Finding::Told(problem) => return Err(problem),
                Finding::MovedTo(other) => {
                    address = other;
                    self.reach(&address).await?
                }
            },
        };
        let spot = if path.is_root() { Spot::default() } else { connection.look_at(&path).await? };
        Ok((ServerView { address: address.to_string(), label: address.label(), agent: connection.agent() }, spot))
    }

    /// A connection to exactly this address.
    async fn reach(&self, address: &Address) -> Result<Rc<Connection>, Problem> {
        match self.connection(address).await {
            Ok(connection) => Ok(connection),
            Err(Unconnected::Told(problem)) => Err(problem),
            Err(Unconnected::Unopened) => Err(match diagnose(address).await {
                Finding::Told(problem) => problem,
                // It was followed once; a server that keeps moving is none.
                Finding::MovedTo(other) => not_wstp(&address.label(), &format!("it leads on to {}", other.label())),
            }),
        }
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
        let connection = self.reach(&address).await?;
        let (began, limit) = (clock::now(), connection.state.borrow().page);
        let answer = connection.request(Request::List { path, cursor, limit })?;
        match select(answer, Box::pin(sleep(ANSWER_PATIENCE))).await {
            // A page without entries that is not the last would be followed by another one for ever.
            Either::Left((Ok(Ok(session::Reply::Listing(listing))), _))
                if listing.entries.is_empty() && listing.next.is_some() =>
            {
                Err(endless(&connection.label))
            }
            Either::Left((Ok(Ok(session::Reply::Listing(listing))), _)) => {
                let is_quick = clock::now() - began <= QUICK;
                connection.state.borrow_mut().page = if is_quick { PAGE } else { SHORT_PAGE };
                Ok(listed(listing))
            }
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
    async fn connection(&self, address: &Address) -> Result<Rc<Connection>, Unconnected> {
        let key = address.to_string();
        let known = self.connections.borrow().get(&key).cloned();
        let connection = match known {
            Some(connection) => connection,
            None => self.open(address).map_err(Unconnected::Told)?,
        };
        let Some(welcome) = connection.await_welcome() else { return Ok(connection) };
        let result = match select(welcome, Box::pin(sleep(CONNECT_PATIENCE))).await {
            Either::Left((Ok(Ok(_)), _)) => return Ok(connection),
            Either::Left((Ok(Err(problem)), _)) => Unconnected::Told(problem),
            Either::Left((Err(_), _)) | Either::Right(_) => {
                let opened = connection.state.borrow().opened;
                if opened { Unconnected::Told(silent(&connection.label)) } else { Unconnected::Unopened }
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
                page: SHORT_PAGE,
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

    /// Finds out what stands at a path: the folder to show, and the file in it that was meant.
    async fn look_at(&self, path: &SharePath) -> Result<Spot, Problem> {
        let answer = self.request(Request::Stat { path: path.clone() })?;
        let entry = match select(answer, Box::pin(sleep(ANSWER_PATIENCE))).await {
            Either::Left((Ok(Ok(session::Reply::Stat(reply))), _)) => reply.entry,
            Either::Left((Ok(Ok(session::Reply::Failure(failure))), _)) => {
                return Ok(Spot { problem: Some(not_there(path, failure.code, &self.label)), ..Spot::default() });
            }
            Either::Left((Ok(Err(problem)), _)) => return Err(problem),
            Either::Left(_) => return Err(lost(&self.label)),
            Either::Right(_) => return Err(silent(&self.label)),
        };
        let names = |path: &SharePath| path.names().map(str::to_owned).collect();
        Ok(match entry.kind {
            EntryKind::Directory => Spot { folders: names(path), ..Spot::default() },
            _ => Spot {
                folders: path.parent().as_ref().map(names).unwrap_or_default(),
                // A server may call it otherwise, and what is fetched is what was typed.
                file: path.name().map(|name| Listed { name: name.to_owned(), ..listed_entry(entry) }),
                problem: None,
            },
        })
    }

    /// Whether the connection can still be used.
    fn handle(&self, happening: Happening) -> bool {
        let mut state = self.state.borrow_mut();
        match happening {
            Happening::Opened => {
                state.opened = true;
                if let Some(socket) = &state.socket {
                    socket.send(&Session::<()>::hello(AGENT, None, features::LINKS).encode());
                }
                true
            }
            Happening::Came(frame) => match state.session.handle_frame(frame) {
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
            Happening::Bytes => true,
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

/// The problem to show when the server can't show the path that the user asked for.
fn not_there(path: &SharePath, code: ErrorCode, label: &str) -> Problem {
    if code != ErrorCode::NotFound {
        return server_problem(code, "", label);
    }
    problem(format!("There is no \u{201c}{path}\u{201d} on {label}."), "Its first folder is shown instead.")
}

fn listed(listing: Listing) -> Reply {
    Reply::Listing { entries: listing.entries.into_iter().map(listed_entry).collect(), next: listing.next }
}

fn listed_entry(entry: Entry) -> Listed {
    Listed {
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
    }
}

//! Looking at servers: one connection for each, opened when it is needed and closed when it was not for a while.

mod ahead;
mod connection;
mod listing;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use wstp_client::address::Source;
use wstp_engine::peer::{self, Request};
use wstp_messages::{Listed, ListedKind, Need, Problem, Reply, ServerView, Spot};
use wstp_protocol::{Entry, EntryKind, ErrorCode, LINK_PATH, SearchReply, SharePath, features};
use wstp_words::phrase;

use super::address::{self, Address};
use super::diagnosis::{Finding, below_prefix, diagnose};
use super::logins::Logins;
use super::typed;
use crate::carrier::{Carrier, Purpose};
use crate::clock;
use crate::fetching::Endpoint;
use crate::words::{not_wstp, problem, server_problem};
use connection::{Connection, lost};

const IDLE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// In words.
    pub problem: Problem,
    /// The server that needs something of the user first, if that is so.
    pub needs: Option<Box<(ServerView, Need)>>,
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self { problem, needs: None }
    }
}

/// The connections used for browsing.
#[derive(Clone, Default)]
pub struct Browser {
    connections: Rc<RefCell<HashMap<String, Rc<Connection>>>>,
    logins: Rc<RefCell<Logins>>,
}

/// Why there is no connection.
enum Unconnected {
    /// It is known why.
    Told(Unanswered),
    /// It could not be opened, and nobody said why.
    Unopened,
}

impl Browser {
    /// Connects to a server and looks at what of it was asked for, or finds out why that can't be done.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn connect(&self, typed: &str) -> Result<(ServerView, Spot), Unanswered> {
        let (parsed, typed) = (typed::parse(typed)?, typed::unwrapped(typed));
        // A share link lies below another server's address.
        let link = if typed.contains(LINK_PATH) { below_prefix(typed).await } else { None };
        let Source { mut address, mut path } = link.unwrap_or(parsed);
        let connection = match self.connection(&address).await {
            Ok(connection) => connection,
            Err(Unconnected::Told(told)) => return Err(told),
            Err(Unconnected::Unopened) => {
                match below_prefix(typed).await {
                    Some(found) => Source { address, path } = found,
                    None => match diagnose(&address).await {
                        Finding::Told(problem) => return Err(problem.into()),
                        Finding::Untrusted(problem) => return Err(untrusted(&address, problem)),
                        Finding::MovedTo(other) => address = other,
                    },
                }
                self.reach(&address).await?
            }
        };
        let spot = if path.is_root() { Spot::default() } else { connection.look_at(&path).await? };
        Ok((ServerView { agent: connection.agent(), ..view_of(&address) }, spot))
    }

    /// A connection to exactly this address.
    async fn reach(&self, address: &Address) -> Result<Rc<Connection>, Unanswered> {
        match self.connection(address).await {
            Ok(connection) => Ok(connection),
            Err(Unconnected::Told(told)) => Err(told),
            Err(Unconnected::Unopened) => Err(match diagnose(address).await {
                Finding::Told(problem) => problem.into(),
                Finding::Untrusted(problem) => untrusted(address, problem),
                // It was followed once; a server that keeps moving is none.
                Finding::MovedTo(other) => not_wstp(&address.short(), &phrase!(it_leads_on, &other.short())).into(),
            }),
        }
    }

    /// Reads a folder from a cursor on: a page of it, or all that was read ahead.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn list(&self, address: &str, path: String, cursor: Option<String>) -> Result<Reply, Unanswered> {
        let (connection, path) = self.folder(address, path).await?;
        let (entries, next) = connection.read(path, cursor).await?;
        let entries = entries.into_iter().map(listed_entry).collect();
        Ok(Reply::Listing { entries, next, hides_more: connection.hides_more() })
    }

    /// Asks for some hits of a search beneath a folder.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub async fn search(
        &self,
        address: &str,
        path: String,
        words: String,
        cursor: Option<String>,
    ) -> Result<Reply, Unanswered> {
        let (connection, path) = self.folder(address, path).await?;
        if !connection.knows(features::SEARCH) {
            return Err(
                problem(phrase!(too_old_to_search, connection.label()), phrase!(too_old_to_search_advice)).into()
            );
        }
        let request = Request::Search { path, words, cursor: cursor.clone(), limit: listing::SHORT_PAGE };
        match connection.ask(request).await? {
            // It would go on like this for ever.
            peer::Reply::Search(reply) if reply.next.is_some() && reply.next == cursor => {
                Err(problem(phrase!(search_endless, connection.label()), phrase!(ask_server)).into())
            }
            peer::Reply::Search(SearchReply { hits, next, .. }) => {
                let hits = hits.into_iter().map(|hit| (hit.folder.as_str().to_owned(), listed_entry(hit.entry)));
                Ok(Reply::Found { hits: hits.collect(), next })
            }
            peer::Reply::Failure(failure) => Err(connection.refused(failure.code, &failure.text)),
            _ => Err(lost(connection.label()).into()),
        }
    }

    /// A connection to a server, and the path of a folder there.
    async fn folder(&self, address: &str, path: String) -> Result<(Rc<Connection>, SharePath), Unanswered> {
        let address = address::parse(address)?;
        let path = SharePath::parse(path).map_err(|error| {
            problem(phrase!(folder_not_opened, &wstp_client::words::path(error)), phrase!(go_back_up))
        })?;
        Ok((self.reach(&address).await?, path))
    }

    /// Proves with these who the user is. Connections end that proved something else.
    pub fn use_logins(&self, logins: Logins) {
        let before = self.logins.replace(logins);
        let logins = self.logins.borrow();
        let token = |logins: &Logins, address: &str| logins.at(address).map(|login| login.token.clone());
        self.connections.borrow_mut().retain(|address, _| token(&before, address) == token(&logins, address));
    }

    /// Closes the connections nobody used for a while.
    pub fn close_idle(&self) {
        let now = clock::now();
        self.connections
            .borrow_mut()
            .retain(|_, connection| connection.is_busy() || now - connection.last_used() < IDLE);
    }

    /// A connection whose handshake is done.
    async fn connection(&self, address: &Address) -> Result<Rc<Connection>, Unconnected> {
        let key = address.to_string();
        let known = self.connections.borrow().get(&key).filter(|known| !known.is_over()).cloned();
        let connection = match known {
            Some(connection) => connection,
            None => self.open(address).map_err(|problem| Unconnected::Told(problem.into()))?,
        };
        let Some(welcome) = connection.await_welcome() else { return Ok(connection) };
        let result = match connection.wait(welcome).await {
            Ok(Ok(())) => return Ok(connection),
            Ok(Err(told)) => Unconnected::Told(told),
            Err(_) => Unconnected::Unopened,
        };
        self.connections.borrow_mut().retain(|_, other| !Rc::ptr_eq(other, &connection));
        Err(result)
    }

    fn open(&self, address: &Address) -> Result<Rc<Connection>, Problem> {
        let url = address.to_string();
        let credential = self.logins.borrow().at(&url).map(|login| login.token.clone());
        let connection = Rc::new(Connection::new(view_of(address), credential.as_ref()));
        let (connections, weak) = (Rc::downgrade(&self.connections), Rc::downgrade(&connection));
        let carrier = Carrier::connect(Endpoint { url, credential }, Purpose::Control, move |happening| {
            let Some(connection) = weak.upgrade() else { return };
            if !connection.handle(happening)
                && let Some(connections) = connections.upgrade()
            {
                connections.borrow_mut().retain(|_, other| !Rc::ptr_eq(other, &connection));
            }
        })
        .map_err(|_| problem(phrase!(cant_connect), phrase!(cant_connect_advice)))?;
        connection.attach(carrier);
        self.connections.borrow_mut().insert(address.to_string(), connection.clone());
        Ok(connection)
    }
}

impl Connection {
    /// Finds out what stands at a path: the folder to show, and the file in it that was meant.
    async fn look_at(&self, path: &SharePath) -> Result<Spot, Unanswered> {
        let entry = match self.ask(Request::Stat { path: path.clone() }).await? {
            peer::Reply::Stat(reply) => reply.entry,
            peer::Reply::Failure(failure) => {
                return Ok(Spot {
                    problem: Some(not_there(path, failure.code, self.label(), self.hides_more())),
                    ..Spot::default()
                });
            }
            _ => return Err(lost(self.label()).into()),
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
}

fn view_of(address: &Address) -> ServerView {
    ServerView { address: address.to_string(), label: address.short(), agent: String::new() }
}

fn untrusted(address: &Address, problem: Problem) -> Unanswered {
    Unanswered { problem, needs: Some(Box::new((view_of(address), Need::Trust(address.page("/"))))) }
}

/// The problem to show when the server can't show the path that the user asked for.
fn not_there(path: &SharePath, code: ErrorCode, label: &str, hides_more: bool) -> Problem {
    if code != ErrorCode::NotFound {
        return server_problem(code, "", label);
    }
    let advice = match hides_more {
        true => phrase!(first_folder_instead).and(&phrase!(more_once_logged_in)),
        false => phrase!(first_folder_instead),
    };
    problem(phrase!(path_not_there, path.as_str(), label), advice)
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

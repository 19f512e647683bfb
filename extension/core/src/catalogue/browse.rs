//! Looking at servers: one connection for each, opened when it is needed and closed when it was not for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wasm_bindgen_futures::spawn_local;
use wstp_client::address::Source;
use wstp_client::words::reason;
use wstp_engine::Instant;
use wstp_engine::peer::{self, Due, Event, Patience, Peer, Request};
use wstp_messages::{Credential, Listed, ListedKind, Need, Problem, Reply, ServerView, Spot};
use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{ClientMessage, Entry, EntryKind, ErrorCode, LINK_PATH, Listing, SearchReply, SharePath, features};
use wstp_words::phrase;

use super::address::{self, Address};
use super::ahead::{Ahead, Page};
use super::diagnosis::{Finding, below_prefix, diagnose};
use super::logins::Logins;
use super::typed;
use crate::carrier::{Carrier, Purpose};
use crate::fetching::Endpoint;
use crate::socket::Happening;
use crate::words::{not_wstp, problem, server_problem, unauthorized_problem};
use crate::{AGENT, clock};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(60);
/// The features that browsing uses.
const FEATURES: u64 = features::LINKS | features::LOGIN | features::SEARCH;
/// Entries in one page: as many as a server sends. A folder of 100,000 entries needs 100 of them.
const PAGE: u32 = MAX_LIST_ENTRIES;
/// The same while nobody knows how fast the line is, and on a slow one. At a few hundred bytes a second they come
/// within the patience.
const SHORT_PAGE: u32 = 100;
/// A page that took no longer may be a full one next time.
const QUICK: Duration = Duration::from_secs(2);
/// Requests one connection may have open here; views ask for one at a time.
const MAX_REQUESTS: usize = 16;

type Answer = Result<peer::Reply, Unanswered>;
type Welcomed = Result<(), Unanswered>;

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

struct Connection {
    server: ServerView,
    /// Whether it says who the user is.
    is_proven: bool,
    state: RefCell<State>,
}

/// Why there is no connection.
enum Unconnected {
    /// It is known why.
    Told(Unanswered),
    /// It could not be opened, and nobody said why.
    Unopened,
}

struct State {
    carrier: Option<Carrier>,
    peer: Peer<oneshot::Sender<Answer>>,
    awaiting_welcome: Vec<oneshot::Sender<Welcomed>>,
    last_used: Instant,
    /// Entries to ask for in a page.
    page: u32,
    /// The pages that the view will want next, read while it draws those before.
    ahead: Option<Rc<RefCell<Ahead<Unanswered>>>>,
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
        let request = Request::Search { path, words, cursor: cursor.clone(), limit: SHORT_PAGE };
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
        self.connections.borrow_mut().retain(|_, connection| {
            let state = connection.state.borrow();
            state.peer.under_way() > 0 || now - state.last_used < IDLE
        });
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
        let connection = Rc::new(Connection {
            server: view_of(address),
            is_proven: credential.is_some(),
            state: RefCell::new(State {
                carrier: None,
                peer: new_peer(credential.as_ref()),
                awaiting_welcome: Vec::new(),
                last_used: clock::now(),
                page: SHORT_PAGE,
                ahead: None,
            }),
        });
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
        connection.state.borrow_mut().carrier = Some(carrier);
        self.connections.borrow_mut().insert(address.to_string(), connection.clone());
        Ok(connection)
    }
}

impl Connection {
    fn label(&self) -> &str {
        &self.server.label
    }

    /// Whether the user proved nothing, and a login would show more.
    fn hides_more(&self) -> bool {
        self.knows(features::LOGIN)
    }

    fn knows(&self, feature: u64) -> bool {
        self.state.borrow().peer.welcome().is_some_and(|welcome| welcome.features & feature != 0)
    }

    /// The server refused a request, or the connection as a whole.
    fn refused(&self, code: ErrorCode, text: &str) -> Unanswered {
        if code != ErrorCode::Unauthorized {
            return server_problem(code, text, self.label()).into();
        }
        let problem = unauthorized_problem(self.label(), self.is_proven);
        Unanswered { problem, needs: Some(Box::new((self.server.clone(), Need::Login))) }
    }

    fn agent(&self) -> String {
        self.state.borrow().peer.welcome().map_or_else(String::new, |welcome| welcome.agent.clone())
    }

    /// `None` if the handshake is done.
    fn await_welcome(&self) -> Option<oneshot::Receiver<Welcomed>> {
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

    /// Entries of a folder from a cursor on, and the cursor behind them. Reads on meanwhile.
    async fn read(
        self: &Rc<Self>,
        path: SharePath,
        cursor: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), Unanswered> {
        let ahead = self.state.borrow_mut().ahead.take();
        if let Some(ahead) = ahead.filter(|ahead| ahead.borrow().is_for(&path, cursor.as_deref())) {
            self.state.borrow_mut().ahead = Some(ahead.clone());
            return self.take(ahead).await;
        }
        let Listing { entries, next, .. } = self.page(path.clone(), cursor).await?;
        if let Some(next) = &next {
            let ahead = Rc::new(RefCell::new(Ahead::new(path, next.clone())));
            self.state.borrow_mut().ahead = Some(ahead.clone());
            self.read_on(ahead);
        }
        Ok((entries, next))
    }

    /// Takes what was read ahead, or waits for it.
    async fn take(
        self: &Rc<Self>,
        ahead: Rc<RefCell<Ahead<Unanswered>>>,
    ) -> Result<(Vec<Entry>, Option<String>), Unanswered> {
        loop {
            let page = ahead.borrow_mut().take();
            match page {
                Page::Read(entries, next) => {
                    self.read_on(ahead);
                    return Ok((entries, next));
                }
                Page::Error(error) => {
                    self.state.borrow_mut().ahead = None;
                    return Err(error);
                }
                Page::Coming(coming) => coming.await.map_err(|_| lost(self.label()))?,
            }
        }
    }

    /// Reads ahead, until that is enough or the view wants something else.
    fn read_on(self: &Rc<Self>, ahead: Rc<RefCell<Ahead<Unanswered>>>) {
        let connection = self.clone();
        spawn_local(async move {
            while connection.state.borrow().ahead.as_ref().is_some_and(|wanted| Rc::ptr_eq(wanted, &ahead)) {
                let request = ahead.borrow_mut().poll_request();
                let Some((path, cursor)) = request else { return };
                let answer = connection.page(path, Some(cursor)).await;
                ahead.borrow_mut().handle(answer);
            }
        });
    }

    /// Asks for one page of a folder.
    async fn page(&self, path: SharePath, cursor: Option<String>) -> Result<Listing, Unanswered> {
        let limit = self.state.borrow().page;
        let began = clock::now();
        match self.ask(Request::List { path, cursor, limit }).await? {
            // A page without entries that is not the last would be followed by another one for ever.
            peer::Reply::Listing(listing) if listing.entries.is_empty() && listing.next.is_some() => {
                Err(endless(self.label()).into())
            }
            peer::Reply::Listing(listing) => {
                let is_quick = clock::now() - began <= QUICK;
                self.state.borrow_mut().page = if is_quick { PAGE } else { SHORT_PAGE };
                Ok(listing)
            }
            peer::Reply::Failure(failure) => Err(self.refused(failure.code, &failure.text)),
            _ => Err(lost(self.label()).into()),
        }
    }

    /// Asks the server, and waits for its answer as long as the peer's patience allows.
    async fn ask(&self, request: Request) -> Answer {
        let answer = self.request(request)?;
        self.wait(answer).await.unwrap_or_else(|_| Err(lost(self.label()).into()))
    }

    /// Waits for something that the connection brings or its end ends.
    async fn wait<T>(&self, mut coming: oneshot::Receiver<T>) -> Result<T, oneshot::Canceled> {
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
    fn is_over(&self) -> bool {
        self.state.borrow().carrier.is_none()
    }

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

    /// Whether the connection can still be used.
    fn handle(&self, happening: Happening) -> bool {
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

fn view_of(address: &Address) -> ServerView {
    ServerView { address: address.to_string(), label: address.short(), agent: String::new() }
}

fn untrusted(address: &Address, problem: Problem) -> Unanswered {
    Unanswered { problem, needs: Some(Box::new((view_of(address), Need::Trust(address.page("/"))))) }
}

fn lost(label: &str) -> Problem {
    problem(phrase!(server_closed, label), phrase!(try_again_sentence))
}

fn silent(label: &str) -> Problem {
    problem(phrase!(server_silent, label), phrase!(check_still_runs))
}

fn endless(label: &str) -> Problem {
    problem(phrase!(listing_endless, label), phrase!(ask_server))
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

//! A connection to a server of the protocol, over the carrier that gets through: a WebSocket, or HTTP exchanges where
//! no WebSocket does. A connection for blocks has a response beside its WebSocket, if the server has one.
//!
//! Each worker remembers the servers that only HTTP reached. The catalogue remembers them for all workers: a worker
//! tells it, and gets to know them when it starts.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::Url;
use wstp_client::carrier::{Found, Memory, Ways, find};
use wstp_engine::Instant;

use crate::clock;
use crate::downstream::{self, Reading, Waiting};
use crate::exchange::{self, Exchange};
use crate::fetching::Endpoint;
use crate::socket::{Happening, Socket};

/// How long an open WebSocket waits for the response beside it.
const GRACE: Duration = Duration::from_millis(500);
/// How long the last words may take that come in a response, once its WebSocket is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

static MEMORY: Memory = Memory::new();

/// Hears of a server that turns out to be one that only HTTP reaches.
type Listener = Box<dyn Fn(&str)>;

thread_local! {
    static LISTENERS: RefCell<Vec<Listener>> = RefCell::default();
}

/// Only HTTP reaches the server with this WebSocket URL, as far as another worker knows.
pub fn remember(url: String) {
    MEMORY.add(url, clock::now());
}

/// The WebSocket URLs of the servers that only HTTP reached lately.
pub fn remembered() -> Vec<String> {
    MEMORY.all(clock::now())
}

/// Calls this for each server from now on that only HTTP reaches, with its WebSocket URL.
pub fn on_finding(tell: impl Fn(&str) + 'static) {
    LISTENERS.with_borrow_mut(|listeners| listeners.push(Box::new(tell)));
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Questions and short answers.
    Control,
    /// Blocks, for which a response costs less than messages.
    Blocks,
}

/// An open or opening connection. Dropping it closes it, without any further event.
pub struct Carrier {
    shared: Rc<Shared>,
    /// The search for the way ends when this is dropped.
    _search: oneshot::Sender<Infallible>,
}

struct Shared {
    endpoint: Endpoint,
    purpose: Purpose,
    way: RefCell<Way>,
    is_over: Cell<bool>,
    happened: Box<dyn Fn(Happening)>,
}

enum Way {
    None,
    Socket(Socket),
    /// The server's frames come in the response.
    Joined(Socket, #[expect(dead_code, reason = "it reads until it is dropped")] Reading),
    Exchanges(Exchange),
}

impl Carrier {
    /// Begins to connect to a server. Every event comes later and never from within a call.
    ///
    /// # Errors
    ///
    /// When the browser does not take the URL.
    pub fn connect(
        endpoint: Endpoint,
        purpose: Purpose,
        happened: impl Fn(Happening) + 'static,
    ) -> Result<Self, JsValue> {
        Url::new(&endpoint.url)?;
        let shared = Rc::new(Shared {
            endpoint,
            purpose,
            way: RefCell::new(Way::None),
            is_over: Cell::new(false),
            happened: Box::new(happened),
        });
        let (search, is_dropped) = oneshot::channel();
        let connecting = shared.clone();
        spawn_local(async move {
            let _first = select(pin!(connecting.connect()), is_dropped).await;
        });
        Ok(Self { shared, _search: search })
    }

    /// Sends a frame. On a closed connection it is lost, and the close event follows.
    pub fn send(&self, frame: &[u8]) {
        match &*self.shared.way.borrow() {
            Way::Socket(socket) | Way::Joined(socket, _) => socket.send(frame),
            Way::Exchanges(exchange) => exchange.send(frame),
            Way::None => {}
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared.is_over.set(true);
        self.shared.way.replace(Way::None);
    }
}

impl Shared {
    fn tell(&self, happening: Happening) {
        let is_over = self.is_over.replace(self.is_over.get() || happening == Happening::Closed);
        if !is_over {
            (self.happened)(happening);
        }
    }

    /// Something happened on the WebSocket. If it has a response, the last words are in there, and its end follows.
    fn socket_happened(self: &Rc<Self>, happening: Happening) {
        if happening != Happening::Closed || !matches!(&*self.way.borrow(), Way::Joined(..)) {
            return self.tell(happening);
        }
        let shared = Rc::downgrade(self);
        spawn_local(async move {
            gloo_timers::future::sleep(LAST_WORDS).await;
            if let Some(shared) = shared.upgrade() {
                shared.tell(Happening::Closed);
            }
        });
    }

    /// Finds the way that gets through, and remembers a server that only HTTP reaches.
    async fn connect(self: &Rc<Self>) {
        if MEMORY.has(&self.endpoint.url, clock::now()) {
            return self.use_way(Way::Exchanges(self.exchanges()));
        }
        let (found, waiting) = self.find_with_response().await;
        match found {
            Ok(Found::Socket(socket)) => self.use_socket(socket, waiting),
            Ok(Found::Exchanges) => {
                remember(self.endpoint.url.clone());
                LISTENERS.with_borrow(|listeners| listeners.iter().for_each(|tell| tell(&self.endpoint.url)));
                self.use_way(Way::Exchanges(self.exchanges()));
            }
            Err(Unopened) => self.tell(Happening::Closed),
        }
    }

    /// Finds the way, and asks for a response beside it if that is for blocks.
    async fn find_with_response(self: &Rc<Self>) -> (Result<Found<Socket>, Unopened>, Option<Waiting>) {
        let ways = WaysTo(self);
        if self.purpose == Purpose::Control {
            return (find(&ways).await, None);
        }
        let began = clock::now();
        match select(pin!(find(&ways)), pin!(downstream::request(&self.endpoint))).await {
            Either::Left((Ok(Found::Socket(socket)), requesting)) => {
                // It takes as many round trips as the WebSocket did.
                let grace = GRACE.max(clock::now() - began);
                let waiting = match select(requesting, pin!(gloo_timers::future::sleep(grace))).await {
                    Either::Left((waiting, _)) => waiting,
                    Either::Right(_) => {
                        downstream::forgo(&self.endpoint.url);
                        None
                    }
                };
                (Ok(Found::Socket(socket)), waiting)
            }
            Either::Left((found, _)) => (found, None),
            Either::Right((waiting, finding)) => (finding.await, waiting),
        }
    }

    fn use_socket(self: &Rc<Self>, socket: Socket, waiting: Option<Waiting>) {
        // The server keeps a response only for a time.
        let Some(waiting) = waiting.filter(Waiting::is_fresh) else { return self.use_way(Way::Socket(socket)) };
        socket.say(waiting.name());
        let shared = Rc::downgrade(self);
        let reading = waiting.read(move |happening| {
            if let Some(shared) = shared.upgrade() {
                shared.tell(happening);
            }
        });
        self.use_way(Way::Joined(socket, reading));
    }

    fn use_way(&self, way: Way) {
        self.way.replace(way);
        self.tell(Happening::Opened);
    }

    fn exchanges(self: &Rc<Self>) -> Exchange {
        let shared = Rc::downgrade(self);
        Exchange::begin(self.endpoint.clone(), move |happening| {
            if let Some(shared) = shared.upgrade() {
                shared.tell(happening);
            }
        })
    }
}

/// The ways to a server, for a connection that is to use one of them.
struct WaysTo<'a>(&'a Rc<Shared>);

/// A WebSocket did not open. The browser does not say why.
struct Unopened;

impl Ways for WaysTo<'_> {
    type Socket = Socket;
    type Failure = Unopened;

    async fn open(&self) -> Result<Socket, Unopened> {
        let (tell, told) = oneshot::channel();
        let (tell, shared) = (Cell::new(Some(tell)), Rc::downgrade(self.0));
        let socket = Socket::connect(&self.0.endpoint.url, move |happening| match tell.take() {
            Some(tell) => drop(tell.send(happening == Happening::Opened)),
            None => shared.upgrade().into_iter().for_each(|shared| shared.socket_happened(happening.clone())),
        })
        .map_err(|_| Unopened)?;
        // The browser has no other event for this socket before the one that waits here has gone on.
        match told.await {
            Ok(true) => Ok(socket),
            _ => Err(Unopened),
        }
    }

    fn is_refusal(&self, _failure: &Unopened) -> bool {
        false
    }

    async fn serves_exchanges(&self) -> bool {
        exchange::is_served(&self.0.endpoint).await
    }

    async fn sleep(&self, time: Duration) {
        gloo_timers::future::sleep(time).await;
    }

    fn now(&self) -> Instant {
        clock::now()
    }
}

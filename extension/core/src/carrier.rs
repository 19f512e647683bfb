//! A connection to a server of the protocol, over the carrier that gets through: a WebSocket, or HTTP exchanges where
//! no WebSocket does. The finding is remembered for the server, for a while.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_client::exchanges::{GRACE, HEAD_START};
use wstp_engine::Instant;

use crate::clock;
use crate::exchange::{self, Exchange};
use crate::socket::{Happening, Socket};

/// How long a server counts as one that no WebSocket reaches. The browser may be in another network then.
const REMEMBERED: Duration = Duration::from_secs(600);

thread_local! {
    /// The servers that were reached by HTTP alone, and when.
    static FOUND: RefCell<HashMap<String, Instant>> = RefCell::default();
}

/// An open or opening connection. Dropping it closes it, without any further event.
pub struct Carrier(Rc<Shared>);

struct Shared {
    url: String,
    way: RefCell<Way>,
    is_over: Cell<bool>,
    happened: Box<dyn Fn(Happening)>,
}

enum Way {
    None,
    Socket(Socket),
    Exchanges(Exchange),
}

impl Carrier {
    /// Begins to connect to the server with this WebSocket URL.
    ///
    /// # Errors
    ///
    /// When the browser does not take the URL.
    pub fn connect(url: &str, happened: impl Fn(Happening) + 'static) -> Result<Self, JsValue> {
        let shared = Rc::new(Shared {
            url: url.to_owned(),
            way: RefCell::new(Way::None),
            is_over: Cell::new(false),
            happened: Box::new(happened),
        });
        if is_remembered(url) {
            let shared = shared.clone();
            // As with a socket, every event comes later and never from within a call.
            spawn_local(async move { shared.use_exchanges() });
        } else {
            let opening = shared.open_socket()?;
            spawn_local(shared.clone().find(opening));
        }
        Ok(Self(shared))
    }

    /// Sends a frame. On a closed connection it is lost, and the close event follows.
    pub fn send(&self, frame: &[u8]) {
        match &*self.0.way.borrow() {
            Way::Socket(socket) => socket.send(frame),
            Way::Exchanges(exchange) => exchange.send(frame),
            Way::None => {}
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        self.0.way.replace(Way::None);
    }
}

impl Shared {
    fn tell(&self, happening: Happening) {
        if !self.is_over.get() {
            (self.happened)(happening);
        }
    }

    /// Begins to open a WebSocket, in place of an earlier one. Whether it opened comes out.
    fn open_socket(self: &Rc<Self>) -> Result<oneshot::Receiver<bool>, JsValue> {
        let (tell, told) = oneshot::channel();
        let (tell, shared) = (Cell::new(Some(tell)), Rc::downgrade(self));
        let socket = Socket::connect(&self.url, move |happening| {
            let Some(shared) = shared.upgrade() else { return };
            match (tell.take(), happening) {
                (Some(tell), Happening::Opened) => {
                    shared.tell(Happening::Opened);
                    let _nobody_waits = tell.send(true);
                }
                (Some(tell), _) => drop(tell.send(false)),
                (None, happening) => shared.tell(happening),
            }
        })?;
        self.way.replace(Way::Socket(socket));
        Ok(told)
    }

    /// Waits for the WebSocket. If it does not open, finds out whether HTTP gets through. A WebSocket wins wherever it
    /// opens. It gets more time on a slow line, and a second try where the server was only away for a moment.
    async fn find(self: Rc<Self>, mut opening: oneshot::Receiver<bool>) {
        let opened = match within(HEAD_START, &mut opening).await {
            Some(opened) => opened,
            None => {
                let asked = clock::now();
                match select(&mut opening, Box::pin(exchange::is_served(&self.url))).await {
                    Either::Left((opened, _)) => opened.unwrap_or(false),
                    Either::Right((false, _)) => opening.await.unwrap_or(false),
                    Either::Right((true, _)) => {
                        match within(GRACE.max((clock::now() - asked) * 2), &mut opening).await {
                            Some(opened) => opened,
                            None => return self.use_exchanges(),
                        }
                    }
                }
            }
        };
        if opened || self.is_over.get() {
            return;
        }
        if exchange::is_served(&self.url).await && !self.is_over.get() {
            let again = match self.open_socket() {
                Ok(mut opening) => within(HEAD_START, &mut opening).await,
                Err(_) => None,
            };
            if again != Some(true) {
                self.use_exchanges();
            }
            return;
        }
        self.way.replace(Way::None);
        self.tell(Happening::Closed);
    }

    fn use_exchanges(self: &Rc<Self>) {
        if self.is_over.get() {
            return;
        }
        FOUND.with_borrow_mut(|found| found.insert(self.url.clone(), clock::now()));
        let shared = Rc::downgrade(self);
        let exchange = Exchange::begin(&self.url, move |happening| {
            if let Some(shared) = shared.upgrade() {
                shared.tell(happening);
            }
        });
        self.way.replace(Way::Exchanges(exchange));
        self.tell(Happening::Opened);
    }
}

fn is_remembered(url: &str) -> bool {
    FOUND.with_borrow_mut(|found| {
        let now = clock::now();
        found.retain(|_, at| now - *at < REMEMBERED);
        found.contains_key(url)
    })
}

/// The outcome, if it comes in time.
async fn within(time: Duration, opening: &mut oneshot::Receiver<bool>) -> Option<bool> {
    match select(opening, Box::pin(sleep(time))).await {
        Either::Left((opened, _)) => Some(opened.unwrap_or(false)),
        Either::Right(_) => None,
    }
}

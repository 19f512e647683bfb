//! The response that brings the server's frames of a session whose own frames go over a WebSocket.
//!
//! Chromium takes two thirds of the processor time to read a response that it takes for messages. It has six
//! connections for a host over HTTP/1.1, so all workers together use [`MOST`] of them, and the rest stays free. A lock
//! of the browser's stands for each. It comes free when its worker ends, however that happens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Response};
use wstp_engine::Instant;
use wstp_protocol::exchange::{BESIDE_WEBSOCKET, CONTENT_TYPE, Record, Records};
use wstp_protocol::limits::MAX_SERVER_FRAME;

use crate::clock;
use crate::fetching::{Endpoint, Failed, fetch, head, read};
use crate::socket::Happening;

/// Responses from one server at once, over all workers.
const MOST: u32 = 4;

/// Servers keep a response that no WebSocket claims for longer than this.
const KEPT: Duration = Duration::from_secs(3);

thread_local! {
    /// The servers that have no response for a WebSocket.
    static WITHOUT: RefCell<BTreeSet<String>> = RefCell::default();
}

/// A response that waits for its WebSocket. Dropping it ends it.
pub struct Waiting {
    response: Response,
    name: String,
    since: Instant,
    reading: Reading,
}

/// A response that is read. Dropping it ends it, without any further event.
pub struct Reading {
    url: String,
    controller: AbortController,
    state: Rc<State>,
    _place: Place,
}

#[derive(Default)]
struct State {
    is_read: Cell<bool>,
    has_begun: Cell<bool>,
    is_over: Cell<bool>,
}

/// Asks a server for a response. `None`: it has none, or enough are read from it. Dropping the future gives it up.
pub async fn request(endpoint: &Endpoint) -> Option<Waiting> {
    let url = &endpoint.url;
    // Over TLS an intermediary may carry all responses on one connection, which is slower than several WebSockets.
    if !url.starts_with("ws://") || WITHOUT.with_borrow(|without| without.contains(url)) {
        return None;
    }
    let place = place(url).await?;
    let controller = AbortController::new().ok()?;
    let reading = Reading { url: url.clone(), controller, state: Rc::default(), _place: place };
    // A request that fails says nothing: the server may be away.
    let response = fetch(endpoint, "POST", Some(BESIDE_WEBSOCKET), Some(&[]), &reading.controller).await.ok()?;
    let head = head(&response);
    let name = head.session.filter(|_| head.status == 200 && head.content_type.as_deref() == Some(CONTENT_TYPE));
    // One that lets the user in another time has responses then.
    if name.is_none() && !matches!(head.status, 401 | 429 | 503) {
        forgo(url);
    }
    Some(Waiting { response, name: name?, since: clock::now(), reading })
}

/// Asks this server for no response any more.
pub fn forgo(url: &str) {
    WITHOUT.with_borrow_mut(|without| without.insert(url.to_owned()));
}

impl Waiting {
    /// Whether the server still keeps it.
    pub fn is_fresh(&self) -> bool {
        clock::now() - self.since < KEPT
    }

    /// The name, which the WebSocket is to say first.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the frames. The last event is [`Happening::Closed`].
    pub fn read(self, happened: impl Fn(Happening) + 'static) -> Reading {
        let Self { response, reading, .. } = self;
        let state = reading.state.clone();
        state.is_read.set(true);
        spawn_local(async move {
            let (mut records, mut next) = (Records::new(MAX_SERVER_FRAME), 0);
            let tell = |happening| {
                if !state.is_over.get() {
                    happened(happening);
                }
            };
            let _it_is_over_either_way = read(&response, |piece, tells| {
                let mut position = 0;
                while let Some(record) = records.next(piece, &mut position)? {
                    match record {
                        Record::Frame(number, frame) if number == next => {
                            state.has_begun.set(true);
                            next += 1;
                            tell(Happening::Came(frame.into()));
                        }
                        _ => return Err(Failed),
                    }
                }
                if tells {
                    tell(Happening::Bytes);
                }
                Ok(!state.is_over.get())
            })
            .await;
            tell(Happening::Closed);
        });
        reading
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.state.is_over.set(true);
        self.controller.abort();
        // Something on the way may keep responses until they end.
        if self.state.is_read.get() && !self.state.has_begun.get() {
            forgo(&self.url);
        }
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request)]
    fn request_lock(name: &str, options: &Object, held: &JsValue) -> Promise;
}

/// Allows one response until it is dropped.
struct Place(Function);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.0.call0(&JsValue::UNDEFINED);
    }
}

/// A free place for a response of this server.
async fn place(url: &str) -> Option<Place> {
    for number in 0..MOST {
        if let Some(place) = lock(&format!("{url} {number}")).await {
            return Some(place);
        }
    }
    None
}

/// Takes a lock if nobody has it.
async fn lock(name: &str) -> Option<Place> {
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE).ok()?;
    let (tell, told) = oneshot::channel();
    // The lock is held until the promise is fulfilled.
    let held = Closure::once_into_js(move |lock: JsValue| {
        let mut release = None;
        let promise = Promise::new(&mut |fulfil, _| release = Some(fulfil));
        let place = release.map(Place);
        // A place that nobody waits for is given back at once.
        drop(tell.send(place.filter(|_| !lock.is_null())));
        promise
    });
    let requested = JsFuture::from(request_lock(name, &options, &held));
    match select(told, requested).await {
        Either::Left((place, requested)) => {
            spawn_local(async move { drop(requested.await) });
            place.ok().flatten()
        }
        Either::Right(_) => None,
    }
}

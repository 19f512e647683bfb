//! HTTP exchanges by `fetch`, with the interface of a socket. `wstp-client` says which requests to make.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;
use wstp_client::exchanges::{ASK_AFTER, ExchangeId, Exchanges, Request};
use wstp_protocol::probe::VERSION_FIELD;

use crate::fetching::{Endpoint, Failed, fetch, head, read};
use crate::socket::Happening;

/// Exchanges of one connection at once.
const MOST: usize = 2;
/// Requests of this worker at once. The browser has six connections for a host over HTTP/1.1, and others need some.
const MOST_REQUESTS: usize = 4;
/// How long a server has to say whether it serves exchanges.
const PATIENCE: Duration = Duration::from_secs(3);

/// A connection whose frames go in exchanges. Dropping it ends it, without any further event.
pub struct Exchange(Rc<Shared>);

struct Shared {
    endpoint: Endpoint,
    exchanges: RefCell<Exchanges>,
    requests: RefCell<HashMap<ExchangeId, AbortController>>,
    /// Whether the work is to be done soon.
    is_due: Cell<bool>,
    /// Whether a timer for the question of an idle connection runs.
    asks: Cell<bool>,
    is_over: Cell<bool>,
    happened: Box<dyn Fn(Happening)>,
}

/// Asks whether a server serves exchanges.
pub async fn is_served(endpoint: &Endpoint) -> bool {
    let Ok(controller) = AbortController::new() else { return false };
    let asking = async {
        let response = fetch(endpoint, "POST", None, Some(&[]), &controller).await.ok()?;
        (response.status() == 204).then(|| response.headers().has(VERSION_FIELD).unwrap_or(false))
    };
    match select(Box::pin(asking), Box::pin(sleep(PATIENCE))).await {
        Either::Left((served, _)) => served.unwrap_or(false),
        Either::Right(_) => {
            controller.abort();
            false
        }
    }
}

impl Exchange {
    /// A connection to a server. The first frame begins the session.
    pub fn begin(endpoint: Endpoint, happened: impl Fn(Happening) + 'static) -> Self {
        Self(Rc::new(Shared {
            endpoint,
            exchanges: RefCell::new(Exchanges::new(MOST)),
            requests: RefCell::default(),
            is_due: Cell::new(false),
            asks: Cell::new(false),
            is_over: Cell::new(false),
            happened: Box::new(happened),
        }))
    }

    /// Sends a frame, together with the others of this turn.
    pub fn send(&self, frame: &[u8]) {
        self.0.exchanges.borrow_mut().send(frame.to_vec().into());
        if !self.0.is_due.replace(true) {
            let shared = self.0.clone();
            spawn_local(async move {
                shared.is_due.set(false);
                shared.perform();
            });
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Shared {
    fn tell(&self, happening: Happening) {
        if !self.is_over.get() {
            (self.happened)(happening);
        }
    }

    /// Hands on the frames that came, and makes the requests that are due.
    fn perform(self: &Rc<Self>) {
        while let Some(frame) = self.poll_frame() {
            self.tell(Happening::Came(frame.into()));
        }
        while let Some(request) = self.poll_request() {
            self.request(request);
        }
        if self.exchanges.borrow().is_idle() && !self.is_over.get() && !self.asks.replace(true) {
            let shared = Rc::downgrade(self);
            spawn_local(async move {
                sleep(ASK_AFTER).await;
                let Some(shared) = shared.upgrade() else { return };
                shared.asks.set(false);
                shared.exchanges.borrow_mut().ask();
                shared.perform();
            });
        }
    }

    fn poll_frame(&self) -> Option<bytes::Bytes> {
        self.exchanges.borrow_mut().poll_frame()
    }

    fn poll_request(&self) -> Option<Request> {
        if self.is_over.get() { None } else { self.exchanges.borrow_mut().poll_request() }
    }

    fn request(self: &Rc<Self>, request: Request) {
        let Ok(controller) = AbortController::new() else { return self.fail() };
        self.requests.borrow_mut().insert(request.exchange, controller.clone());
        let shared = self.clone();
        spawn_local(async move {
            let _place = place().await;
            if shared.is_over.get() {
                return;
            }
            let done = shared.exchange(&request, &controller).await;
            shared.requests.borrow_mut().remove(&request.exchange);
            let done = done.and_then(|()| Ok(shared.exchanges.borrow_mut().handle_end(request.exchange)?));
            shared.perform();
            if done.is_err() {
                shared.fail();
            }
        });
    }

    async fn exchange(self: &Rc<Self>, request: &Request, controller: &AbortController) -> Result<(), Failed> {
        let id = request.exchange;
        let response =
            fetch(&self.endpoint, "POST", request.session.as_deref(), Some(&request.body), controller).await?;
        self.exchanges.borrow_mut().handle_head(id, &head(&response))?;
        read(&response, |piece, tells| {
            self.exchanges.borrow_mut().handle_piece(id, piece)?;
            self.perform();
            if tells {
                self.tell(Happening::Bytes);
            }
            Ok(!self.is_over.get())
        })
        .await
    }

    /// The connection is gone.
    fn fail(&self) {
        self.tell(Happening::Closed);
        self.end();
    }

    fn end(&self) {
        if self.is_over.replace(true) {
            return;
        }
        for (_, controller) in self.requests.take() {
            controller.abort();
        }
        let session = self.exchanges.borrow().session().map(str::to_owned);
        if let (Some(session), Ok(controller)) = (session, AbortController::new()) {
            let endpoint = self.endpoint.clone();
            spawn_local(async move {
                let _it_ends_by_itself = fetch(&endpoint, "DELETE", Some(&session), None, &controller).await;
            });
        }
    }
}

thread_local! {
    static PLACES: RefCell<Places> = RefCell::default();
}

/// The requests of this worker, and those who wait to make one.
#[derive(Default)]
struct Places {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// Allows one request until it is dropped.
struct Place;

/// Waits for a place, in the order of the calls.
async fn place() -> Place {
    let waiting = PLACES.with_borrow_mut(|places| {
        if places.taken < MOST_REQUESTS {
            places.taken += 1;
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        places.waiting.push_back(sender);
        Some(receiver)
    });
    match waiting {
        // A sender is dropped only when the worker ends.
        Some(waiting) => waiting.await.unwrap_or_else(|_| Place),
        None => Place,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = PLACES.with_borrow_mut(|places| {
            let next = places.waiting.pop_front();
            places.taken -= usize::from(next.is_none());
            next
        });
        if let Some(next) = next {
            // A waiter that waits no more drops the place, which goes to the next.
            drop(next.send(Self));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn requests_beyond_the_bound_wait_in_order() {
        let mut held: Vec<_> = (0..MOST_REQUESTS).map(|_| place().now_or_never().unwrap()).collect();
        let (mut first, mut second) = (Box::pin(place()), Box::pin(place()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        held.pop();
        assert!(second.as_mut().now_or_never().is_none());
        drop(first.as_mut().now_or_never().unwrap());
        assert!(second.as_mut().now_or_never().is_some());
        drop(held);
        assert_eq!(PLACES.with_borrow(|places| places.taken), 0);
    }
}

//! A server of plain HTTP with the interface of a socket. The engine's [`HttpSource`] decides what to request, and
//! `fetch` requests it.
//!
//! The requests carry nothing of the user's but a token for this very server. They bypass the cache. No more of an
//! answer is read than was requested.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader, Response};
use wstp_engine::http_source::{HttpAnswer, HttpOutput, HttpRequest, HttpSource};
use wstp_messages::Credential;
use wstp_protocol::{ClientMessage, RequestId};

use crate::clock;
use crate::fetching;
use crate::socket::Happening;

/// The shortest time between two reports that a slow answer is arriving.
const TELL: Duration = Duration::from_secs(1);

/// A file at an HTTP server. Dropping it ends its requests, without any further event.
pub struct Plain(Rc<Shared>);

struct Shared {
    url: String,
    credential: Option<Credential>,
    source: RefCell<HttpSource>,
    requests: RefCell<HashMap<RequestId, AbortController>>,
    is_over: Cell<bool>,
    happened: Box<dyn Fn(Happening)>,
}

impl Plain {
    /// Gets ready to request the file at `url`. As with a socket, every event comes later and never from within a call.
    pub fn connect(url: &str, credential: Option<Credential>, happened: impl Fn(Happening) + 'static) -> Self {
        let shared = Rc::new(Shared {
            url: url.to_owned(),
            credential,
            source: RefCell::default(),
            requests: RefCell::default(),
            is_over: Cell::new(false),
            happened: Box::new(happened),
        });
        shared.tell_later(Happening::Opened);
        Self(shared)
    }

    /// Makes the request in a message.
    pub fn send(&self, message: &ClientMessage) {
        self.0.source.borrow_mut().handle_message(message);
        self.0.perform();
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Shared {
    /// Does the source's work until none is left.
    fn perform(self: &Rc<Self>) {
        while let Some(output) = self.poll() {
            match output {
                HttpOutput::Message(message) => self.tell_later(Happening::Came(message.into())),
                HttpOutput::Request(id, request) => self.request(id, request),
                HttpOutput::Abort(id) => {
                    if let Some(controller) = self.requests.borrow_mut().remove(&id) {
                        controller.abort();
                    }
                }
            }
        }
    }

    fn poll(&self) -> Option<HttpOutput> {
        self.source.borrow_mut().poll_output()
    }

    fn tell(&self, happening: Happening) {
        if !self.is_over.get() {
            (self.happened)(happening);
        }
    }

    fn tell_later(self: &Rc<Self>, happening: Happening) {
        let shared = self.clone();
        spawn_local(async move { shared.tell(happening) });
    }

    fn request(self: &Rc<Self>, id: RequestId, request: HttpRequest) {
        let Ok(controller) = AbortController::new() else { return self.fail() };
        self.requests.borrow_mut().insert(id, controller.clone());
        let shared = self.clone();
        spawn_local(async move {
            let answer = shared.ask(&request, &controller).await;
            if shared.requests.borrow_mut().remove(&id).is_none() || shared.is_over.get() {
                // It was cancelled.
                return;
            }
            match answer {
                Ok(answer) => {
                    shared.source.borrow_mut().handle_answer(id, answer);
                    shared.perform();
                }
                Err(_) => shared.fail(),
            }
        });
    }

    async fn ask(&self, request: &HttpRequest, controller: &AbortController) -> Result<HttpAnswer, JsValue> {
        let options = fetching::options("GET", controller);
        let headers = Headers::new()?;
        headers.set("range", &request.range())?;
        fetching::prove(self.credential.as_ref(), &options, &headers)?;
        options.set_headers(&headers);
        let response = fetching::send(&self.url, &options).await?;
        let field = |name: &str| response.headers().get(name).ok().flatten();
        Ok(HttpAnswer {
            status: response.status(),
            content_length: field("content-length"),
            content_range: field("content-range"),
            etag: field("etag"),
            retry_after: field("retry-after"),
            body: body(&response, request.most(), || self.tell(Happening::Bytes)).await?,
        })
    }

    /// The connection is gone.
    fn fail(self: &Rc<Self>) {
        self.tell_later(Happening::Closed);
        let shared = self.clone();
        // In this order: a finished request reports nothing more.
        spawn_local(async move { shared.end() });
    }

    fn end(&self) {
        self.is_over.set(true);
        for (_, controller) in self.requests.take() {
            controller.abort();
        }
    }
}

/// At most the first `most` bytes of the body. Reports now and then that more of it arrives.
async fn body(response: &Response, most: u64, coming: impl Fn()) -> Result<Bytes, JsValue> {
    let Some(stream) = response.body() else { return Ok(Bytes::new()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().dyn_into()?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut told = clock::now();
    while bytes.len() < most {
        let piece = JsFuture::from(reader.read()).await?;
        if Reflect::get(&piece, &"done".into())?.is_truthy() {
            return Ok(bytes.into());
        }
        let piece: Uint8Array = Reflect::get(&piece, &"value".into())?.dyn_into()?;
        let wanted = u32::try_from(most - bytes.len()).unwrap_or(u32::MAX).min(piece.length());
        bytes.extend(piece.subarray(0, wanted).to_vec());
        if clock::now() - told >= TELL {
            told = clock::now();
            coming();
        }
    }
    // Cancels the rest.
    let _ends_by_itself = reader.cancel();
    Ok(bytes.into())
}

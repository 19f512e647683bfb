//! Requests to the endpoint of a server, and responses that are read with little work.
//!
//! A response is read by a byte reader into one buffer, which is used again, and copied once into wasm memory. Nothing
//! more is read before what came was handled. The requests carry nothing of the user's but the proof of who asks.

use std::time::Duration;

use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode,
    RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response, WorkerGlobalScope,
};
use wstp_client::exchanges::{Ended, Head};
use wstp_messages::Credential;
use wstp_protocol::exchange::{CONTENT_TYPE, Piece, RecordError, SESSION_FIELD};

use crate::clock;

/// Bytes read at once.
const BUFFER: u32 = 256 * 1024;
/// The shortest time between two reports that an unfinished frame is arriving.
const TELL: Duration = Duration::from_secs(1);

/// A response can't be read on.
#[derive(Debug)]
pub struct Failed;

impl From<JsValue> for Failed {
    fn from(_: JsValue) -> Self {
        Self
    }
}

impl From<Ended> for Failed {
    fn from(_: Ended) -> Self {
        Self
    }
}

impl From<RecordError> for Failed {
    fn from(_: RecordError) -> Self {
        Self
    }
}

/// Bytes outside of wasm memory.
pub struct Read<'a>(&'a Uint8Array);

impl Piece for Read<'_> {
    fn length(&self) -> usize {
        self.0.length() as usize
    }

    fn copy(&self, start: usize, into: &mut [u8]) {
        // A piece is no longer than the buffer.
        let (start, end) = (start as u32, (start + into.len()) as u32);
        self.0.subarray(start, end).copy_to(into);
    }
}

/// The endpoint of a server, and the proof of who asks there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The WebSocket URL.
    pub url: String,
    /// Goes to this server alone.
    pub credential: Option<Credential>,
}

/// Adds the proof to the head of a request, which then follows no redirect: it would take the proof along.
pub fn prove(credential: Option<&Credential>, options: &RequestInit, headers: &Headers) -> Result<(), JsValue> {
    if let Some(Credential(token)) = credential {
        headers.set("authorization", &format!("Bearer {token}"))?;
        options.set_redirect(RequestRedirect::Error);
    }
    Ok(())
}

/// A request that carries nothing of the user's, and is neither taken from a cache nor kept in one.
pub fn options(method: &str, controller: &AbortController) -> RequestInit {
    let options = RequestInit::new();
    options.set_method(method);
    options.set_signal(Some(&controller.signal()));
    options.set_credentials(RequestCredentials::Omit);
    options.set_cache(RequestCache::NoStore);
    options.set_referrer_policy(web_sys::ReferrerPolicy::NoReferrer);
    options
}

/// Makes a request.
pub async fn send(url: &str, options: &RequestInit) -> Result<Response, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    JsFuture::from(scope.fetch_with_str_and_init(url, options)).await?.dyn_into()
}

/// Makes a request to an endpoint.
pub async fn fetch(
    endpoint: &Endpoint,
    method: &str,
    session: Option<&str>,
    body: Option<&[u8]>,
    controller: &AbortController,
) -> Result<Response, JsValue> {
    let options = options(method, controller);
    options.set_redirect(RequestRedirect::Error);
    let headers = Headers::new()?;
    prove(endpoint.credential.as_ref(), &options, &headers)?;
    if let Some(body) = body {
        headers.set("content-type", CONTENT_TYPE)?;
        options.set_body(&Uint8Array::from(body));
    }
    if let Some(session) = session {
        headers.set(SESSION_FIELD, session)?;
    }
    options.set_headers(&headers);
    send(&http_url(&endpoint.url), &options).await
}

/// The parts of a response's head that matter.
pub fn head(response: &Response) -> Head {
    let field = |name: &str| response.headers().get(name).ok().flatten();
    Head { status: response.status(), content_type: field("content-type"), session: field(SESSION_FIELD) }
}

/// Reads a response's body to its end, or until `take` wants no more of it. `take` gets each piece, and whether it is
/// time to tell that bytes arrive.
pub async fn read(
    response: &Response,
    mut take: impl FnMut(&Read<'_>, bool) -> Result<bool, Failed>,
) -> Result<(), Failed> {
    let Some(stream) = response.body() else { return Err(Failed) };
    let options = ReadableStreamGetReaderOptions::new();
    options.set_mode(ReadableStreamReaderMode::Byob);
    let reader: ReadableStreamByobReader =
        stream.get_reader_with_options(&options).dyn_into().map_err(JsValue::from)?;
    let (mut buffer, mut told) = (ArrayBuffer::new(BUFFER), clock::now());
    loop {
        let view = Uint8Array::new(&buffer);
        let read = JsFuture::from(reader.read_with_array_buffer_view(&view)).await?;
        if Reflect::get(&read, &"done".into())?.is_truthy() {
            return Ok(());
        }
        let piece: Uint8Array = Reflect::get(&read, &"value".into())?.dyn_into()?;
        let tells = clock::now() - told >= TELL;
        if tells {
            told = clock::now();
        }
        if !take(&Read(&piece), tells)? {
            return Ok(());
        }
        // The reader took the old one and gives it back under another name.
        buffer = piece.buffer();
    }
}

/// The URL of plain HTTP for a WebSocket's.
fn http_url(url: &str) -> String {
    url.replacen("ws", "http", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_for_http_is_that_of_the_websocket() {
        assert_eq!(http_url("ws://ws.example:3000/ws"), "http://ws.example:3000/ws");
        assert_eq!(http_url("wss://nas/ws"), "https://nas/ws");
    }
}

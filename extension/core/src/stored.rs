//! Files of the sandbox as responses to requests of the preview page, also while they are fetched.
//!
//! A player reads a URL by ranges. The page's own service worker hands these requests to [`handle_fetch`]. A complete
//! file is read where it lies. For any other the transfer worker is asked, which fetches the wanted blocks first. It
//! sends a piece once it is verified.

use std::time::Duration;

use futures_channel::mpsc::{self, UnboundedReceiver};
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt, stream};
use gloo_timers::future::sleep;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_streams::ReadableStream;
use web_sys::{Blob, BroadcastChannel, Headers, MessageEvent, Request, Response, ResponseInit, Url};
use wstp_bus::Bus;
use wstp_messages::{Inner, TransferId};

use crate::folder_layout::DATA;
use crate::opfs::{Folder, stamp};
use crate::seal::Seal;

/// How often a worker is asked: it may have to be started first.
const AGAIN: Duration = Duration::from_secs(1);
/// A player waits so long for bytes. The page starts it anew later.
const PATIENCE: u32 = 60;
/// The most bytes of a file that are read at once.
pub const PIECE: u64 = 1 << 20;
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request for `/preview/stored/TRANSFER/TYPE/SUBTYPE`.
///
/// # Errors
///
/// When the browser can't make a response.
#[wasm_bindgen]
pub async fn handle_fetch(request: Request) -> Result<Response, JsValue> {
    let path = Url::new(&request.url())?.pathname();
    let Some((transfer, kind)) = transfer_of(&path) else { return refuse(404) };
    let range = request.headers().get("range")?;
    let range = match range.as_deref().map(parse_range) {
        None => None,
        Some(Some(range)) => Some(range),
        Some(None) => return refuse(416),
    };
    if let Some(file) = complete(&transfer).await {
        return whole(&file, kind, range);
    }
    // Only ranges of it are here.
    let Some((from, to)) = range else { return refuse(404) };
    let Some((size, first)) = piece(&transfer, from).await else { return refuse(504) };
    let end = to.map_or(size, |to| to.saturating_add(1).min(size));
    if from >= end {
        return refuse(416);
    }
    let body = ReadableStream::from_stream(bytes(transfer, first, from, end)).into_raw();
    let init = head_of_part(kind, from, end, size)?;
    Response::new_with_opt_readable_stream_and_init(Some(body.unchecked_ref()), &init)
}

/// The bytes up to `end`, of which the first are here. Nothing is read before the player wants it.
fn bytes(
    transfer: TransferId,
    first: Uint8Array,
    from: u64,
    end: u64,
) -> impl Stream<Item = Result<JsValue, JsValue>> + 'static {
    stream::try_unfold((from, Some(first)), move |(at, here)| {
        let transfer = transfer.clone();
        async move {
            if at >= end {
                return Ok(None);
            }
            let here = match here {
                Some(first) => first,
                None => piece(&transfer, at).await.ok_or_else(|| JsError::new("the bytes do not come"))?.1,
            };
            let here = here.subarray(0, here.length().min(u32::try_from(end - at).unwrap_or(u32::MAX)));
            let next = at + u64::from(here.length());
            if next == at {
                return Err(JsError::new("the file is shorter than it was").into());
            }
            Ok(Some((here.into(), (next, None))))
        }
    })
}

/// The size of a file, and bytes of it from `from` on, once they are here; `None` if they don't come.
async fn piece(transfer: &TransferId, from: u64) -> Option<(u64, Uint8Array)> {
    let mut reader = Reader::open(transfer, from).ok()?;
    for _ in 0..PATIENCE {
        if let Some(piece) = reader.read().await {
            return Some(piece);
        }
        // The worker has ended because nothing is missing any more.
        if let Some(file) = complete(transfer).await {
            let piece = file.slice_with_f64_and_f64(from as f64, (from + PIECE) as f64).ok()?;
            let bytes = JsFuture::from(piece.array_buffer()).await.ok()?;
            return Some((file.size() as u64, Uint8Array::new(&bytes)));
        }
    }
    None
}

/// A file that is complete, and as it was when it was verified.
async fn complete(transfer: &TransferId) -> Option<Blob> {
    let sealed = Seal::read(transfer).await?.stamp(0, false)?;
    let file = Folder::find(&["transfers", &transfer.0]).await.ok()?.snapshot(DATA).await.ok()?;
    (stamp(&file) == sealed).then(|| file.into())
}

/// The transfer and the media type in a path.
fn transfer_of(path: &str) -> Option<(TransferId, &str)> {
    let (id, kind) = path.strip_prefix("/preview/stored/")?.split_once('/')?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| (TransferId(id.to_owned()), kind))
}

/// First and last byte of a range; `None` for more than one, and for one that counts from the end.
fn parse_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
    let from = from.parse().ok()?;
    to.is_none_or(|to| from <= to).then_some((from, to))
}

/// The type that a file is served as: nothing that a browser would run.
fn served_as(kind: &str) -> &str {
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    match kind.split_once('/') {
        Some(("audio" | "image" | "video", part)) if is_plain(part) => kind,
        Some(("application", "pdf")) => kind,
        _ => TEXT,
    }
}

fn whole(file: &Blob, kind: &str, range: Option<(u64, Option<u64>)>) -> Result<Response, JsValue> {
    let size = file.size() as u64;
    let Some((from, to)) = range else {
        let init = head(200, kind)?;
        return Response::new_with_opt_blob_and_init(Some(file), &init);
    };
    if from >= size {
        return refuse(416);
    }
    let end = to.map_or(size, |to| to.saturating_add(1).min(size));
    let init = head_of_part(kind, from, end, size)?;
    let part = file.slice_with_f64_and_f64(from as f64, end as f64)?;
    Response::new_with_opt_blob_and_init(Some(&part), &init)
}

fn head_of_part(kind: &str, from: u64, end: u64, size: u64) -> Result<ResponseInit, JsValue> {
    let init = head(206, kind)?;
    let headers: Headers = init.get_headers().unchecked_into();
    headers.set("content-range", &format!("bytes {from}-{}/{size}", end - 1))?;
    headers.set("content-length", &(end - from).to_string())?;
    Ok(init)
}

/// A file is a stranger's: whoever opens its URL gets neither a script nor the extension's rights.
fn head(status: u16, kind: &str) -> Result<ResponseInit, JsValue> {
    let (init, headers, kind) = (ResponseInit::new(), Headers::new()?, served_as(kind));
    headers.set("content-type", kind)?;
    headers.set("x-content-type-options", "nosniff")?;
    headers.set("accept-ranges", "bytes")?;
    headers.set("cache-control", "no-store")?;
    // Chromium shows no PDF in a sandbox. Its viewer runs the file's scripts, if any, without rights.
    if kind != "application/pdf" {
        headers.set("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")?;
    }
    init.set_status(status);
    init.set_headers(&headers);
    Ok(init)
}

fn refuse(status: u16) -> Result<Response, JsValue> {
    Response::new_with_opt_str_and_init(None, &head(status, TEXT)?)
}

/// Waits for the bytes of a file that is being fetched.
struct Reader {
    bus: Bus,
    ask: Inner,
    channel: BroadcastChannel,
    came: UnboundedReceiver<(u64, Uint8Array)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Reader {
    fn open(transfer: &TransferId, offset: u64) -> Result<Self, JsValue> {
        let name = format!("wstp read {}", js_sys::Math::random());
        let (channel, (sender, came)) = (BroadcastChannel::new(&name)?, mpsc::unbounded());
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(piece) = read_piece(&event.data()) {
                // Nobody waits any more only when the request is over.
                let _ = sender.unbounded_send(piece);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let ask = Inner::Read { transfer: transfer.clone(), offset, channel: name };
        Ok(Self { bus: Bus::open(&[], |_| {})?, ask, channel, came, _on_message: on_message })
    }

    /// The size of the file, and bytes of it, if they come soon.
    async fn read(&mut self) -> Option<(u64, Uint8Array)> {
        self.bus.send_inner(self.ask.clone());
        match select(self.came.next(), Box::pin(sleep(AGAIN))).await {
            Either::Left((piece, _)) => piece,
            Either::Right(_) => None,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

fn read_piece(data: &JsValue) -> Option<(u64, Uint8Array)> {
    let said = data.dyn_ref::<Array>()?;
    Some((said.get(0).as_f64()? as u64, said.get(1).dyn_into().ok()?))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_transfer_and_a_type() {
        let id = "0123456789abcdef0123456789abcdef";
        let path = format!("/preview/stored/{id}/video/webm");
        assert_eq!(transfer_of(&path), Some((TransferId(id.to_owned()), "video/webm")));
        for wrong in ["/preview/stored/../x/video/webm", "/preview/stored/0/image/png", "/manager.html", &path[..48]] {
            assert_eq!(transfer_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_range_from_the_beginning_is_read() {
        assert_eq!(parse_range("bytes=0-"), Some((0, None)));
        assert_eq!(parse_range("bytes=5-9"), Some((5, Some(9))));
        for wrong in ["bytes=-5", "bytes=9-5", "bytes=0-1,3-4", "blocks=0-1", "bytes=a-", "bytes=", ""] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_served_as_something_that_runs() {
        for kind in ["image/svg+xml", "video/x-matroska", "audio/mpeg", "application/pdf"] {
            assert_eq!(served_as(kind), kind);
        }
        for kind in ["text/html", "application/javascript", "application/xhtml+xml", "image/x;charset=y", "image", ""] {
            assert_eq!(served_as(kind), TEXT, "{kind}");
        }
    }
}

//! The protocol over HTTP exchanges, the second [carrier](crate::carrier): for clients whose way lets no WebSocket
//! through. `POST /ws` brings frames and takes answers, `DELETE /ws` ends a session. A response can also take the
//! server's frames for a WebSocket ([`downstream`]).
//!
//! The rule for origins is that of the WebSocket. The content type and the field of the session make a browser ask
//! before a page elsewhere may send such a request at all. A credential in the `Authorization` header counts as one in
//! the greeting does, and a session belongs to the one that its first request had.

mod downstream;
mod exchanges;
mod names;
mod response;

use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use sync_wrapper::SyncStream;
use tracing::Instrument;
use warp::reply::{Reply, Response};
use wstp_protocol::exchange::{BESIDE_WEBSOCKET, CONTENT_TYPE, MAX_REQUEST_BODY, SESSION_FIELD, records_in};
use wstp_protocol::limits::MAX_CLIENT_FRAME;

use crate::access::{Credential, NotAdmitted};
use crate::places::Sitting;
use crate::routes::Peer;
use crate::server::Server;
use crate::session::Guest;
use crate::{authorization, origin, session};
use exchanges::{Exchanges, Refused};
use names::{NoSuchSession, SessionName};
use response::Body;

pub use downstream::{Downstream, Downstreams};

/// The sessions whose frames all go in exchanges. Each holds a seat once it is greeted, so they are as many as seats.
pub type OpenExchanges = names::ByName<Arc<Exchanges>>;

/// The reason why a request fails: status and words.
struct Denied(StatusCode, &'static str);

/// Answers `POST`, `DELETE` and `OPTIONS`.
pub async fn answer(
    server: &Arc<Server>,
    peer: &Peer,
    method: Method,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Response {
    let is_welcome = origin::is_allowed(headers, &server.config().allowed_hosts).await;
    let mut response = match respond(server, peer, &method, headers, body, is_welcome).await {
        Ok(response) => response,
        Err(Denied(status, words)) => warp::reply::with_status(words, status).into_response(),
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    fields.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    fields.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| is_welcome) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SESSION_FIELD));
    }
    response
}

async fn respond(
    server: &Arc<Server>,
    peer: &Peer,
    method: &Method,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    is_welcome: bool,
) -> Result<Response, Denied> {
    if !is_welcome {
        const WORDS: &str = "This origin may not connect. The WSTP extension and native programs may.\n";
        return Err(Denied(StatusCode::FORBIDDEN, WORDS));
    }
    if method == Method::OPTIONS {
        return Ok(origin::permission("POST, DELETE", "authorization, content-type, wstp-session"));
    }
    let is_downstream = headers.get(SESSION_FIELD).is_some_and(|value| value == BESIDE_WEBSOCKET);
    let id = if is_downstream { None } else { SessionName::of(headers).transpose()? };
    let credential = peer.credential(headers);
    let session = |id: SessionName| {
        let known = server.exchanges.get(&id).filter(|session| session.is_of(credential.as_ref()));
        known.ok_or(NoSuchSession)
    };
    if method == Method::DELETE {
        session(id.ok_or(NoSuchSession)?)?.leave();
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != CONTENT_TYPE) {
        return Err(Denied(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type must be application/x-wstp.\n"));
    }
    let body = tokio::time::timeout(server.config().timeouts.body, whole(body)).await;
    let body = body.map_err(|_| Denied(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.\n"))??;
    let frames = records_in(&body, MAX_CLIENT_FRAME).map_err(|_| Denied::malformed())?;
    let (id, exchanges) = match id {
        Some(id) => (None, session(id)?),
        None if is_downstream && frames.is_empty() => return downstream::begin(server, peer, credential).await,
        None if is_downstream => return Err(Denied::malformed()),
        // The question whether exchanges are served here.
        None if frames.is_empty() => return Ok(StatusCode::NO_CONTENT.into_response()),
        None => {
            let (id, exchanges) = begin_session(server, peer, credential).await?;
            (Some(id), exchanges)
        }
    };
    let items = exchanges.begin(frames)?;
    let body = Body::new(items, Sitting::on(peer.reader()), move |is_whole| exchanges.finish(is_whole));
    Ok(streamed(body, id.as_ref()))
}

/// A response of records, which may name its session.
fn streamed(body: Body<impl FnOnce(bool) + Send + 'static>, name: Option<&SessionName>) -> Response {
    let mut response = warp::reply::stream(SyncStream::new(body.stream())).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    // nginx would keep the beginning until there is more.
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if let Some(name) = name {
        fields.insert(SESSION_FIELD, name.value());
    }
    response
}

/// Begins a session, which serves its exchanges until it is over.
async fn begin_session(
    server: &Arc<Server>,
    peer: &Peer,
    credential: Option<Credential>,
) -> Result<(SessionName, Arc<Exchanges>), Denied> {
    let exchanges = Exchanges::new(credential);
    let id = server.exchanges.add(exchanges.clone()).ok_or(Denied::unnamed())?;
    let (number, address, reader) = (server.connection_number(), peer.address, peer.reader().clone());
    let guest = Guest { number, address, reader, is_bound: false, credential: None };
    let span = tracing::info_span!("connection", id = number, peer = %address, carrier = "http");
    let (sender, receiver) = exchanges.halves();
    let (serving, ended) = (server.clone(), id.clone());
    let task = async move {
        session::serve(&serving, guest, sender, receiver).await;
        serving.exchanges.remove(&ended);
    };
    server.sessions.spawn(task.instrument(span));
    Ok((id, exchanges))
}

/// The body of a request, if it is not too long.
async fn whole(body: impl Stream<Item = Result<impl Buf, warp::Error>>) -> Result<Bytes, Denied> {
    let (mut body, mut bytes) = (pin!(body), BytesMut::new());
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|_| Denied(StatusCode::BAD_REQUEST, "The request was cut.\n"))?;
        if bytes.len() + piece.remaining() > MAX_REQUEST_BODY {
            return Err(Denied(StatusCode::PAYLOAD_TOO_LARGE, "A request has at most 65,536 bytes.\n"));
        }
        bytes.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
    }
    Ok(bytes.freeze())
}

impl Denied {
    fn malformed() -> Self {
        Self(StatusCode::BAD_REQUEST, "The request is malformed.\n")
    }

    /// The system has no randomness.
    fn unnamed() -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "No session can be named.\n")
    }
}

impl From<NotAdmitted> for Denied {
    fn from(reason: NotAdmitted) -> Self {
        let (status, words, _) = authorization::denied(reason);
        Self(status, words)
    }
}

impl From<NoSuchSession> for Denied {
    fn from(NoSuchSession: NoSuchSession) -> Self {
        Self(StatusCode::GONE, "There is no such session any more. Begin another one.\n")
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Over => NoSuchSession.into(),
            Refused::TooMany => Self(StatusCode::TOO_MANY_REQUESTS, "Too many requests of one session at once.\n"),
            Refused::Malformed(error) => {
                tracing::info!(%error, "malformed records");
                Self::malformed()
            }
        }
    }
}

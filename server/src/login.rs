//! Logging in over HTTP: `POST /login` gives a token for a name and a password, `GET` says who one is, and `DELETE`
//! revokes the token.
//!
//! The credential is always in the `Authorization` header. The rule for origins and names is that of plain files, so no
//! page elsewhere logs in with what a browser remembers.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use warp::reply::{Reply, Response};

use crate::access::{Caller, NotAdmitted};
use crate::authorization;
use crate::origin;
use crate::routes::Peer;
use crate::server::Server;

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(90 * 86_400);

/// Most places that are told.
const MOST_PLACES: usize = 100;

/// The reason why a request fails: status and words, and when to try again.
struct Denied(StatusCode, &'static str, Duration);

/// Answers any request to the path.
pub async fn answer(server: &Arc<Server>, peer: &Peer, method: &Method, headers: &HeaderMap) -> Response {
    let hosts = &server.config().allowed_hosts;
    let is_welcome = origin::is_allowed(headers, hosts).await && origin::foreign_name(headers, hosts).await.is_none();
    let mut response = match respond(server, peer, method, headers, is_welcome).await {
        Ok(response) => response,
        Err(Denied(status, words, retry_after)) => {
            let mut response = warp::reply::with_status(words, status).into_response();
            if status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::ORIGIN) {
                // A browser would ask for name and password by itself, in front of the extension's own question.
                response.headers_mut().insert(header::WWW_AUTHENTICATE, authorization::CHALLENGE);
            }
            if !retry_after.is_zero() {
                response.headers_mut().insert(header::RETRY_AFTER, (retry_after.as_secs() + 1).into());
            }
            response
        }
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| is_welcome) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

async fn respond(
    server: &Arc<Server>,
    peer: &Peer,
    method: &Method,
    headers: &HeaderMap,
    is_welcome: bool,
) -> Result<Response, Denied> {
    if !is_welcome {
        return Err(Denied(StatusCode::FORBIDDEN, "Pages of this origin may not log in here.\n", Duration::ZERO));
    }
    if *method == Method::OPTIONS {
        return Ok(origin::permission("GET, POST, DELETE", "authorization"));
    }
    let (credential, address) = (peer.credential(headers), peer.address.ip());
    let caller = server.control.callers().admit(credential.as_ref(), address).await.inspect_err(|_| {
        server.control.events().note_once(format!("{address}: a refused login"));
    })?;
    match *method {
        Method::GET | Method::HEAD => Ok(who(server, &caller)),
        Method::POST => log_in(server, caller).await,
        Method::DELETE => log_out(server, caller).await,
        _ => Err(Denied(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE is needed.\n", Duration::ZERO)),
    }
}

/// Who the caller is, and the places that it may read, unless it may read all. Someone without a user is `null`.
fn who(server: &Server, caller: &Caller) -> Response {
    let user = server.control.callers().user(caller);
    let user = user.map(|(name, role)| json!({ "name": name.as_str(), "role": role.to_string() }));
    let rights = caller.rights();
    let places = || rights.places().map(|place| place.path().as_str()).take(MOST_PLACES).collect::<Vec<_>>();
    let only = (!rights.is_everything()).then(places);
    let (is_unproven, is_needed) = (caller.is_unproven(), caller.is_unproven() && !rights.is_everything());
    warp::reply::json(&json!({ "user": user, "is_needed": is_needed, "is_proven": !is_unproven, "only": only }))
        .into_response()
}

async fn log_in(server: &Arc<Server>, caller: Caller) -> Result<Response, Denied> {
    if caller.is_unproven() && caller.rights().is_everything() {
        return Err(Denied(StatusCode::NOT_FOUND, "Nobody has to log in here: there are no users.\n", Duration::ZERO));
    }
    let user = server.control.callers().user(&caller);
    let control = server.control.clone();
    let given = tokio::task::spawn_blocking(move || control.callers().log_in(&caller, LASTS.as_secs())).await;
    let given = given.map_err(|_| Denied::not_kept())?.map_err(|error| {
        tracing::error!(%error, "a login can't be kept");
        Denied::not_kept()
    })?;
    match (given, user) {
        (Some((token, expires)), Some((name, role))) => {
            tracing::info!(user = %name, "logged in");
            server.control.events().note(format!("{name} logged in"));
            let user = json!({ "name": name.as_str(), "role": role.to_string() });
            Ok(warp::reply::json(&json!({ "token": token.expose(), "expires": expires, "user": user })).into_response())
        }
        _ => Err(NotAdmitted::Unauthorized.into()),
    }
}

async fn log_out(server: &Arc<Server>, caller: Caller) -> Result<Response, Denied> {
    let control = server.control.clone();
    let done = tokio::task::spawn_blocking(move || {
        let was_there = control.callers().log_out(&caller);
        control.review();
        was_there
    });
    match done.await {
        Ok(Ok(true)) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Ok(false)) => Err(NotAdmitted::Unauthorized.into()),
        Ok(Err(_)) | Err(_) => Err(Denied::not_kept()),
    }
}

impl Denied {
    fn not_kept() -> Self {
        const WORDS: &str = "The server can't keep this. Ask its owner to look at the log.\n";
        Self(StatusCode::INTERNAL_SERVER_ERROR, WORDS, Duration::ZERO)
    }
}

impl From<NotAdmitted> for Denied {
    fn from(reason: NotAdmitted) -> Self {
        let (status, words, retry_after) = authorization::denied(reason);
        Self(status, words, retry_after)
    }
}

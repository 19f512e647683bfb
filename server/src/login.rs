//! Logging in over HTTP: `POST /login` gives a token for a name and a password, `GET` says who one is, and `DELETE`
//! revokes the token. Beneath a share link, `/s/CODE/login` does the same for the link's password.
//!
//! The credential is always in the `Authorization` header. The rule for origins and names is that of plain files, so no
//! page elsewhere logs in with what a browser remembers.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use warp::reply::{Reply, Response};

use crate::access::{Caller, NotAdmitted};
use crate::denied::{self, Denied};
use crate::origin;
use crate::routes::Peer;
use crate::server::Server;

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(90 * 86_400);

/// Most places that are told.
const MOST_PLACES: usize = 100;

/// Answers any request to the path.
pub async fn answer(server: &Arc<Server>, peer: &Peer, method: &Method, headers: &HeaderMap) -> Response {
    denied::answer(server, headers, respond(server, peer, method, headers)).await
}

async fn respond(server: &Arc<Server>, peer: &Peer, method: &Method, headers: &HeaderMap) -> Result<Response, Denied> {
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
        _ => Err(Denied::new(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE is needed.")),
    }
}

/// Who the caller is, and the places that it may read, unless it may read all. Someone without a user is `null`. A
/// visitor of a share link is not told where on the server the link leads.
fn who(server: &Server, caller: &Caller) -> Response {
    let user = server.control.callers().user(caller);
    let user = user.map(|(name, role)| json!({ "name": name.as_str(), "role": role.to_string() }));
    let rights = caller.rights();
    let places = || rights.places().map(|place| place.path().as_str()).take(MOST_PLACES).collect::<Vec<_>>();
    let is_told = !rights.is_everything() && server.control.callers().link(caller).is_none();
    let only = is_told.then(places);
    let (is_unproven, is_needed) = (caller.is_unproven(), caller.is_unproven() && !rights.is_everything());
    warp::reply::json(&json!({ "user": user, "is_needed": is_needed, "is_proven": !is_unproven, "only": only }))
        .into_response()
}

async fn log_in(server: &Arc<Server>, caller: Caller) -> Result<Response, Denied> {
    if caller.is_unproven() && caller.rights().is_everything() {
        return Err(Denied::new(StatusCode::NOT_FOUND, "Nobody has to log in here: there are no users."));
    }
    let (user, link) = (server.control.callers().user(&caller), server.control.callers().link(&caller));
    if link.is_some_and(|link| link.password.is_none()) {
        return Err(Denied::new(StatusCode::NOT_FOUND, "Nobody has to log in here: this link has no password."));
    }
    let by = caller.identity().to_string();
    let control = server.control.clone();
    let given = tokio::task::spawn_blocking(move || control.callers().log_in(&caller, LASTS.as_secs())).await;
    let given = given.map_err(|_| Denied::not_kept())?.map_err(|error| {
        tracing::error!(%error, "a login can't be kept");
        Denied::not_kept()
    })?;
    let (token, expires) = given.ok_or(NotAdmitted::Unauthorized)?;
    tracing::info!(caller = by, "logged in");
    let by = user.as_ref().map_or(by, |(name, _)| name.to_string());
    server.control.events().note(format!("{by} logged in"));
    let user = user.map(|(name, role)| json!({ "name": name.as_str(), "role": role.to_string() }));
    Ok(warp::reply::json(&json!({ "token": token.expose(), "expires": expires, "user": user })).into_response())
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

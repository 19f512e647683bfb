//! The share links of users who are no administrators: `POST /login/links` makes one, `GET` lists those of the
//! caller, and `DELETE /login/links/NUMBER` removes one of them.
//!
//! The credential is always in the `Authorization` header, and the rule for origins and names is that of logging in. So
//! no page elsewhere makes a link with what a browser remembers. A link never opens more than its maker may read, and
//! ends when the maker loses the right to make links.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use http::header;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use warp::reply::{Reply, Response};
use wstp_protocol::{EntryKind, ErrorCode, LINK_PATH};

use crate::access::{Caller, NotAdmitted};
use crate::accounts::changes::{self, Wrong};
use crate::accounts::{Downloads, Link, NewLink, TokenId, UserName, now};
use crate::body;
use crate::denied::{self, Denied};
use crate::origin;
use crate::routes::Peer;
use crate::secret::Secret;
use crate::server::Server;

/// The name of the path, beneath that of logging in.
pub const NAME: &str = "links";
/// Most bytes in the body of a request.
const MAX_BODY: usize = 16 * 1024;
/// Days until a link ends, unless its maker says otherwise.
const DAYS: u32 = 7;
/// Most days until a link ends.
const MAX_DAYS: u32 = 3650;

/// The wishes for a new link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: String,
    days: Option<u32>,
    downloads: Option<u64>,
    password: Option<String>,
}

/// A link, as its maker is told of it.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    path: &'a str,
    expires: u64,
    /// How many downloads may still begin.
    downloads: Option<u64>,
    has_password: bool,
    works: bool,
}

/// Answers any request to the path, or to that of one link.
pub async fn answer<B: Buf>(
    server: &Arc<Server>,
    peer: &Peer,
    method: Method,
    id: Option<&str>,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Response {
    denied::answer(server, headers, respond(server, peer, method, id, headers, body)).await
}

async fn respond<B: Buf>(
    server: &Arc<Server>,
    peer: &Peer,
    method: Method,
    id: Option<&str>,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Denied> {
    if method == Method::OPTIONS {
        return Ok(origin::permission("GET, POST, DELETE", "authorization, content-type"));
    }
    let credential = peer.credential(headers);
    let caller = server.control.callers().admit(credential.as_ref(), peer.address.ip()).await?;
    if caller.is_unproven() {
        return Err(if caller.rights().is_everything() { no_users() } else { NotAdmitted::Unauthorized.into() });
    }
    let maker = server.control.callers().link_maker(&caller).ok_or_else(no_right)?;
    match (method, id) {
        (Method::GET | Method::HEAD, None) => Ok(list(server, &maker)),
        (Method::POST, None) => {
            let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
            let body = tokio::time::timeout(server.config().timeouts.body, body::whole(body, MAX_BODY)).await;
            let wanted = body.ok().flatten().filter(|_| is_json).and_then(|body| serde_json::from_slice(&body).ok());
            make(server, &caller, maker, wanted.ok_or_else(bad_body)?).await
        }
        (Method::DELETE, Some(id)) => remove(server, maker, id).await,
        _ => Err(Denied::new(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE is needed.")),
    }
}

/// The links of one user.
fn list(server: &Server, maker: &UserName) -> Response {
    let accounts = server.control.callers().book().accounts();
    let now = now();
    let told = |(id, link): (&'_ TokenId, &'_ Link)| {
        json!(Told {
            id: id.as_str(),
            path: link.path.as_str(),
            expires: link.expires,
            downloads: link.downloads.map(Downloads::left),
            has_password: link.password.is_some(),
            works: accounts.link_rights(id, now).is_some(),
        })
    };
    let own: Vec<_> = accounts.links.iter().filter(|(_, link)| link.user.as_ref() == Some(maker)).map(told).collect();
    warp::reply::json(&json!({ "links": own })).into_response()
}

async fn make(server: &Arc<Server>, caller: &Caller, maker: UserName, wanted: Wanted) -> Result<Response, Denied> {
    let path = changes::place(&wanted.path).map_err(|words| unfit(&words))?;
    let days = wanted.days.unwrap_or(DAYS);
    if !(1..=MAX_DAYS).contains(&days) || wanted.downloads == Some(0) {
        return Err(bad_body());
    }
    // As the maker sees it: whether something is there that the maker may not see is not told.
    let entry = server.files.store().stat(caller, &path).await.map_err(|refusal| match refusal.code() {
        ErrorCode::Busy | ErrorCode::ShareGone => {
            Denied::new(StatusCode::SERVICE_UNAVAILABLE, refusal.text().to_owned())
        }
        _ => nothing(),
    })?;
    if !matches!(entry.kind, EntryKind::File | EntryKind::Directory) {
        return Err(nothing());
    }
    let event = format!("{maker} made a link to {path} for {days} days");
    let (password, downloads) = (wanted.password.map(Secret::new), wanted.downloads);
    let (id, code) = change(server, move |server| {
        let password = password.map(|password| changes::new_password(&password)).transpose()?;
        let wanted = NewLink { user: Some(maker), path, password, days, downloads };
        server.control.callers().book().update(|accounts| accounts.add_link(wanted))
    })
    .await?;
    server.control.events().note(format!("{event}: {}", id.as_str()));
    let expires = now() + u64::from(days) * changes::DAY;
    let link = format!("{}{}", &LINK_PATH[1..], code.expose());
    Ok(warp::reply::json(&json!({ "id": id.as_str(), "link": link, "expires": expires })).into_response())
}

async fn remove(server: &Arc<Server>, maker: UserName, id: &str) -> Result<Response, Denied> {
    let id: TokenId = id.parse().map_err(|_| no_link())?;
    let event = format!("{maker} removed link {}", id.as_str());
    change(server, move |server| {
        server.control.callers().book().update(|accounts| accounts.remove_own_link(&id, &maker))?;
        server.control.review();
        Ok(())
    })
    .await?;
    server.control.events().note(event);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change<T: Send + 'static>(
    server: &Arc<Server>,
    change: impl FnOnce(&Server) -> Result<T, Wrong> + Send + 'static,
) -> Result<T, Denied> {
    let server = server.clone();
    let changed = tokio::task::spawn_blocking(move || change(&server)).await;
    changed.map_err(|_| Denied::not_kept())?.map_err(Denied::from)
}

fn no_right() -> Denied {
    const WORDS: &str = "You may not make share links here. Ask who runs the server for the right, and log in with \
                         a name and a password or with `wstp login`.";
    Denied::new(StatusCode::FORBIDDEN, WORDS)
}

fn no_users() -> Denied {
    Denied::new(StatusCode::NOT_FOUND, "Nobody can make share links here: there are no users.")
}

fn nothing() -> Denied {
    Denied::new(StatusCode::NOT_FOUND, "There is nothing of that name that you may read.")
}

fn no_link() -> Denied {
    Denied::new(StatusCode::NOT_FOUND, "You have no link of that number.")
}

fn bad_body() -> Denied {
    const WORDS: &str = "JSON is needed, such as {\"path\": \"films/a.mkv\", \"days\": 7}. Days are 1 to 3650.";
    Denied::new(StatusCode::BAD_REQUEST, WORDS)
}

fn unfit(words: &str) -> Denied {
    Denied::new(StatusCode::UNPROCESSABLE_ENTITY, format!("This can't be a link: {words}."))
}

impl From<Wrong> for Denied {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::NoLink(_) => no_link(),
            Wrong::MayNotLink(_) => no_right(),
            Wrong::Book(error) => {
                tracing::error!(%error, "a link can't be kept");
                Self::not_kept()
            }
            other => unfit(&other.to_string()),
        }
    }
}

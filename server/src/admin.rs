//! The administration page at `/admin/`, and the requests that it makes beneath `/admin/api/`.
//!
//! Who may come is checked in this order, for each request:
//! - the setting `admin` says from where; the name in the request must be one of this server's, so no page elsewhere
//!   reaches it under a name of its own;
//! - each request that changes something has a field that only this page's own script can send, and its body is JSON;
//! - all but the visit and the login need the cookie of a login by an administrator, whose proof is checked each time.

mod actions;
mod event_pages;
mod file_pages;
mod first_visit;
mod history;
mod logins;
mod page;
mod share_file;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use sync_wrapper::SyncStream;
use tokio::time::Instant;
use warp::reply::{Reply, Response};
use wstp_admin_messages::{FirstVisit, Login, REQUEST_FIELD, Refused, Visit};

use crate::access::{Caller, Credential, NotAdmitted};
use crate::accounts::{Role, UserName, changes};
use crate::authorization;
use crate::base::Base;
use crate::body;
use crate::config::Audience;
use crate::forwarded;
use crate::origin;
use crate::secret::Secret;
use crate::server::Server;
use event_pages::Format;
use first_visit::Code;
use history::History;
use logins::Logins;

/// The first name of each path here.
pub const ADMIN_PATH: &str = "admin";
/// Most bytes in the body of a request.
const MAX_BODY: usize = 64 * 1024;
/// How often the page is told the state at most.
const STATE_EACH: Duration = Duration::from_secs(1);
/// Most bytes of states that a page is told in a second. With very many clients they come less often.
const STATE_RATE: f64 = 128.0 * 1024.0;

/// The state of the administration.
pub struct Admin {
    logins: Logins,
    code: Code,
    history: History,
}

/// A request for the page, or by it.
pub struct Request<B> {
    /// The method.
    pub method: Method,
    /// The path, which begins with `/admin`.
    pub path: String,
    /// The part of the address after the `?`.
    pub query: String,
    /// The head.
    pub headers: HeaderMap,
    /// The body.
    pub body: B,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The server's own address and port.
    pub local: SocketAddr,
    /// Whether the browser's connection is encrypted: to the server, or to a proxy that the server trusts.
    pub is_encrypted: bool,
}

/// Why a request is refused.
struct Denied {
    status: StatusCode,
    words: String,
    retry_after: Option<Duration>,
}

impl Admin {
    /// Nobody is logged in. A server without an administrator gets a code for the first visit, and logs it.
    pub fn new(has_admin: bool, reach: Audience, base: &Base) -> Self {
        let code = if has_admin || reach == Audience::Off { Code::none() } else { Code::random() };
        if let Some(code) = code.shown() {
            tracing::info!("the first visit of the administration page at {base}{ADMIN_PATH}/ needs this code: {code}");
        }
        Self { logins: Logins::default(), code, history: History::default() }
    }

    /// Takes note of the bytes that were sent since the start. Called once a second.
    pub fn sample(&self, sent: u64) {
        self.history.sample(sent);
    }
}

/// Answers any request to the path.
pub async fn answer<B: Buf>(
    server: &Arc<Server>,
    request: Request<impl Stream<Item = Result<B, warp::Error>>>,
) -> Response {
    let mut response = match respond(server, request).await {
        Ok(response) => response,
        Err(denied) => denied.into_response(),
    };
    let fields = response.headers_mut();
    fields.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    fields.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn respond<B: Buf>(
    server: &Arc<Server>,
    request: Request<impl Stream<Item = Result<B, warp::Error>>>,
) -> Result<Response, Denied> {
    may_come(server, &request.headers, request.client).await?;
    let path = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(ADMIN_PATH)).unwrap_or_default();
    let reads = [Method::GET, Method::HEAD].contains(&request.method);
    let Some(call) = path.strip_prefix("/api/") else {
        return if reads { page::file(path).ok_or_else(Denied::nowhere) } else { Err(Denied::method()) };
    };
    let cookie = logins::Cookie::new(request.local, request.is_encrypted, &server.config().base);
    let caller = server.admin.logins.caller(cookie.of(&request.headers).as_ref(), server.control.callers());
    if reads {
        return match call {
            "visit" => Ok(warp::reply::json(&visit(server, caller.as_ref())).into_response()),
            "state" => Ok(told(server.clone(), cookie, request.headers, caller.ok_or_else(Denied::logged_out)?)),
            "events" => {
                caller.ok_or_else(Denied::logged_out)?;
                event_pages::page(server, &request.query).await
            }
            "files" => file_pages::page(server, &caller.ok_or_else(Denied::logged_out)?, &request.query).await,
            "events.csv" | "events.jsonl" => {
                caller.ok_or_else(Denied::logged_out)?;
                let format = if call == "events.csv" { Format::Csv } else { Format::JsonLines };
                event_pages::export(server, format).await
            }
            _ => Err(Denied::nowhere()),
        };
    }
    if request.method != Method::POST {
        return Err(Denied::method());
    }
    is_own_page(&request.headers)?;
    let patience = server.config().timeouts.body;
    let body = tokio::time::timeout(patience, body::whole(request.body, MAX_BODY)).await.ok().flatten();
    let body = body.ok_or_else(Denied::body)?;
    match call {
        "first" => first(server, parse(&body)?, request.client, &cookie).await,
        "login" => {
            let Login { name, password } = parse(&body)?;
            log_in(server, name, Secret::new(password), request.client, &cookie).await
        }
        "logout" => {
            server.admin.logins.end(cookie.of(&request.headers).as_ref());
            Ok(warp::reply::with_header("{}", header::SET_COOKIE, cookie.cleared()).into_response())
        }
        "do" => {
            let caller = caller.ok_or_else(Denied::logged_out)?;
            let done = actions::perform(server, &caller, parse(&body)?).await?;
            Ok(warp::reply::json(&done).into_response())
        }
        _ => Err(Denied::nowhere()),
    }
}

/// Whether a client may reach the administration at all.
async fn may_come(server: &Server, headers: &HeaderMap, client: SocketAddr) -> Result<(), Denied> {
    let config = server.config();
    match config.admin {
        Audience::Off => return Err(Denied::nowhere()),
        Audience::Local if !forwarded::is_here(client.ip(), headers, &config.proxies) => {
            const WORDS: &str = "The administration page answers on the server's own machine alone. The setting \
                                 admin = \"everywhere\" opens it to others.\n";
            return Err(Denied::new(StatusCode::FORBIDDEN, WORDS));
        }
        Audience::Local | Audience::Everywhere => {}
    }
    if origin::foreign_name(headers, &config.allowed_hosts).await.is_some() {
        const WORDS: &str =
            "This server is not known under this name. Use its address, or start it with --allow-host.\n";
        return Err(Denied::new(StatusCode::FORBIDDEN, WORDS));
    }
    Ok(())
}

/// Whether a request comes from the page's own script.
fn is_own_page(headers: &HeaderMap) -> Result<(), Denied> {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let is_elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    if !headers.contains_key(REQUEST_FIELD) || !is_json || is_elsewhere {
        return Err(Denied::new(StatusCode::FORBIDDEN, "Only the administration page may ask this.\n"));
    }
    Ok(())
}

fn visit(server: &Server, caller: Option<&Caller>) -> Visit {
    match caller.and_then(|caller| server.control.callers().user(caller)) {
        Some((name, _)) => Visit::In { user: name.as_str().to_owned() },
        None if server.admin.code.is_open() => Visit::First,
        None => Visit::Login,
    }
}

/// Makes the first administrator.
async fn first(
    server: &Arc<Server>,
    wanted: FirstVisit,
    client: SocketAddr,
    cookie: &logins::Cookie,
) -> Result<Response, Denied> {
    let name: UserName = wanted.name.parse().map_err(Denied::wrong)?;
    let password = Secret::new(wanted.password);
    if !server.admin.code.is(&wanted.code) {
        server.control.events().note(format!("{}: a wrong code for the first visit", client.ip()));
        let words = "This is not the code in the server's log. After ten wrong ones, a new one needs a restart.\n";
        return Err(Denied::new(StatusCode::FORBIDDEN, words));
    }
    let (making, given, user) = (server.clone(), password.clone(), name.clone());
    let made = tokio::task::spawn_blocking(move || {
        let hash = changes::new_password(&given)?;
        making.control.callers().book().update(|accounts| accounts.add_first_admin(user, hash))?;
        making.control.review();
        Ok::<_, changes::Wrong>(())
    });
    match made.await {
        Ok(Ok(())) => {}
        Ok(Err(wrong)) => return Err(Denied::wrong(wrong)),
        Err(_) => return Err(Denied::not_kept()),
    }
    server.admin.code.close();
    server.control.events().note(format!("{name} is the first administrator, from {}", client.ip()));
    log_in(server, name.as_str().to_owned(), password, client, cookie).await
}

async fn log_in(
    server: &Arc<Server>,
    name: String,
    password: Secret,
    client: SocketAddr,
    cookie: &logins::Cookie,
) -> Result<Response, Denied> {
    let callers = server.control.callers();
    let shown: String = name.chars().take(64).collect();
    let refused = |words: &str| server.control.events().note(format!("{}: {words} {shown}", client.ip()));
    let credential = Credential::Password(name, password);
    let caller = callers.admit(Some(&credential), client.ip()).await.map_err(|reason| {
        refused("a refused login as");
        Denied::from(reason)
    })?;
    match callers.user(&caller) {
        Some((name, Role::Admin)) => {
            server.control.events().note(format!("{name} logged in to administer, from {}", client.ip()));
            let key = server.admin.logins.begin(caller).ok_or_else(Denied::not_kept)?;
            Ok(warp::reply::with_header("{}", header::SET_COOKIE, cookie.set(&key)).into_response())
        }
        Some(_) => {
            refused("a login without the right to administer as");
            Err(Denied::new(StatusCode::FORBIDDEN, "This user may not administer the server.\n"))
        }
        // Without users every password is as good as none.
        None => Err(NotAdmitted::Unauthorized.into()),
    }
}

/// Tells the state, again and again, for as long as the caller is logged in.
fn told(server: Arc<Server>, cookie: logins::Cookie, headers: HeaderMap, caller: Caller) -> Response {
    let stopping = server.stopping.clone();
    let states = stream::unfold((server, Instant::now(), caller), move |(server, due, caller)| {
        let key = cookie.of(&headers);
        async move {
            tokio::time::sleep_until(due).await;
            // A login that ended ends this, and a page that asks again learns why.
            server.admin.logins.caller(key.as_ref(), server.control.callers())?;
            let state = state::now(&server).await;
            let text = format!("data: {}\n\n", serde_json::to_string(&state).ok()?);
            let due = Instant::now() + STATE_EACH.max(Duration::from_secs_f64(text.len() as f64 / STATE_RATE));
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), (server, due, caller)))
        }
    });
    let states = states.take_until(stopping.cancelled_owned());
    let mut response = warp::reply::stream(SyncStream::new(states)).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A body that is not understood may have a password in it, so the error does not show it.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Denied> {
    serde_json::from_slice(body).map_err(|_| Denied::body())
}

impl Denied {
    fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into(), retry_after: None }
    }

    fn nowhere() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.\n")
    }

    fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "GET or POST is needed.\n")
    }

    fn body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The server does not understand this request. Load the page again.\n")
    }

    fn logged_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "You are logged out. Log in again.\n")
    }

    fn not_kept() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server can't keep this. Its log says why.\n")
    }

    fn wrong(reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence(&reason.to_string()))
    }

    fn into_response(self) -> Response {
        let refused = Refused { error: self.words.trim_end().to_owned() };
        let mut response = warp::reply::with_status(warp::reply::json(&refused), self.status).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        }
        response
    }
}

/// An error as a sentence of its own.
fn sentence(error: &str) -> String {
    let mut letters = error.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

impl From<NotAdmitted> for Denied {
    fn from(reason: NotAdmitted) -> Self {
        let (status, words, wait) = authorization::denied(reason);
        let words = if status == StatusCode::UNAUTHORIZED { "The name or the password is wrong." } else { words };
        Self { status, words: words.to_owned(), retry_after: (!wait.is_zero()).then_some(wait) }
    }
}

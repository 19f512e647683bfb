//! The page of a share link, `/s/CODE`, which says what the link opens, and asks for its password first if it has one.
//!
//! Beneath the same address lie the link's file or folder over plain HTTP, `files/`, and the protocol, `ws`. The code is
//! the one secret that an address may have. It is in no log, no list and no answer to anybody who does not know it.
//! Without the right password, all links look the same.

use std::sync::Arc;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;
use warp::reply::{Reply, Response};
use wstp_protocol::{Entry, EntryKind, ErrorCode, LINK_PATH, SharePath, spelling};
use wstp_text::units;

use crate::access::{Caller, Credential, NotAdmitted, UNLOCKED_FOR};
use crate::accounts::Link;
use crate::authorization::LINK_COOKIE;
use crate::markup::{Encoded, Text};
use crate::origin;
use crate::routes::Peer;
use crate::secret::Secret;
use crate::server::Server;

const PAGE: &str = include_str!("../../www/link.html");
/// As for other pages, and the page's forms go to the server alone.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Most bytes in the body of a request.
const MAX_BODY: usize = 8 * 1024;
/// Longest code that is looked up, in bytes.
const MAX_CODE: usize = 64;

const OVER: &str = "This link has ended, or there never was one.";
const AWAY: &str = "What this link opens is not there at the moment. Try again later, or ask for another link.";
const WRONG: &str = "This is not the password.";
const WAIT: &str = "Too many wrong passwords were tried. Wait a little before the next try.";

/// The link in a request's address: its code, and the address beneath it. `None` for any other address.
pub fn split(uri: &Uri) -> Option<(Secret, Uri)> {
    let path = uri.path_and_query()?.as_str().strip_prefix(LINK_PATH)?;
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let (code, rest) = path.split_at(end);
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse::<PathAndQuery>().ok()?);
    let is_code = !code.is_empty() && code.len() <= MAX_CODE;
    Some((Secret::new(if is_code { code } else { "" }), Uri::from_parts(parts).ok()?))
}

/// Answers a request for the page.
pub async fn answer<B: Buf>(
    server: &Arc<Server>,
    peer: &Peer,
    method: Method,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Response {
    let mut response = match respond(server, peer, method, headers, body).await {
        Ok(response) => response,
        Err((status, words)) => page(server, status, "Share link", &Text(words).to_string(), ""),
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

type Denied = (StatusCode, &'static str);

async fn respond<B: Buf>(
    server: &Arc<Server>,
    peer: &Peer,
    method: Method,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Denied> {
    if origin::foreign_name(headers, &server.config().allowed_hosts).await.is_some() {
        return Err((StatusCode::MISDIRECTED_REQUEST, "This server is not known under this name."));
    }
    let callers = server.control.callers();
    let Some(Credential::Link { code, key, password }) = peer.credential(headers) else {
        return Err((StatusCode::NOT_FOUND, OVER));
    };
    if method == Method::POST {
        let given = tokio::time::timeout(server.config().timeouts.body, password_in(body)).await.ok().flatten();
        let credential = Credential::Link { code: code.clone(), key: None, password: given };
        return match callers.admit(Some(&credential), peer.address.ip()).await {
            Ok(caller) => unlocked(server, peer, &code, &caller),
            Err(NotAdmitted::Unauthorized) => Ok(form(server, peer, &code, StatusCode::FORBIDDEN, WRONG)),
            Err(reason) => Err(denied(reason)),
        };
    }
    if method != Method::GET && method != Method::HEAD {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "This page can be read, and takes a password."));
    }
    let credential = Credential::Link { code: code.clone(), key, password };
    match callers.admit(Some(&credential), peer.address.ip()).await {
        Ok(caller) => shown(server, peer, &code, &caller).await,
        Err(NotAdmitted::Unauthorized) => Ok(form(server, peer, &code, StatusCode::FORBIDDEN, "")),
        Err(reason) => Err(denied(reason)),
    }
}

fn denied(reason: NotAdmitted) -> Denied {
    match reason {
        NotAdmitted::NoLink | NotAdmitted::Unauthorized => (StatusCode::NOT_FOUND, OVER),
        NotAdmitted::TriedTooOften(_) => (StatusCode::TOO_MANY_REQUESTS, WAIT),
        NotAdmitted::Busy => (StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Try again shortly."),
    }
}

/// The page that says what the link opens.
async fn shown(server: &Server, peer: &Peer, code: &Secret, caller: &Caller) -> Result<Response, Denied> {
    let link = server.control.callers().link(caller).ok_or((StatusCode::NOT_FOUND, OVER))?;
    let name =
        SharePath::root().join(link.path.name().unwrap_or_default()).map_err(|_| (StatusCode::NOT_FOUND, AWAY))?;
    let entry = server.files.store().stat(caller, &name).await.map_err(|refusal| match refusal.code() {
        ErrorCode::Busy => (StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Try again shortly."),
        _ => (StatusCode::NOT_FOUND, AWAY),
    })?;
    let at = at(server, peer, code);
    let target = Encoded(&spelling::bytes(&entry.name).unwrap_or_default()).to_string();
    let body = match entry.kind {
        EntryKind::File => format!("<p><a class=\"go\" href=\"{at}/files/{target}\">Download</a></p>"),
        EntryKind::Directory => format!(
            "<form class=\"archive\" action=\"{at}/files/{target}/\">Download all of it as <button name=\"zip\">zip</button> \
             <button name=\"tar\">tar</button></form>\n<p><a href=\"{at}/files/{target}/\">Look inside</a></p>"
        ),
        _ => return Err((StatusCode::NOT_FOUND, AWAY)),
    };
    let body = format!(
        "{body}\n<p class=\"lead\">With <code>wstp</code>, which checks each block and resumes: <code class=\"address\">wstp get \
         {}</code></p>",
        Text(&format!("{}{at}", own_address(server, peer)))
    );
    Ok(page(server, StatusCode::OK, &Text(&entry.name).to_string(), &Text(&about(&entry, &link)).to_string(), &body))
}

/// Size, end and what is left, in words.
fn about(entry: &Entry, link: &Link) -> String {
    let what = if entry.kind == EntryKind::File {
        format!("A file of {}.", units::bytes(entry.size))
    } else {
        "A folder.".to_owned()
    };
    let end = i64::try_from(link.expires).ok().and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok());
    let end = end.map_or_else(String::new, |end| {
        let (day, month, year, hour, minute) = (end.day(), end.month(), end.year(), end.hour(), end.minute());
        format!(" The link ends on {day} {month} {year}, {hour:02}:{minute:02} UTC.")
    });
    let left = link.downloads.map(|downloads| downloads.left());
    let left = left.map_or_else(String::new, |left| format!(" Downloads left: {left}."));
    format!("{what}{end}{left}")
}

/// The page that asks for the password. It says nothing about what the link opens.
fn form(server: &Server, peer: &Peer, code: &Secret, status: StatusCode, words: &str) -> Response {
    let body = format!(
        "<form class=\"unlock\" method=\"post\" action=\"{}\">\n<label for=\"password\">Password</label> <input id=\"password\" \
         name=\"password\" type=\"password\" autocomplete=\"off\" required> <button>Open</button>\n</form>",
        at(server, peer, code)
    );
    let lead = if words.is_empty() { "This link has a password." } else { words };
    page(server, status, "Share link", lead, &body)
}

/// The answer to the right password: a cookie for this link alone, and the way to its page.
fn unlocked(server: &Server, peer: &Peer, code: &Secret, caller: &Caller) -> Result<Response, Denied> {
    let busy = (StatusCode::SERVICE_UNAVAILABLE, "The server can't keep this. Try again shortly.");
    let key = server.control.callers().unlock(caller).ok_or(busy)?;
    let secure = if is_encrypted(server, peer) { "; Secure" } else { "" };
    let at = at(server, peer, code);
    let set = format!(
        "{LINK_COOKIE}={}; Path={at}; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        key.expose(),
        UNLOCKED_FOR.as_secs()
    );
    let mut set = HeaderValue::try_from(set).map_err(|_| busy)?;
    set.set_sensitive(true);
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::SET_COOKIE, set);
    response.headers_mut().insert(header::LOCATION, HeaderValue::try_from(at).map_err(|_| busy)?);
    Ok(response)
}

fn page(server: &Server, status: StatusCode, title: &str, lead: &str, body: &str) -> Response {
    let text = PAGE
        .replace("{base}", &server.config().base.to_string())
        .replace("{title}", title)
        .replace("{lead}", lead)
        .replace("{body}", body);
    warp::reply::with_status(warp::reply::html(text), status).into_response()
}

/// The path of the link's page. Codes of links that exist have no character that is markup.
fn at(server: &Server, peer: &Peer, code: &Secret) -> String {
    let code = Encoded(code.expose().as_bytes());
    debug_assert!(peer.is_by_link());
    format!("{}{LINK_PATH}{code}", server.config().base.as_str())
}

/// Scheme and host, as the client uses them.
fn own_address(server: &Server, peer: &Peer) -> String {
    let scheme = if is_encrypted(server, peer) { "https" } else { "http" };
    format!("{scheme}://{}", peer.host())
}

fn is_encrypted(server: &Server, peer: &Peer) -> bool {
    server.tls.is_some() || peer.is_forwarded_encrypted()
}

/// The password in the body of the form.
async fn password_in<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Option<Secret> {
    let mut body = std::pin::pin!(body);
    let mut all = zeroize::Zeroizing::new(Vec::new());
    while let Some(part) = body.next().await {
        let mut part = part.ok()?;
        if all.len() + part.remaining() > MAX_BODY {
            return None;
        }
        all.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    let text = std::str::from_utf8(&all).ok()?;
    let value = text.split('&').find_map(|pair| pair.strip_prefix("password="))?.replace('+', " ");
    Some(Secret::new(percent_decode_str(&value).decode_utf8().ok()?))
}

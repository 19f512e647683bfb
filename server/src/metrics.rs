//! The server's figures for Prometheus at `/metrics`, and whether it can serve at `/readyz`.
//!
//! All figures are sums that others count already: no name, path, address or secret is a label. The text format is a few
//! lines, so nothing is registered and nothing is counted twice. `docs/server.md` lists the names.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use warp::reply::{Reply, Response};
use wstp_protocol::SharePath;

use crate::access::{Caller, Reach, Refused};
use crate::accounts::Role;
use crate::authorization;
use crate::config::Audience;
use crate::forwarded;
use crate::origin;
use crate::routes::Peer;
use crate::server::Server;

/// The path of the figures.
pub const METRICS_PATH: &str = "metrics";
/// The text format of Prometheus.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// How long a disk may take to answer before its share counts as away.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

/// Answers a request for the figures.
pub async fn answer(server: &Arc<Server>, method: &Method, headers: &HeaderMap, peer: &Peer) -> Response {
    if let Err(denied) = may_read(server, headers, peer).await {
        return denied;
    }
    if ![Method::GET, Method::HEAD].contains(method) {
        return words(StatusCode::METHOD_NOT_ALLOWED, "The figures can only be read, with GET.\n");
    }
    let mut response = warp::reply::Response::new(figures(server).await.0.into());
    response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Says whether any share can be read.
pub async fn readiness(server: &Arc<Server>) -> Response {
    match shares(server).await {
        (_, 1..) if !server.stopping.is_cancelled() => words(StatusCode::OK, "ready\n"),
        _ => words(StatusCode::SERVICE_UNAVAILABLE, "not ready: no shared folder can be read\n"),
    }
}

/// An administrator may read the figures, and by default everybody on this machine.
async fn may_read(server: &Arc<Server>, headers: &HeaderMap, peer: &Peer) -> Result<(), Response> {
    let client = peer.address.ip();
    let config = server.config();
    if origin::foreign_name(headers, &config.allowed_hosts).await.is_some() {
        return Err(words(StatusCode::MISDIRECTED_REQUEST, "This server is not known under this name.\n"));
    }
    match config.metrics {
        Audience::Off => return Err(words(StatusCode::NOT_FOUND, "There is nothing at this address.\n")),
        Audience::Everywhere => return Ok(()),
        Audience::Local if forwarded::is_here(client, headers, &config.proxies) => return Ok(()),
        Audience::Local => {}
    }
    const WORDS: &str = "The figures are for this machine, and for an administrator who logs in (--user NAME). The \
                         setting metrics = \"everywhere\" opens them to all.\n";
    let credential = peer.credential(headers);
    let (status, retry_after) = match server.control.callers().admit(credential.as_ref(), client).await {
        Ok(caller) if is_admin(server, &caller) => return Ok(()),
        Ok(_) if credential.is_some() => (StatusCode::FORBIDDEN, Duration::ZERO),
        Ok(_) => (StatusCode::UNAUTHORIZED, Duration::ZERO),
        Err(reason) => {
            let (status, _, retry_after) = authorization::denied(reason);
            (status, retry_after)
        }
    };
    let mut response = words(status, WORDS);
    let fields = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => drop(fields.insert(header::WWW_AUTHENTICATE, authorization::CHALLENGE)),
        StatusCode::TOO_MANY_REQUESTS => drop(fields.insert(header::RETRY_AFTER, retry_after.as_secs().max(1).into())),
        _ => {}
    }
    Err(response)
}

/// Whether a caller is an administrator, and not with a token for single places.
fn is_admin(server: &Server, caller: &Caller) -> bool {
    let user = server.control.callers().user(caller);
    user.is_some_and(|(_, role)| role == Role::Admin)
        && matches!(caller.rights().reach(&SharePath::root()), Reach::Within(_))
}

/// The number of shares, and of those that can be read now.
async fn shares(server: &Arc<Server>) -> (usize, usize) {
    let shares: Vec<_> = server.config().shares.iter().filter(|share| share.on).cloned().collect();
    let (count, caller) = (shares.len(), Caller::default());
    let mut there = 0;
    for share in shares {
        let Ok(path) = SharePath::parse(share.name.as_deref().unwrap_or_default()) else { continue };
        let looked = tokio::time::timeout(DISK_PATIENCE, server.files.store().stat(&caller, &path)).await;
        there += usize::from(matches!(looked, Ok(Ok(_))));
    }
    (count, there)
}

async fn figures(server: &Arc<Server>) -> Figures {
    let sessions = server.control.sessions().list();
    let callers: BTreeSet<_> = sessions.iter().map(|session| &session.caller).collect();
    let open: usize = sessions.iter().map(|session| session.transfers.len()).sum();
    let (shares, there) = shares(server).await;
    let accounts = server.control.callers().book().accounts();
    let seats = server.places.seats();
    let mut figures = Figures::default();
    figures.gauge("wstp_info", "The version.", &[("version", env!("CARGO_PKG_VERSION"), 1)]);
    figures.gauge("wstp_start_time_seconds", "When the server started, since 1970.", &[("", "", server.started)]);
    figures.counter(
        "wstp_sent_bytes_total",
        "Bytes of files and hashes sent.",
        &[("", "", server.control.sessions().sent())],
    );
    figures.gauge("wstp_sessions", "Connections of the protocol, and plain requests under way.", &one(sessions.len()));
    figures.gauge("wstp_callers", "Users, tokens and addresses that have sessions.", &one(callers.len()));
    figures.gauge("wstp_open_files", "Files that sessions have open.", &one(open));
    figures.gauge("wstp_seats", "Sessions at once that there is room for.", &one(seats.most));
    figures.gauge("wstp_seats_taken", "Seats that sessions have.", &one(seats.taken));
    figures.gauge("wstp_archives", "Different archives that are being sent.", &one(server.archives.under_way()));
    figures.gauge(
        "wstp_hashing_files",
        "Files that are hashed or wait for it.",
        &one(server.files.hashing().unfinished()),
    );
    let answers = server.answers.by_class();
    let classes = ["2xx", "3xx", "4xx", "5xx"];
    let answers: Vec<_> = classes.iter().zip(answers).map(|(class, count)| ("status", *class, count)).collect();
    figures.counter("wstp_plain_answers_total", "Answers to plain requests for files and folders.", &answers);
    let refused = server.control.callers().refused();
    let refused = [Refused::Wrong, Refused::TriedTooOften, Refused::Busy, Refused::NoLink]
        .map(|why| ("reason", why.label(), refused[why as usize]));
    figures.counter("wstp_logins_refused_total", "Requests and connections that were not let in.", &refused);
    figures.gauge("wstp_users", "Users.", &one(accounts.users.len()));
    figures.gauge("wstp_tokens", "Tokens, those of logins too.", &one(accounts.tokens.len()));
    figures.gauge("wstp_links", "Share links.", &one(accounts.links.len()));
    figures.gauge("wstp_shares", "Shares.", &one(shares));
    figures.gauge("wstp_shares_there", "Shares whose folder can be read.", &one(there));
    if let Some(descriptors) = descriptors() {
        figures.gauge("process_open_fds", "Open descriptors.", &one(descriptors));
    }
    if let Some(bytes) = resident() {
        figures.gauge("process_resident_memory_bytes", "Memory in use.", &[("", "", bytes)]);
    }
    figures
}

fn one(count: usize) -> [(&'static str, &'static str, u64); 1] {
    [("", "", count as u64)]
}

fn descriptors() -> Option<usize> {
    // One is the folder itself while it is read.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Figures in the text format.
#[derive(Default)]
struct Figures(String);

impl Figures {
    fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, &str, u64)]) {
        self.add("gauge", name, help, samples);
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[(&str, &str, u64)]) {
        self.add("counter", name, help, samples);
    }

    /// Each sample is a label, its value, and a number. An empty label is none.
    fn add(&mut self, kind: impl Display, name: &str, help: &str, samples: &[(&str, &str, u64)]) {
        // Writing to a text can't fail.
        let _infallible = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (label, value, number) in samples {
            let _infallible = match label.is_empty() {
                true => writeln!(self.0, "{name} {number}"),
                false => writeln!(self.0, "{name}{{{label}=\"{value}\"}} {number}"),
            };
        }
    }
}

fn words(status: StatusCode, text: &'static str) -> Response {
    warp::reply::with_status(text, status).into_response()
}

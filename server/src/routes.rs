//! HTTP: the page, its style, health and figures, the files, and the upgrade to the protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use headers::{HeaderMapExt, SecWebsocketAccept, SecWebsocketKey};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use warp::filters::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use wstp_protocol::probe::{EARLY_FIELD, VERSION_FIELD};
use wstp_protocol::{ENDPOINT_PATH, LINK_PATH, LOGIN_PATH, VERSIONS};

use crate::access::Credential;
use crate::base::Base;
use crate::places::{Reader, Slot};
use crate::plain_http::{self, FILES_PATH, Request};
use crate::secret::Secret;
use crate::server::Server;
use crate::{admin, authorization, exchange, forwarded, links, login, metrics, origin, own_links, session};

const PAGE: &str = include_str!("../../www/index.html");
const STYLE: &str = concat!(include_str!("../../ui/style/tokens.css"), include_str!("../../www/style.css"));

const NO_UPGRADE: &str = "This address speaks WSTP over WebSockets. Open it with the extension.\n";

/// The client of a TCP connection, and its place.
#[derive(Clone)]
pub struct Peer {
    /// The connection's number.
    pub number: u64,
    /// Address and port.
    pub address: SocketAddr,
    /// The server's own address and port.
    local: SocketAddr,
    /// Given back when the last user of the connection is done.
    slot: Arc<Slot>,
    /// The code of the share link in the request's address.
    link: Option<Secret>,
    /// The facts that a trusted proxy adds to a request.
    told: forwarded::Told,
    /// The server's name in the request.
    host: Option<String>,
}

impl Peer {
    /// A peer that takes a place.
    pub fn new(number: u64, address: SocketAddr, local: SocketAddr, slot: Slot) -> Self {
        let told = forwarded::Told::default();
        Self { number, address, local, slot: Arc::new(slot), link: None, told, host: None }
    }

    /// The server's own address and port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The same connection, for a request to a share link.
    pub fn by_link(&self, code: Secret) -> Self {
        Self { link: Some(code), ..self.clone() }
    }

    /// Whether the request is to a share link.
    pub fn is_by_link(&self) -> bool {
        self.link.is_some()
    }

    /// The server's name and port, as the client uses them.
    pub fn host(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.local.to_string())
    }

    /// Whether a trusted proxy says that the client's connection is encrypted.
    pub fn is_forwarded_encrypted(&self) -> bool {
        self.told.is_encrypted
    }

    /// The proof of who asks: the link in the address, what a trusted proxy says, or what the head of the request has.
    pub fn credential(&self, headers: &HeaderMap) -> Option<Credential> {
        match (&self.link, &self.told.user) {
            (Some(code), _) => Some(authorization::of_link(code.clone(), headers)),
            (None, Some(user)) => Some(Credential::Forwarded(user.clone())),
            (None, None) => authorization::credential(headers),
        }
    }

    /// The prefix of the server's paths, as the client of this request knows it.
    fn prefix(&self, server: &Server) -> String {
        let base = server.config().base.as_str().to_owned();
        match &self.link {
            Some(code) => format!("{base}{LINK_PATH}{}", code.expose()),
            None => base,
        }
    }

    /// The same connection, with what a proxy and the client say in a request.
    fn forwarding(&self, server: &Server, headers: &HeaderMap) -> Self {
        let config = server.config();
        let address = forwarded::client(self.address, headers, &config.proxies);
        let told = forwarded::told(self.address, headers, &config.proxies);
        Self { address, told, host: requested_address(headers).map(str::to_owned), ..self.clone() }
    }

    /// The reader of the sent data.
    pub fn reader(&self) -> &Arc<Reader> {
        self.slot.reader()
    }
}

/// All that one connection can request over HTTP.
pub fn routes(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let (own_address, paged) = (peer.local.to_string(), server.clone());
    let refusing = server.clone();
    let files = files(server.clone(), peer.clone());
    let exchanges = exchanges(server.clone(), peer.clone());
    let logins = logins(server.clone(), peer.clone());
    let own_links = own_links(server.clone(), peer.clone());
    let administration = administration(server.clone(), peer.clone());
    let (figures, ready) = (figures(server.clone(), peer.clone()), ready(server.clone()));
    let endpoint = endpoint(server, peer);
    let health = warp::path("healthz").and(warp::path::end()).and(reads()).map(|| words(StatusCode::OK, "ok\n"));
    let page = warp::path::end().and(reads()).and(warp::header::headers_cloned()).map(move |headers: HeaderMap| {
        let address = match requested_address(&headers) {
            // The scheme of the address is the proxy's secret.
            _ if !paged.config().base.as_str().is_empty() => "the address of this page".to_owned(),
            Some(address) => address.to_owned(),
            None => own_address.clone(),
        };
        warp::reply::html(PAGE.replace("{address}", &address)).into_response()
    });
    let style = warp::path("style.css")
        .and(warp::path::end())
        .and(reads())
        .map(|| warp::reply::with_header(STYLE, header::CONTENT_TYPE, "text/css; charset=utf-8").into_response());
    endpoint
        .or(exchanges)
        .unify()
        .or(logins)
        .unify()
        .or(own_links)
        .unify()
        .or(administration)
        .unify()
        .or(health)
        .unify()
        .or(ready)
        .unify()
        .or(figures)
        .unify()
        .or(page)
        .unify()
        .or(style)
        .unify()
        .or(files)
        .unify()
        .recover(move |rejection: Rejection| {
            let start = refusing.config().base.to_string();
            async move { Ok::<_, Infallible>(refusal(&rejection, &start)) }
        })
        .unify()
        .map(secured)
}

/// The protocol over WebSockets.
fn endpoint(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(&ENDPOINT_PATH[1..])
        .and(warp::path::end())
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .then(move |headers: HeaderMap, upgrade: Option<OnUpgrade>| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            let credential = peer.credential(&headers);
            async move {
                match upgrade_answer(&server, &headers).await {
                    Ok(accept) if let Some(on_upgrade) = upgrade => {
                        let takes_early = server.config().takes_early();
                        session::spawn(server, peer, credential, on_upgrade);
                        switching(accept, takes_early)
                    }
                    Ok(_) => words(StatusCode::UPGRADE_REQUIRED, NO_UPGRADE),
                    Err((status, text)) => words(status, text),
                }
            }
        })
}

/// All that can be requested by a share link.
pub fn of_link(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let (endpoint, exchanges) = (endpoint(server.clone(), peer.clone()), exchanges(server.clone(), peer.clone()));
    let (files, logins) = (files(server.clone(), peer.clone()), logins(server.clone(), peer.clone()));
    let page =
        warp::path::end().and(warp::method()).and(warp::header::headers_cloned()).and(warp::body::stream()).then(
            move |method, headers: HeaderMap, body| {
                let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
                async move { links::answer(&server, &peer, method, &headers, body).await }
            },
        );
    page.or(endpoint)
        .unify()
        .or(exchanges)
        .unify()
        .or(logins)
        .unify()
        .or(files)
        .unify()
        .recover(|_: Rejection| async {
            Ok::<_, Infallible>(words(StatusCode::NOT_FOUND, "There is nothing at this address.\n"))
        })
        .unify()
        .map(secured)
}

/// Whether the server can serve.
fn ready(server: Arc<Server>) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path("readyz").and(warp::path::end()).and(reads()).then(move || {
        let server = server.clone();
        async move { metrics::readiness(&server).await }
    })
}

/// The figures, for any method.
fn figures(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(metrics::METRICS_PATH)
        .and(warp::path::end())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .then(move |method, headers: HeaderMap| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            async move { metrics::answer(&server, &method, &headers, &peer).await }
        })
}

/// The protocol over HTTP exchanges.
fn exchanges(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(&ENDPOINT_PATH[1..])
        .and(warp::path::end())
        .and(warp::post().or(warp::delete()).unify().or(warp::options()).unify())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, headers: HeaderMap, body| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            async move { exchange::answer(&server, &peer, method, &headers, body).await }
        })
}

/// Logging in and out, for any method.
fn logins(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(&LOGIN_PATH[1..]).and(warp::path::end()).and(warp::method()).and(warp::header::headers_cloned()).then(
        move |method, headers: HeaderMap| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            async move { login::answer(&server, &peer, &method, &headers).await }
        },
    )
}

/// The share links of the user who is logged in, for any method.
fn own_links(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let id = warp::path::param::<String>().map(Some).or(warp::any().map(|| None)).unify();
    warp::path(&LOGIN_PATH[1..])
        .and(warp::path(own_links::NAME))
        .and(id)
        .and(warp::path::end())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |id: Option<String>, method, headers: HeaderMap, body| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            async move { own_links::answer(&server, &peer, method, id.as_deref(), &headers, body).await }
        })
}

/// The administration page, for any method.
fn administration(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(admin::ADMIN_PATH)
        .and(warp::method())
        .and(warp::path::full())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query: Option<String>, headers: HeaderMap, body| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            let (path, query) = (path.as_str().to_owned(), query.unwrap_or_default());
            let (client, local) = (peer.address, peer.local);
            let is_encrypted = server.tls.is_some() || peer.is_forwarded_encrypted();
            let request = admin::Request { method, path, query, headers, body, client, local, is_encrypted };
            async move { admin::answer(&server, request).await }
        })
}

/// The shared files over plain HTTP, for any method.
fn files(
    server: Arc<Server>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path(FILES_PATH)
        .and(warp::method())
        .and(warp::path::full())
        .and(query())
        .and(warp::header::headers_cloned())
        .then(move |method, path: FullPath, query, headers: HeaderMap| {
            let (server, peer) = (server.clone(), peer.forwarding(&server, &headers));
            let reader = peer.reader().clone();
            let (path, number, address) = (path.as_str().to_owned(), peer.number, peer.address);
            let (prefix, credential) = (peer.prefix(&server), peer.credential(&headers));
            let request = Request { method, path, prefix, query, headers, credential, reader, number, address };
            async move { plain_http::answer(&server, &request).await }
        })
}

/// The part of the address after the `?`, if there is one.
fn query() -> impl Filter<Extract = (Option<String>,), Error = std::convert::Infallible> + Clone {
    warp::query::raw().map(Some).or(warp::any().map(|| None)).unify()
}

fn reads() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

/// Checks the head of a request to the endpoint. Returns the handshake's answer, or the refusal.
async fn upgrade_answer(
    server: &Server,
    headers: &HeaderMap,
) -> Result<SecWebsocketAccept, (StatusCode, &'static str)> {
    if !origin::is_allowed(headers, &server.config().allowed_hosts).await {
        return Err((
            StatusCode::FORBIDDEN,
            "This origin may not connect. The WSTP extension and native programs may.\n",
        ));
    }
    let is_websocket =
        headers.typed_get::<headers::Upgrade>().is_some_and(|upgrade| upgrade == headers::Upgrade::websocket())
            && headers.typed_get::<headers::Connection>().is_some_and(|connection| connection.contains("upgrade"));
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    match headers.typed_get::<SecWebsocketKey>() {
        Some(key) if is_websocket && version => Ok(key.into()),
        _ => Err((StatusCode::UPGRADE_REQUIRED, NO_UPGRADE)),
    }
}

fn switching(accept: SecWebsocketAccept, takes_early: bool) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().typed_insert(headers::Connection::upgrade());
    response.headers_mut().typed_insert(headers::Upgrade::websocket());
    response.headers_mut().typed_insert(accept);
    if takes_early {
        response.headers_mut().insert(EARLY_FIELD, HeaderValue::from_static("1"));
    }
    response
}

/// The address under which the client found this server, if it contains nothing that could be markup.
fn requested_address(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:[]-".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_plain)).then_some(host)
}

fn words(status: StatusCode, text: &'static str) -> Response {
    warp::reply::with_status(text, status).into_response()
}

fn refusal(rejection: &Rejection, start: &str) -> Response {
    if rejection.is_not_found() {
        let text = format!("There is nothing at this address. The start page is at {start}.\n");
        warp::reply::with_status(text, StatusCode::NOT_FOUND).into_response()
    } else {
        words(StatusCode::METHOD_NOT_ALLOWED, "This address can only be read, with GET.\n")
    }
}

/// The answer to plain HTTP at a port that speaks TLS.
pub fn elsewhere<B>(request: &http::Request<B>, local: SocketAddr, base: &Base) -> Response {
    let own = local.to_string();
    let host = requested_address(request.headers()).unwrap_or(&own);
    let text = format!(
        "This server speaks HTTPS. Browsers and curl find it at https://{host}{base}, the extension and wstp at \
         wss://{host}{}.\n",
        if base.as_str().is_empty() { String::new() } else { format!("{}{ENDPOINT_PATH}", base.as_str()) }
    );
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let location = HeaderValue::try_from(format!("https://{host}{path}"));
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = warp::reply::with_status(text, StatusCode::BAD_REQUEST).into_response();
    if let Ok(location) = location
        && reads
        && path.starts_with('/')
    {
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, location);
    }
    secured(response)
}

/// Adds the headers that protect pages, unless an answer has its own, and the header that names the server's version.
pub fn secured(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response.headers_mut().insert(VERSION_FIELD, VERSIONS.1.into());
    response
}

const SECURITY_HEADERS: [(header::HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

//! The shared files over plain HTTP, for programs and browsers that don't speak the protocol: `/files/PATH`.
//!
//! Read-only (`GET` and `HEAD`), with validators and byte ranges by RFC 9110. The answer for a folder is a page of links,
//! or an archive of everything beneath. Paths go through the same [store](crate::store) as the protocol's. The server hashes nothing for it, and
//! never mixes two versions of a file: when a file changes on the way, the connection ends early.

mod archive;
mod byte_range;
mod conditions;
mod content;
mod delivery;
mod disposition;
mod download;
mod folder_json;
mod folder_page;
mod listing;
mod multipart;
mod query;
mod sorting;
mod stream;
mod target;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use headers::HeaderMapExt;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use warp::reply::{Reply, Response};
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

use crate::access::{Caller, Credential, NotAdmitted, Reach};
use crate::authorization;
use crate::origin;
use crate::places::Reader;
use crate::server::Server;
use crate::store::{Folder, Found};
use archive::ArchiveStream;
pub use archive::Archives;
pub use byte_range::{Wanted, wanted};
use delivery::{Delivery, Overdue};
use download::Representation;
use folder_json::FolderJson;
use folder_page::FolderPage;
use listing::Hashes;
pub(crate) use query::Query;
use stream::FileStream;
use target::Target;

/// The first segment of every path that is answered here.
pub const FILES_PATH: &str = "files";
/// When a client that found no place should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request.
pub struct Request {
    /// `GET`, `HEAD`, or a method that is refused.
    pub method: Method,
    /// The path unchanged: percent-encoded, and beginning with [`FILES_PATH`].
    pub path: String,
    /// The prefix of the path, as the client knows it.
    pub prefix: String,
    /// The part after the `?`.
    pub query: Option<String>,
    /// The head.
    pub headers: HeaderMap,
    /// The proof of who asks.
    pub credential: Option<Credential>,
    /// The client.
    pub reader: Arc<Reader>,
    /// The number of the connection.
    pub number: u64,
    /// The client's address.
    pub address: SocketAddr,
}

impl Request {
    fn query(&self) -> Query<'_> {
        Query(self.query.as_deref().unwrap_or_default())
    }
}

/// How many answers there were, by their class.
#[derive(Default)]
pub struct Answers([AtomicU64; 4]);

impl Answers {
    fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(2);
        if let Some(count) = self.0.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those of success, redirection, client's error and server's error.
    pub fn by_class(&self) -> [u64; 4] {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// The reason why a request fails: status and words, and when to try again.
struct Denied(StatusCode, Cow<'static, str>, Duration);

/// Answers any request to [`FILES_PATH`] and beneath.
pub async fn answer(server: &Arc<Server>, request: &Request) -> Response {
    let is_welcome = origin::is_allowed(&request.headers, &server.config().allowed_hosts).await;
    let mut response = match respond(server, request, is_welcome).await {
        Ok(response) => response,
        Err(denied) => denied.response(),
    };
    server.answers.count(response.status());
    let headers = response.headers_mut();
    // Programs don't care. A page elsewhere can't even show a file as its own picture.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = request.headers.get(header::ORIGIN).filter(|_| is_welcome) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let shown = HeaderValue::from_static("accept-ranges, content-range, etag, repr-digest");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, shown);
    }
    response
}

async fn respond(server: &Arc<Server>, request: &Request, is_welcome: bool) -> Result<Response, Denied> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Denied(
            StatusCode::METHOD_NOT_ALLOWED,
            "Files can only be read, with GET or HEAD.\n".into(),
            RETRY_AFTER,
        ));
    }
    if !is_welcome {
        return Err(Denied(
            StatusCode::FORBIDDEN,
            "Pages of this origin may not read files here.\n".into(),
            RETRY_AFTER,
        ));
    }
    if let Some(name) = origin::foreign_name(&request.headers, &server.config().allowed_hosts).await {
        return Err(Denied::foreign(&name));
    }
    let target = Target::parse(&request.path).ok_or(Refusal::from(ErrorCode::NotFound))?;
    let caller = server.control.callers().admit(request.credential.as_ref(), request.address.ip()).await?;
    if caller.is_unproven() && caller.rights().reach(&target.path) == Reach::Nowhere {
        return Err(NotAdmitted::Unauthorized.into());
    }
    let seat = server.seat(&caller, &request.reader).await.ok_or(Refusal::from(ErrorCode::Busy))?;
    let presence = server.control.sessions().enter((request.number, request.address), caller, false)?;
    let _held = presence.caller.request()?;
    let found = server.files.store().open(&presence.caller, &target.path).await?;
    if request.method == Method::GET {
        begin_download(&presence.caller, request.query(), &target, &found).await?;
    }
    let delivery = Delivery::new(server, &target.path, presence, seat);
    match found {
        Found::File(_) if target.is_folder => Err(Refusal::from(ErrorCode::NotFound).into()),
        Found::File(version) => {
            let hash = server.files.known_root(delivery.caller(), &target.path, &version).await;
            let file = FileStream::new(version).await;
            let about = Representation::of_file(&file, &target.path, hash);
            Ok(download::respond(request, &about, file, delivery))
        }
        Found::Folder(folder) => folder_answer(server, request, target, folder, delivery).await,
    }
}

/// Counts an answer with the bytes of files. Lists of folders are free.
async fn begin_download(caller: &Caller, query: Query<'_>, target: &Target, found: &Found) -> Result<(), Refusal> {
    match found {
        Found::Folder(_) if archive::asked_for(query).is_none() => Ok(()),
        _ => caller.begin_download(&target.path).await,
    }
}

/// Answers a request for a folder: with a page, with JSON, or with an archive.
async fn folder_answer(
    server: &Arc<Server>,
    request: &Request,
    Target { path, is_folder }: Target,
    folder: Box<dyn Folder>,
    mut delivery: Delivery,
) -> Result<Response, Denied> {
    let (query, caller) = (request.query(), delivery.caller().clone());
    if query.has("json") {
        let hashes = Hashes { files: server.files.clone(), caller, path: path.clone() };
        let hashes = Some(hashes).filter(|_| query.has("hash"));
        let view = Box::new(FolderJson::of(path));
        let mut response = listing::respond(request, folder, delivery, view, hashes).await?;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(folder_json::MEDIA_TYPE));
        return Ok(response);
    }
    let Some(format) = archive::asked_for(query) else {
        if !is_folder {
            return Ok(moved_to_folder(&request.prefix, &request.path));
        }
        let order = sorting::Order::asked_for(query);
        let (folder, is_sorted) = match order {
            Some(order) => {
                let sorted = delivery.in_time(sorting::sorted(folder, order)).await;
                sorted.unwrap_or_else(|Overdue| Err(ErrorCode::ShuttingDown.into()))?
            }
            None => (folder, false),
        };
        let view = Box::new(FolderPage::of(&path, server.config().base.clone()).sorted(order, is_sorted));
        let mut response = listing::respond(request, folder, delivery, view, None).await?;
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(folder_page::MEDIA_TYPE));
        fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(folder_page::POLICY));
        return Ok(response);
    };
    let plan = server.archives.plan(server.files.store(), &caller, &path, folder, format);
    let planned = delivery.in_time(plan).await;
    let layout = planned.unwrap_or_else(|Overdue| Err(ErrorCode::ShuttingDown.into()))?;
    let about = Representation::of_archive(&layout);
    let archive = ArchiveStream::new(layout, server.archives.clone(), server.files.clone(), caller);
    Ok(download::respond(request, &about, archive, delivery))
}

/// A folder's links are relative, so its address ends in a slash.
fn moved_to_folder(prefix: &str, path: &str) -> Response {
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    if let Ok(location) = HeaderValue::try_from(format!("{prefix}{path}/")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl Denied {
    /// The request names the server by a name that it does not know.
    fn foreign(name: &str) -> Self {
        let words = format!(
            "This server does not know itself as {name}. Use its IP address or its machine's own name, or start it with:\n\
             wstp-server --allow-host {name}\n"
        );
        Self(StatusCode::MISDIRECTED_REQUEST, words.into(), RETRY_AFTER)
    }

    fn response(self) -> Response {
        let mut response = warp::reply::with_status(self.1.into_owned(), self.0).into_response();
        let headers = response.headers_mut();
        headers.typed_insert(headers::ContentType::text_utf8());
        match self.0 {
            StatusCode::METHOD_NOT_ALLOWED => headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let seconds = self.2.as_secs_f64().ceil() as u64;
                headers.insert(header::RETRY_AFTER, seconds.max(1).into())
            }
            StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, authorization::CHALLENGE),
            _ => None,
        };
        response
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code() {
            ErrorCode::NotFound | ErrorCode::InvalidPath => StatusCode::NOT_FOUND,
            ErrorCode::Forbidden | ErrorCode::UsedUp | ErrorCode::NotAFile | ErrorCode::NotADirectory => {
                StatusCode::FORBIDDEN
            }
            ErrorCode::Busy | ErrorCode::Changed | ErrorCode::ShuttingDown | ErrorCode::ShareGone => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, refusal.text().into(), RETRY_AFTER)
    }
}

impl From<NotAdmitted> for Denied {
    fn from(reason: NotAdmitted) -> Self {
        let (status, words, retry_after) = authorization::denied(reason);
        Self(status, words.into(), retry_after)
    }
}

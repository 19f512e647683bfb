//! The shared files as an administrator browses them: a folder by pages.

use percent_encoding::percent_decode_str;
use warp::reply::{Reply, Response};
use wstp_admin_messages::{FileKind, FileState, FilesPage};
use wstp_protocol::limits::MAX_CURSOR;
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath};
use wstp_provider::Refusal;

use super::Denied;
use crate::access::Caller;
use crate::plain_http::Query;
use crate::server::Server;
use http::StatusCode;

/// Entries in one page.
const PAGE: u32 = 200;

/// The part of a folder that a query asks for.
pub(super) async fn page(server: &Server, caller: &Caller, query: &str) -> Result<Response, Denied> {
    let query = Query(query);
    let path = text(query, "path").unwrap_or_default();
    let path = SharePath::parse(&path).map_err(|_| Denied::body())?;
    let from = text(query, "from");
    if from.as_ref().is_some_and(|from| from.len() > MAX_CURSOR) {
        return Err(Denied::body());
    }
    let listed = server.files.list(caller, &path, from.as_deref(), PAGE).await?;
    let mut entries = Vec::new();
    for entry in listed.entries() {
        entries.push(file(server, caller, &path, entry).await);
    }
    let page = FilesPage { entries, next: listed.next().map(str::to_owned) };
    Ok(warp::reply::json(&page).into_response())
}

/// A parameter of the query. The page's script encodes it for an address, so a plus sign is a plus sign.
fn text(query: Query<'_>, name: &str) -> Option<String> {
    Some(percent_decode_str(query.value(name)?).decode_utf8_lossy().into_owned())
}

async fn file(server: &Server, caller: &Caller, folder: &SharePath, entry: &Entry) -> FileState {
    let kind = kind(entry.kind);
    let is_hashed = match folder.join(&entry.name) {
        Ok(path) if kind == FileKind::File => server.files.known_root_at(caller, &path).await.is_some(),
        _ => false,
    };
    FileState { name: entry.name.clone(), kind, size: entry.size, modified_ms: entry.modified_ms, is_hashed }
}

fn kind(kind: EntryKind) -> FileKind {
    match kind {
        EntryKind::Directory => FileKind::Folder,
        EntryKind::File => FileKind::File,
        EntryKind::Dangling => FileKind::Dangling,
        EntryKind::LeadsOut => FileKind::LeadsOut,
        EntryKind::Circle => FileKind::Circle,
        EntryKind::Unreadable => FileKind::Unreadable,
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code() {
            ErrorCode::Busy | ErrorCode::ShareGone | ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InvalidPath => StatusCode::BAD_REQUEST,
            ErrorCode::Io => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::NOT_FOUND,
        };
        Self::new(status, refusal.text())
    }
}

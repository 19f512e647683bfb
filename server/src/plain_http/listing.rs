//! The entries of a folder as an answer: all of them, sent as the client takes them, as a page or as JSON.
//!
//! An answer that ends is complete. An answer that can't be completed breaks off, and its connection is reset. Without a
//! length, a reset is the only sign that no client takes for an end.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderValue};
use sync_wrapper::SyncStream;
use warp::reply::{Reply, Response};
use wstp_protocol::limits::{MAX_CURSOR, MAX_LIST_ENTRIES};
use wstp_protocol::{Entry, EntryKind, ErrorCode, Hash, SharePath};
use wstp_provider::{Page as Entries, Refusal};

use super::delivery::{Delivery, Overdue};
use super::{Denied, Request};
use crate::access::Caller;
use crate::files::Files;
use crate::places::Reader;
use crate::store::Folder;

/// The query's parameter that names the entry before the first one.
pub const FROM: &str = "from";
/// The query's parameter that says how many entries are sent at most.
pub const LIMIT: &str = "limit";

/// A form of the entries.
pub trait View: Send {
    /// The text before the entries.
    fn head(&self) -> String;

    /// One entry, and the file's hash if it was asked for and is known.
    fn row(&mut self, entry: &Entry, hash: Option<&Hash>) -> String;

    /// The text behind the entries. If there are more, it says where they begin and how many were asked for.
    fn tail(&self, more: Option<(&str, u64)>) -> String;

    /// The text in place of the missing entries.
    fn broken(&self, refusal: &Refusal) -> String;
}

/// The place where hashes are looked up.
pub struct Hashes {
    /// The files.
    pub files: Arc<Files>,
    /// The one on whose behalf.
    pub caller: Caller,
    /// The folder.
    pub path: SharePath,
}

impl Hashes {
    /// The hash of an entry, if it is a file whose hash is known.
    async fn of(&self, entry: &Entry) -> Option<Hash> {
        if entry.kind != EntryKind::File {
            return None;
        }
        let path = self.path.join(&entry.name).ok()?;
        self.files.known_root_at(&self.caller, &path).await
    }
}

/// Answers with the entries of a folder: all, or as many as the query asks for.
pub async fn respond(
    request: &Request,
    folder: Box<dyn Folder>,
    delivery: Delivery,
    view: Box<dyn View>,
    hashes: Option<Hashes>,
) -> Result<Response, Denied> {
    let query = request.query();
    let cursor = query.value(FROM);
    if cursor.is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
        return Err(Refusal::from(ErrorCode::InvalidPath).into());
    }
    let limit = query.value(LIMIT).and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let first = folder.page(cursor, share_of(limit, 0)).await?;
    let reader = request.reader.clone();
    let listing = Listing { folder, reader, delivery, view, hashes, limit, sent: 0, stage: Stage::Head(first) };
    let mut response = warp::reply::stream(SyncStream::new(stream::try_unfold(listing, Listing::next))).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Entries under way to a client.
struct Listing {
    folder: Box<dyn Folder>,
    reader: Arc<Reader>,
    delivery: Delivery,
    view: Box<dyn View>,
    hashes: Option<Hashes>,
    /// Most entries.
    limit: Option<u64>,
    /// Entries so far.
    sent: u64,
    stage: Stage,
}

/// The next part.
enum Stage {
    Head(Entries),
    Rows(Entries),
    /// The entries behind a cursor are to be asked for.
    More(String),
    Break(Refusal),
    End,
}

/// Why an answer is not complete; the connection ends with it.
#[derive(Debug, thiserror::Error)]
#[error("the list of a folder broke off: {0}")]
struct Broken(&'static str);

impl Listing {
    /// The next part, made now; `None` after the last.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        let part = match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Head(first) => {
                self.stage = Stage::Rows(first);
                self.view.head()
            }
            Stage::Rows(entries) => self.rows(&entries).await,
            Stage::More(cursor) => self.more(&cursor).await,
            Stage::Break(refusal) => {
                tracing::info!(reason = refusal.text(), "the list of a folder broke off");
                // The connection sends the previous part meanwhile.
                tokio::task::yield_now().await;
                self.reader.break_off();
                return Err(Broken(refusal.text()));
            }
            Stage::End => return Ok(None),
        };
        Ok(Some((part.into(), self)))
    }

    async fn more(&mut self, cursor: &str) -> String {
        let asked = self.folder.page(Some(cursor), share_of(self.limit, self.sent));
        match self.delivery.in_time(asked).await.unwrap_or_else(|Overdue| Err(ErrorCode::ShuttingDown.into())) {
            Ok(entries) => self.rows(&entries).await,
            Err(refusal) => {
                let text = self.view.broken(&refusal);
                self.stage = Stage::Break(refusal);
                text
            }
        }
    }

    async fn rows(&mut self, entries: &Entries) -> String {
        let mut rows = String::new();
        for entry in entries.entries() {
            let hash = match &self.hashes {
                Some(hashes) => hashes.of(entry).await,
                None => None,
            };
            rows.push_str(&self.view.row(entry, hash.as_ref()));
        }
        self.sent += entries.entries().len() as u64;
        match (entries.next(), self.limit) {
            (None, _) => rows.push_str(&self.view.tail(None)),
            (Some(next), Some(limit)) if self.sent >= limit => rows.push_str(&self.view.tail(Some((next, limit)))),
            (Some(next), _) => self.stage = Stage::More(next.to_owned()),
        }
        rows
    }
}

/// How many entries are asked of the store at once, for at most `limit` when there are so many already.
fn share_of(limit: Option<u64>, sent: u64) -> u32 {
    let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(sent));
    u32::try_from(left).unwrap_or(u32::MAX).min(MAX_LIST_ENTRIES)
}

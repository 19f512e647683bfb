//! The events that an administrator looks for or takes along, by pages. No page waits in memory for its reader.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderValue};
use percent_encoding::percent_decode_str;
use sync_wrapper::SyncStream;
use warp::reply::{Reply, Response};
use wstp_admin_messages::EventsPage;

use super::state::event;
use super::{Denied, sentence};
use crate::events::{self, Event, LogError, Search};
use crate::plain_http::Query;
use crate::server::Server;
use http::StatusCode;

/// Events in one page.
const PAGE: usize = 200;
/// Longest words to look for, in bytes.
const LONGEST: usize = 300;

/// A format for other programs.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// Comma-separated values.
    Csv,
    /// An object a line.
    JsonLines,
}

/// The page of events that a query asks for.
pub(super) async fn page(server: &Arc<Server>, query: &str) -> Result<Response, Denied> {
    let query = Query(query);
    // A plus sign is a space only in forms; the page's script does not send one.
    let text = percent_decode_str(query.value("search").unwrap_or_default()).decode_utf8_lossy().into_owned();
    let before = query.value("before").map(str::parse).transpose().map_err(|_| Denied::body())?;
    if text.len() > LONGEST {
        return Err(Denied::body());
    }
    let search = Search { text, before };
    let mut events = read(server, move |events| events.find(&search, PAGE + 1)).await?;
    let more = events.len() > PAGE;
    events.truncate(PAGE);
    let page = EventsPage { events: events.into_iter().map(event).collect(), more };
    Ok(warp::reply::json(&page).into_response())
}

/// All events, as a file.
pub(super) async fn export(server: &Arc<Server>, format: Format) -> Result<Response, Denied> {
    let (kind, name, head, line): (_, _, _, fn(&Event) -> String) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "wstp-events.csv", events::CSV_HEAD, events::csv_line),
        Format::JsonLines => ("application/jsonl", "wstp-events.jsonl", "", events::json_line),
    };
    // The first page tells whether the events can be read at all.
    let first = after(server, 0).await?;
    let pages = stream::unfold((server.clone(), first), move |(server, page)| async move {
        let last = page.last()?.id;
        let text: String = page.iter().map(line).collect();
        let next = after(&server, last).await.ok()?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), (server, next)))
    });
    let head = stream::iter([Ok(Bytes::from_static(head.as_bytes()))]);
    let body = futures_util::StreamExt::chain(head, pages);
    let mut response = warp::reply::stream(SyncStream::new(body)).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let attached = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).map_err(|_| Denied::nowhere())?;
    fields.insert(header::CONTENT_DISPOSITION, attached);
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

async fn after(server: &Arc<Server>, id: u64) -> Result<Vec<Event>, Denied> {
    read(server, move |events| events.after(id, PAGE)).await
}

async fn read(
    server: &Arc<Server>,
    of: impl FnOnce(&events::Events) -> Result<Vec<Event>, LogError> + Send + 'static,
) -> Result<Vec<Event>, Denied> {
    let server = server.clone();
    match tokio::task::spawn_blocking(move || of(server.control.events())).await {
        Ok(read) => read.map_err(|error| Denied::new(StatusCode::INTERNAL_SERVER_ERROR, sentence(&error.to_string()))),
        Err(_) => Err(Denied::not_kept()),
    }
}

//! A folder as a page of links: all of its entries, sent as the client takes them. Names are text, never markup. Links
//! are relative and percent-encoded to their last special character, so that no name becomes a scheme, a query or a way
//! out.
//!
//! A page that ends is complete. A page that can't be completed says why, and its connection is reset. Without a
//! length, a reset is the only sign that no client takes for an end.

use std::fmt::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sync_wrapper::SyncStream;
use warp::reply::{Reply, Response};
use wstp_protocol::limits::{MAX_CURSOR, MAX_LIST_ENTRIES};
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath, spelling};
use wstp_provider::{Page as Entries, Refusal};

use super::delivery::{Delivery, Overdue};
use super::{Denied, Request};
use crate::places::Reader;
use crate::store::Folder;

/// The query's parameter that names the entry before the page's first one.
const FROM: &str = "from";
/// The query's parameter that says how many entries the page has at most.
const LIMIT: &str = "limit";
/// The characters that need no encoding in a path (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As for other pages, and the page's form asks for an archive. Programs that follow links follow no form, so they don't
/// fetch everything twice.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TEMPLATE: &str = include_str!("../../../www/folder.html");

/// Answers a request for a folder: all of its entries, or as many as the query asks for and a link to the next.
pub async fn respond(
    request: &Request,
    path: &SharePath,
    folder: Box<dyn Folder>,
    delivery: Delivery,
) -> Result<Response, Denied> {
    let query = request.query();
    let cursor = query.value(FROM);
    if cursor.is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
        return Err(Refusal::from(ErrorCode::InvalidPath).into());
    }
    let limit = query.value(LIMIT).and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let first = folder.page(cursor, share_of(limit, 0)).await?;
    let page = Page {
        folder,
        reader: request.reader.clone(),
        delivery,
        is_root: path.is_root(),
        limit,
        sent: 0,
        stage: Stage::Head(title(path), first),
    };
    let mut response = warp::reply::stream(SyncStream::new(stream::try_unfold(page, Page::next))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// A page under way to a client.
struct Page {
    folder: Box<dyn Folder>,
    reader: Arc<Reader>,
    delivery: Delivery,
    is_root: bool,
    /// Most entries on the page.
    limit: Option<u64>,
    /// Entries on the page so far.
    sent: u64,
    stage: Stage,
}

/// The next part of the page.
enum Stage {
    Head(String, Entries),
    Rows(Entries),
    /// The entries behind a cursor are to be asked for.
    More(String),
    Break(Refusal),
    End,
}

/// Why a page is not complete; the connection ends with it.
#[derive(Debug, thiserror::Error)]
#[error("the page of a folder broke off: {0}")]
struct Broken(&'static str);

impl Page {
    /// The next part, made now; `None` after the last.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        let part = match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Head(title, first) => {
                self.stage = Stage::Rows(first);
                self.head(&title)
            }
            Stage::Rows(entries) => self.rows(&entries),
            Stage::More(cursor) => self.more(&cursor).await,
            Stage::Break(refusal) => {
                tracing::info!(reason = refusal.text(), "the page of a folder broke off");
                // The connection sends the previous part meanwhile.
                tokio::task::yield_now().await;
                self.reader.break_off();
                return Err(Broken(refusal.text()));
            }
            Stage::End => return Ok(None),
        };
        Ok(Some((part.into(), self)))
    }

    fn head(&self, title: &str) -> String {
        let up = if self.is_root { "" } else { "      <li><a href=\"../\">Up</a></li>\n" };
        around_rows().0.replace("{title}", title) + up
    }

    async fn more(&mut self, cursor: &str) -> String {
        let asked = self.folder.page(Some(cursor), share_of(self.limit, self.sent));
        match self.delivery.in_time(asked).await.unwrap_or_else(|Overdue| Err(ErrorCode::ShuttingDown.into())) {
            Ok(entries) => self.rows(&entries),
            Err(refusal) => {
                self.stage = Stage::Break(refusal);
                format!("    </ul>\n    <p>The list is not complete. {}</p>\n", Text(refusal.text()))
            }
        }
    }

    fn rows(&mut self, entries: &Entries) -> String {
        let mut rows = String::new();
        for entry in entries.entries() {
            // Writing to a text can't fail.
            let _infallible = writeln!(rows, "      <li>{}</li>", Row(entry));
        }
        self.sent += entries.entries().len() as u64;
        match (entries.next(), self.limit) {
            (None, _) => rows.push_str(&around_rows().1.replace("{more}", "")),
            (Some(next), Some(limit)) if self.sent >= limit => {
                let link = format!("?{FROM}={}&amp;{LIMIT}={limit}", Encoded(next.as_bytes()));
                rows.push_str(&around_rows().1.replace("{more}", &format!("<p><a href=\"{link}\">More</a></p>")));
            }
            (Some(next), _) => self.stage = Stage::More(next.to_owned()),
        }
        rows
    }
}

/// How many entries are asked of the store at once, on a page of at most `limit` that has so many already.
fn share_of(limit: Option<u64>, sent: u64) -> u32 {
    let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(sent));
    u32::try_from(left).unwrap_or(u32::MAX).min(MAX_LIST_ENTRIES)
}

/// The name of a folder as a title.
fn title(path: &SharePath) -> String {
    Text(path.name().unwrap_or("Shared files")).to_string()
}

/// The parts of the template before and behind the rows.
fn around_rows() -> (&'static str, &'static str) {
    TEMPLATE.split_once("{rows}\n").expect("the template has a place for rows")
}

/// A text as markup.
struct Text<'a>(&'a str);

/// Bytes as a segment of a path or a value in a query.
struct Encoded<'a>(&'a [u8]);

/// A line of the list.
struct Row<'a>(&'a Entry);

/// A number of bytes for people.
struct Size(u64);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other if other.is_control() || spelling::is_stand_in(other) => f.write_char('\u{fffd}'),
            other => f.write_char(other),
        })
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percent_encode(self.0, UNRESERVED).fmt(f)
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = spelling::bytes(&self.0.name).unwrap_or_default();
        let (link, name) = (Encoded(&bytes), Text(&self.0.name));
        match self.0.kind {
            EntryKind::Directory => write!(f, "<a href=\"{link}/\"><bdi>{name}</bdi>/</a>"),
            EntryKind::File => write!(f, "<a href=\"{link}\"><bdi>{name}</bdi></a> <span>{}</span>", Size(self.0.size)),
            EntryKind::Dangling => write!(f, "<bdi>{name}</bdi> <span>leads nowhere</span>"),
            EntryKind::LeadsOut => write!(f, "<bdi>{name}</bdi> <span>leads out of what is shared</span>"),
            EntryKind::Circle => write!(f, "<bdi>{name}</bdi> <span>leads round in a circle</span>"),
            EntryKind::Unreadable => write!(f, "<bdi>{name}</bdi> <span>can’t be read</span>"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let (mut value, mut unit) = (self.0 as f64 / 1024.0, 0);
        while value >= 1023.95 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind) -> Entry {
        Entry { name: name.to_owned(), kind, size: 1, modified_ms: None }
    }

    #[test]
    fn names_are_no_markup_and_links_lead_to_them_only() {
        let row = Row(&entry("<b onx=\"1\">&'{rows}", EntryKind::File)).to_string();
        assert!(row.contains("&lt;b onx=&quot;1&quot;&gt;&amp;&#39;{rows}"), "{row}");
        assert!(row.contains("href=\"%3Cb%20onx%3D%221%22%3E%26%27%7Brows%7D\""), "{row}");
        let scheme = Row(&entry("javascript:alert(1)", EntryKind::Directory)).to_string();
        assert!(scheme.contains("href=\"javascript%3Aalert%281%29/\""), "{scheme}");
        assert!(!Row(&entry("gone", EntryKind::Dangling)).to_string().contains("href"));
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, words) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), words);
        }
    }
}

//! A folder as a page of links. Names are text, never markup; links are relative and percent-encoded to their last special character, so
//! that no name becomes a scheme, a query or a way out.

use std::fmt::{self, Write};
use std::sync::Arc;

use http::header::{self, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use warp::reply::{Reply, Response};
use wstp_protocol::limits::{MAX_CURSOR, MAX_LIST_ENTRIES};
use wstp_protocol::{Entry, EntryKind, ErrorCode, ListRequest, Listing, SharePath};

use super::{Denied, Request};
use crate::server::Server;
use crate::share::Refusal;

/// Names the query's parameter that says where a page begins.
const FROM: &str = "from";
/// What need not be encoded in a path (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Answers a request for a folder: one page of its entries, and a link to the next.
pub async fn respond(server: &Arc<Server>, request: &Request, path: SharePath) -> Result<Response, Denied> {
    let cursor = request.query.as_deref().and_then(cursor).map(str::to_owned);
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
        return Err(Refusal::from(ErrorCode::InvalidPath).into());
    }
    let listing = server.files.list(ListRequest { id: 0, path: path.clone(), cursor, limit: MAX_LIST_ENTRIES }).await?;
    let mut response = warp::reply::html(page(&path, &listing)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn cursor(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix(FROM)?.strip_prefix('='))
}

fn page(path: &SharePath, listing: &Listing) -> String {
    let mut rows = String::new();
    if !path.is_root() {
        rows.push_str("      <li><a href=\"../\">Up</a></li>\n");
    }
    for entry in &listing.entries {
        // Writing to a text can't fail.
        let _infallible = writeln!(rows, "      <li>{}</li>", Row(entry));
    }
    let more = match &listing.next {
        Some(next) => format!("<p><a href=\"?{FROM}={}\">More</a></p>", Encoded(next)),
        None => String::new(),
    };
    let title = path.name().unwrap_or("Shared files");
    format!(include_str!("../../../www/folder.html"), title = Text(title), rows = rows.trim_end(), more = more)
}

/// A text as markup.
struct Text<'a>(&'a str);

/// A text as a segment of a path or a value in a query.
struct Encoded<'a>(&'a str);

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
            control if control.is_control() => f.write_char('\u{fffd}'),
            other => f.write_char(other),
        })
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, UNRESERVED).fmt(f)
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, name) = (Encoded(&self.0.name), Text(&self.0.name));
        match self.0.kind {
            EntryKind::Directory => write!(f, "<a href=\"{link}/\"><bdi>{name}</bdi>/</a>"),
            EntryKind::File => write!(f, "<a href=\"{link}\"><bdi>{name}</bdi></a> <span>{}</span>", Size(self.0.size)),
            EntryKind::Dangling => write!(f, "<bdi>{name}</bdi> <span>leads nowhere</span>"),
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

    #[test]
    fn the_cursor_is_found_in_the_query() {
        assert_eq!(cursor("from=d61"), Some("d61"));
        assert_eq!(cursor("a=b&from=d61&c"), Some("d61"));
        assert_eq!(cursor("fromage=d61"), None);
    }
}

//! A folder for scripts: one JSON object, with one entry a line.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wstp_protocol::{Entry, EntryKind, Hash, SharePath, spelling};
use wstp_provider::Refusal;

use super::listing::View;
use crate::markup::Encoded;

/// The media type.
pub const MEDIA_TYPE: &str = "application/json";

/// The JSON of a folder.
pub struct FolderJson {
    path: SharePath,
    has_rows: bool,
}

/// An entry, in the documented shape.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    /// Relative to the folder's address; only for what can be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    /// The BLAKE3 hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

impl FolderJson {
    /// The JSON of the folder at this path.
    pub fn of(path: SharePath) -> Self {
        Self { path, has_rows: false }
    }
}

impl View for FolderJson {
    fn head(&self) -> String {
        format!("{{\"path\":{},\"entries\":[", text(&shown(self.path.as_str())))
    }

    fn row(&mut self, entry: &Entry, hash: Option<&Hash>) -> String {
        let encoded = || Encoded(&spelling::bytes(&entry.name).unwrap_or_default()).to_string();
        let (kind, href) = match entry.kind {
            EntryKind::Directory => ("folder", Some(format!("{}/", encoded()))),
            EntryKind::File => ("file", Some(encoded())),
            EntryKind::Dangling => ("dangling", None),
            EntryKind::LeadsOut => ("outside", None),
            EntryKind::Circle => ("circle", None),
            EntryKind::Unreadable => ("unreadable", None),
        };
        let row = Row {
            name: &shown(&entry.name),
            href,
            kind,
            size: (entry.kind == EntryKind::File).then_some(entry.size),
            modified: entry.modified_ms.and_then(date),
            hash: hash.map(|hash| blake3::Hash::from_bytes(*hash).to_hex().to_string()),
        };
        let separator = if std::mem::replace(&mut self.has_rows, true) { ",\n" } else { "\n" };
        format!("{separator}{}", serde_json::to_string(&row).expect("texts and numbers are JSON"))
    }

    fn tail(&self, more: Option<(&str, u64)>) -> String {
        let next = more.map_or_else(|| "null".to_owned(), |(next, _)| text(next));
        format!("\n],\"next\":{next}}}\n")
    }

    /// Nothing: what is there is no JSON, so no script takes it for complete.
    fn broken(&self, _refusal: &Refusal) -> String {
        String::new()
    }
}

/// A name for people: bytes that are no text are replaced.
fn shown(name: &str) -> String {
    name.replace(spelling::is_stand_in, "\u{fffd}")
}

fn text(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// A date by RFC 3339, in UTC and with milliseconds.
fn date(ms: i64) -> Option<String> {
    let then = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()?;
    then.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_told_by_facts_and_nothing_is_made_up() {
        let mut json = FolderJson::of(SharePath::root());
        let entry = |name: &str, kind, modified_ms| Entry { name: name.to_owned(), kind, size: 3, modified_ms };
        for (entry, hash, expected) in [
            (
                entry("a \"b\"\n", EntryKind::File, Some(1_000_000_000_700)),
                Some([0xab; 32]),
                format!(
                    r#"{{"name":"a \"b\"\n","href":"a%20%22b%22%0A","kind":"file","size":3,"modified":"2001-09-09T01:46:40.7Z","hash":"{}"}}"#,
                    "ab".repeat(32)
                ),
            ),
            (
                entry("sub", EntryKind::Directory, Some(-1)),
                None,
                r#"{"name":"sub","href":"sub/","kind":"folder","modified":"1969-12-31T23:59:59.999Z"}"#.to_owned(),
            ),
            (
                entry("caf\u{efe9}", EntryKind::File, Some(i64::MAX)),
                None,
                "{\"name\":\"caf\u{fffd}\",\"href\":\"caf%E9\",\"kind\":\"file\",\"size\":3}".to_owned(),
            ),
            (entry("gone", EntryKind::Dangling, None), None, r#"{"name":"gone","kind":"dangling"}"#.to_owned()),
        ] {
            assert_eq!(json.row(&entry, hash.as_ref()).trim_start_matches([',', '\n']), expected);
        }
    }
}

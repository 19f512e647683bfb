//! A folder as a page of links. Names are text, never markup. Links are relative and percent-encoded to their last
//! special character, so that no name becomes a scheme, a query or a way out.

use std::fmt::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use wstp_protocol::{Entry, EntryKind, Hash, SharePath, spelling};
use wstp_provider::Refusal;

use crate::base::Base;

use super::listing::{FROM, LIMIT, View};

/// The media type.
pub const MEDIA_TYPE: &str = "text/html; charset=utf-8";
/// As for other pages, and the page's form asks for an archive. Programs that follow links follow no form, so they don't
/// fetch everything twice.
pub const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The characters that need no encoding in a path (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const TEMPLATE: &str = include_str!("../../../www/folder.html");

/// The page of a folder.
pub struct FolderPage {
    title: String,
    is_root: bool,
    base: Base,
}

impl FolderPage {
    /// The page of the folder at this path.
    pub fn of(path: &SharePath, base: Base) -> Self {
        Self { title: Text(path.name().unwrap_or("Shared files")).to_string(), is_root: path.is_root(), base }
    }
}

impl View for FolderPage {
    fn head(&self) -> String {
        let up = if self.is_root { "" } else { "      <li><a href=\"../\">Up</a></li>\n" };
        around_rows().0.replace("{base}", &self.base.to_string()).replace("{title}", &self.title) + up
    }

    fn row(&mut self, entry: &Entry, _hash: Option<&Hash>) -> String {
        format!("      <li>{}</li>\n", Row(entry))
    }

    fn tail(&self, more: Option<(&str, u64)>) -> String {
        let link = more.map(|(next, limit)| {
            format!("<p><a href=\"?{FROM}={}&amp;{LIMIT}={limit}\">More</a></p>", Encoded(next.as_bytes()))
        });
        around_rows().1.replace("{more}", &link.unwrap_or_default())
    }

    fn broken(&self, refusal: &Refusal) -> String {
        format!("    </ul>\n    <p>The list is not complete. {}</p>\n", Text(refusal.text()))
    }
}

/// The parts of the template before and behind the rows.
fn around_rows() -> (&'static str, &'static str) {
    TEMPLATE.split_once("{rows}\n").expect("the template has a place for rows")
}

/// A text as markup.
struct Text<'a>(&'a str);

/// Bytes as a segment of a path or a value in a query.
pub struct Encoded<'a>(pub &'a [u8]);

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

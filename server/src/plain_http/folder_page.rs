//! A folder as a page of links. Names are text, never markup, and characters that mislead are drawn as marks. Links are
//! relative and percent-encoded to their last special character. So no name becomes a scheme, a query or a way out.

use std::fmt;

use time::OffsetDateTime;
use wstp_protocol::{Entry, EntryKind, Hash, SharePath, spelling};
use wstp_provider::Refusal;
use wstp_text::units;

use crate::base::Base;
use crate::markup::{Encoded, Text};

use super::listing::{FROM, LIMIT, View};
use super::sorting::{Column, Order, SORT};

/// The media type.
pub const MEDIA_TYPE: &str = "text/html; charset=utf-8";
/// As for other pages, and the page's forms ask for an archive or another order. Programs that follow links follow no
/// form, so they don't fetch everything twice.
pub const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const TEMPLATE: &str = include_str!("../../../www/folder.html");

/// The page of a folder.
pub struct FolderPage {
    title: String,
    is_root: bool,
    order: Option<Order>,
    is_sorted: bool,
    base: Base,
}

impl FolderPage {
    /// The page of the folder at this path, in its own order.
    pub fn of(path: &SharePath, base: Base) -> Self {
        let title = Text(path.name().unwrap_or("Shared files")).to_string();
        Self { title, is_root: path.is_root(), order: None, is_sorted: false, base }
    }

    /// The page for readers who asked for an order. `is_sorted` says whether the entries have it.
    pub fn sorted(self, order: Option<Order>, is_sorted: bool) -> Self {
        Self { order, is_sorted, ..self }
    }

    /// The heads of the columns: buttons that sort by them.
    fn columns(&self) -> String {
        let columns = [(Column::Name, "Name"), (Column::Size, "Size"), (Column::Date, "Modified (UTC)")];
        let head = |(column, words): (Column, &str)| {
            let now = self.order.filter(|order| self.is_sorted && order.column == column);
            let (state, sign) = match now.map(|order| order.is_descending) {
                None => ("", ""),
                Some(false) => (" aria-sort=\"ascending\"", " \u{2191}"),
                Some(true) => (" aria-sort=\"descending\"", " \u{2193}"),
            };
            let next = Order::next(self.order, column);
            format!("<th{state}><button form=\"order\" name=\"{SORT}\" value=\"{next}\">{words}{sign}</button></th>")
        };
        columns.map(head).concat()
    }
}

impl View for FolderPage {
    fn head(&self) -> String {
        let up = if self.is_root { "" } else { "        <tr><td colspan=\"3\"><a href=\"../\">Up</a></td></tr>\n" };
        let note = match self.order {
            Some(_) if !self.is_sorted => "<p class=\"note\">This folder has too many entries to sort.</p>",
            _ => "",
        };
        // The title comes last: it is a stranger's, and may spell a place of the template.
        let head = around_rows().0.replace("{base}", &self.base.to_string());
        let head = head.replace("{columns}", &self.columns()).replace("{note}", note);
        head.replace("{title}", &self.title) + up
    }

    fn row(&mut self, entry: &Entry, _hash: Option<&Hash>) -> String {
        format!("        <tr>{}</tr>\n", Row(entry))
    }

    fn tail(&self, more: Option<(&str, u64)>) -> String {
        let link = more.map(|(next, limit)| {
            format!("<p><a href=\"?{FROM}={}&amp;{LIMIT}={limit}\">More</a></p>", Encoded(next.as_bytes()))
        });
        around_rows().1.replace("{more}", &link.unwrap_or_default())
    }

    fn broken(&self, refusal: &Refusal) -> String {
        format!("      </tbody></table>\n    <p>The list is not complete. {}</p>\n", Text(refusal.text()))
    }
}

/// The parts of the template before and behind the rows.
fn around_rows() -> (&'static str, &'static str) {
    TEMPLATE.split_once("{rows}\n").expect("the template has a place for rows")
}

/// A line of the list.
struct Row<'a>(&'a Entry);

/// A moment for people, to the minute and in UTC.
struct Moment(Option<i64>);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = spelling::bytes(&self.0.name).unwrap_or_default();
        let (link, name) = (Encoded(&bytes), Text(&self.0.name));
        let size = match self.0.kind {
            EntryKind::Directory => {
                write!(f, "<td><a href=\"{link}/\"><bdi>{name}</bdi>/</a></td>")?;
                String::new()
            }
            EntryKind::File => {
                write!(f, "<td><a href=\"{link}\"><bdi>{name}</bdi></a></td>")?;
                units::bytes(self.0.size)
            }
            unusable => {
                write!(f, "<td><bdi>{name}</bdi></td>")?;
                why_unusable(unusable).to_owned()
            }
        };
        write!(f, "<td>{size}</td><td>{}</td>", Moment(self.0.modified_ms))
    }
}

/// Why an entry is no link.
const fn why_unusable(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Directory | EntryKind::File => "",
        EntryKind::Dangling => "broken link",
        EntryKind::LeadsOut => "link leads out",
        EntryKind::Circle => "link in a circle",
        EntryKind::Unreadable => "not readable",
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ms) = self.0 else { return Ok(()) };
        // A date that no calendar has is none.
        let Ok(then) = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)) else { return Ok(()) };
        let (year, month, day) = (then.year(), u8::from(then.month()), then.day());
        write!(f, "<time>{year:04}-{month:02}-{day:02} {:02}:{:02}</time>", then.hour(), then.minute())
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
        assert!(row.contains("&lt;b onx=&quot;1&quot;&gt;&amp;&#39;&#123;rows}"), "{row}");
        assert!(row.contains("href=\"%3Cb%20onx%3D%221%22%3E%26%27%7Brows%7D\""), "{row}");
        let scheme = Row(&entry("javascript:alert(1)", EntryKind::Directory)).to_string();
        assert!(scheme.contains("href=\"javascript%3Aalert%281%29/\""), "{scheme}");
        assert!(!Row(&entry("gone", EntryKind::Dangling)).to_string().contains("href"));
    }

    #[test]
    fn a_row_says_size_and_date_and_why_it_is_no_link() {
        for (entry, expected) in [
            (
                Entry { modified_ms: Some(1_000_000_000_700), size: 65_536, ..entry("a", EntryKind::File) },
                "<td><a href=\"a\"><bdi>a</bdi></a></td><td>65.5 kB</td><td><time>2001-09-09 01:46</time></td>",
            ),
            (
                Entry { modified_ms: Some(-1), ..entry("b", EntryKind::Directory) },
                "<td><a href=\"b/\"><bdi>b</bdi>/</a></td><td></td><td><time>1969-12-31 23:59</time></td>",
            ),
            (
                Entry { modified_ms: Some(i64::MIN), ..entry("c", EntryKind::LeadsOut) },
                "<td><bdi>c</bdi></td><td>link leads out</td><td></td>",
            ),
        ] {
            assert_eq!(Row(&entry).to_string(), expected);
        }
    }

    #[test]
    fn characters_that_mislead_are_drawn_as_marks() {
        let row = Row(&entry("photo\u{202e}gnp\n.exe", EntryKind::File)).to_string();
        assert!(row.contains("<bdi>photo[U+202E]gnp[U+000A].exe</bdi>"), "{row}");
        assert!(row.contains("href=\"photo%E2%80%AEgnp%0A.exe\""), "{row}");
        let page = FolderPage::of(&SharePath::parse("in/a\u{202e}b{note}").unwrap(), Base::default()).head();
        assert!(page.contains("<title>a[U+202E]b&#123;note}</title>"), "{page}");
    }

    #[test]
    fn the_sorted_column_says_so_and_a_press_turns_it() {
        let order = Some(Order { column: Column::Size, is_descending: false });
        let page = |is_sorted| FolderPage::of(&SharePath::root(), Base::default()).sorted(order, is_sorted).head();
        let turned = "<th aria-sort=\"ascending\"><button form=\"order\" name=\"sort\" value=\"-size\">Size \u{2191}</button></th>";
        assert!(page(true).contains(turned) && !page(true).contains("too many"), "{}", page(true));
        assert!(!page(false).contains("aria-sort") && page(false).contains("too many entries to sort"));
    }
}

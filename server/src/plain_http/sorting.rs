//! The order of a folder's page that a reader asked for, by a button that needs no script.

use std::cmp::Ordering;

use async_trait::async_trait;
use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{Entry, EntryKind, ErrorCode};
use wstp_provider::{Page, Refusal};
use wstp_text::order;

use super::query::Query;
use crate::store::Folder;

/// The query's parameter that names the order.
pub const SORT: &str = "sort";
/// A folder with more entries keeps its order, because sorting it takes all of it into memory.
const MOST: usize = 20_000;

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The name, in natural order.
    Name,
    /// The size.
    Size,
    /// The last change.
    Date,
}

/// An order of entries. Folders come first in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: Column,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

impl Column {
    /// Its value in a query.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Date => "date",
        }
    }
}

impl Order {
    /// The order that a query asks for. Pages with a limit are cut from the folder's own order.
    pub fn asked_for(query: Query<'_>) -> Option<Self> {
        let value = query.value(SORT).filter(|_| !query.has("limit") && !query.has("from"))?;
        let (column, is_descending) = value.strip_prefix('-').map_or((value, false), |column| (column, true));
        let known = [Column::Name, Column::Size, Column::Date];
        let column = known.into_iter().find(|known| known.name() == column)?;
        Some(Self { column, is_descending })
    }

    /// The value of a query that sorts by a column; the other way round if it sorts by that column now.
    pub fn next(now: Option<Self>, column: Column) -> String {
        let sign = if now == Some(Self { column, is_descending: false }) { "-" } else { "" };
        format!("{sign}{}", column.name())
    }

    fn compare(self, (a_key, a): &(String, Entry), (b_key, b): &(String, Entry)) -> Ordering {
        let rank = |entry: &Entry| entry.kind != EntryKind::Directory;
        let by_column = match self.column {
            Column::Name => Ordering::Equal,
            Column::Size => a.size.cmp(&b.size),
            Column::Date => a.modified_ms.cmp(&b.modified_ms),
        };
        let by_name = order::compare((a_key, &a.name), (b_key, &b.name));
        let by_column = if self.is_descending { by_column.reverse() } else { by_column };
        let is_turned = self.is_descending && self.column == Column::Name;
        rank(a).cmp(&rank(b)).then(by_column).then(if is_turned { by_name.reverse() } else { by_name })
    }
}

/// A folder in another order than its own.
struct Sorted(Vec<Entry>);

/// A folder in an order, or as it is and `false` if it is too large for that.
pub async fn sorted(folder: Box<dyn Folder>, order: Order) -> Result<(Box<dyn Folder>, bool), Refusal> {
    let (mut entries, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = folder.page(cursor.as_deref(), MAX_LIST_ENTRIES).await?;
        entries.extend(page.entries().iter().map(|entry| (order::key(&entry.name), entry.clone())));
        cursor = page.next().map(str::to_owned);
        match cursor {
            None => break,
            Some(_) if entries.len() >= MOST => return Ok((folder, false)),
            Some(_) => {}
        }
    }
    entries.sort_by(|a, b| order.compare(a, b));
    Ok((Box::new(Sorted(entries.into_iter().map(|(_, entry)| entry).collect())), true))
}

#[async_trait]
impl Folder for Sorted {
    fn cursor_behind(&self, _is_folder: bool, name: &str) -> String {
        let at = self.0.iter().position(|entry| entry.name == name);
        at.map_or(self.0.len(), |at| at + 1).to_string()
    }

    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal> {
        let start: usize = cursor.map_or(Ok(0), str::parse).map_err(|_| Refusal::from(ErrorCode::InvalidPath))?;
        let mut page = Page::new(limit);
        for (at, entry) in self.0.iter().enumerate().skip(start) {
            if !page.push(entry.clone()) {
                return Ok(page.continued(at.to_string()));
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_read_from_the_query_and_a_second_press_turns_it() {
        let by = |column, is_descending| Some(Order { column, is_descending });
        for (query, expected, next) in [
            ("sort=size", by(Column::Size, false), "-size"),
            ("sort=-size", by(Column::Size, true), "size"),
            ("sort=-name", by(Column::Name, true), "size"),
            ("sort=rubbish", None, "size"),
            ("", None, "size"),
            ("sort=size&limit=5", None, "size"),
        ] {
            let order = Order::asked_for(Query(query));
            assert_eq!((order, Order::next(order, Column::Size).as_str()), (expected, next), "{query}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_sorted_whole_and_in_pages() {
        let entry = |name: &str, size, modified_ms| {
            let kind = if size == 0 { EntryKind::Directory } else { EntryKind::File };
            Entry { name: name.to_owned(), kind, size, modified_ms }
        };
        let all = || {
            Sorted(vec![
                entry("sub 10", 0, Some(1)),
                entry("sub 2", 0, Some(2)),
                entry("file 10", 5, Some(7)),
                entry("file 9", 7, None),
                entry("File 1", 9, Some(-7)),
            ])
        };
        for (query, expected) in [
            ("sort=name", ["sub 2", "sub 10", "File 1", "file 9", "file 10"]),
            ("sort=-name", ["sub 10", "sub 2", "file 10", "file 9", "File 1"]),
            ("sort=size", ["sub 2", "sub 10", "file 10", "file 9", "File 1"]),
            ("sort=-size", ["sub 2", "sub 10", "File 1", "file 9", "file 10"]),
            ("sort=date", ["sub 10", "sub 2", "file 9", "File 1", "file 10"]),
        ] {
            let order = Order::asked_for(Query(query)).unwrap();
            let (folder, is_sorted) = sorted(Box::new(all()), order).await.unwrap();
            assert!(is_sorted);
            let (mut names, mut cursor) = (Vec::new(), None);
            loop {
                let page = folder.page(cursor.as_deref(), 2).await.unwrap();
                names.extend(page.entries().iter().map(|entry| entry.name.clone()));
                cursor = page.next().map(str::to_owned);
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(names, expected, "{query}");
        }
    }

    #[tokio::test]
    async fn a_folder_too_large_to_sort_keeps_its_order() {
        let entries = (0..MOST + 2000).rev();
        let entries =
            entries.map(|number| Entry { name: number.to_string(), kind: EntryKind::File, size: 1, modified_ms: None });
        let order = Order { column: Column::Name, is_descending: false };
        let (folder, is_sorted) = sorted(Box::new(Sorted(entries.collect())), order).await.unwrap();
        assert!(!is_sorted);
        assert_eq!(folder.page(None, 1).await.unwrap().entries()[0].name, (MOST + 1999).to_string());
    }
}

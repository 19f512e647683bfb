//! One page of a folder's listing, no larger than a frame.

use wstp_protocol::limits::{MAX_CURSOR, MAX_LIST_ENTRIES, MAX_SERVER_FRAME};
use wstp_protocol::{Entry, Listing, RequestId};

/// Most bytes an entry takes in a frame besides its name.
const ENTRY_OVERHEAD: usize = 24;
/// Bytes of a frame that entries may take.
const ROOM: usize = MAX_SERVER_FRAME - MAX_CURSOR - 64;

/// Entries of a folder, as many as requested and as a frame holds.
#[derive(Debug)]
pub struct Page {
    entries: Vec<Entry>,
    next: Option<String>,
    limit: usize,
    room: usize,
}

impl Page {
    /// A page of at most `limit` entries, and never more than a frame holds.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { entries: Vec::new(), next: None, limit: limit.min(MAX_LIST_ENTRIES) as usize, room: ROOM }
    }

    /// Adds an entry. `false`: the page is full, and the entry begins the next one.
    #[must_use]
    pub fn push(&mut self, entry: Entry) -> bool {
        let size = entry.name.len() + ENTRY_OVERHEAD;
        let fits = self.entries.len() < self.limit && size <= self.room;
        if fits {
            self.room -= size;
            self.entries.push(entry);
        }
        fits
    }

    /// Sets the cursor of the next page.
    #[must_use]
    pub fn continued(self, next: String) -> Self {
        Self { next: Some(next), ..self }
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The cursor of the next page; `None` on the last one.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The page as a peer with these features knows it.
    #[must_use]
    pub fn listing(self, id: RequestId, features: u64) -> Listing {
        let known = |entry: Entry| Entry { kind: entry.kind.known_with(features), ..entry };
        Listing { id, entries: self.entries.into_iter().map(known).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::limits::MAX_NAME;
    use wstp_protocol::{EntryKind, ServerMessage};

    fn entry(name: String) -> Entry {
        Entry { name, kind: EntryKind::File, size: u64::MAX, modified_ms: Some(i64::MIN) }
    }

    #[test]
    fn a_page_holds_what_was_asked_for() {
        let mut page = Page::new(2);
        assert!(page.push(entry("a".to_owned())) && page.push(entry("b".to_owned())));
        assert!(!page.push(entry("c".to_owned())));
        assert_eq!(page.entries().len(), 2);
        assert!(!Page::new(0).push(entry("a".to_owned())));
    }

    #[test]
    fn a_page_of_the_longest_names_fits_a_frame() {
        let mut page = Page::new(u32::MAX);
        while page.push(entry("n".repeat(MAX_NAME))) {}
        assert!(page.entries().len() > 200);
        let listing = page.continued("c".repeat(MAX_CURSOR)).listing(u32::MAX, 0);
        assert!(ServerMessage::Listing(listing).encode().len() <= MAX_SERVER_FRAME);
    }
}

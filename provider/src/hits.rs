//! The hits of one search request, no larger than a frame.

use wstp_protocol::limits::{MAX_LIST_ENTRIES, MAX_SEARCH_CURSOR, MAX_SERVER_FRAME};
use wstp_protocol::{Entry, Hit, RequestId, SearchReply, SharePath};

/// Most bytes a hit takes in a frame besides its names.
const HIT_OVERHEAD: usize = 27;
/// Bytes of a frame that hits may take.
const ROOM: usize = MAX_SERVER_FRAME - MAX_SEARCH_CURSOR - 64;

/// Entries that a search found, as many as requested and as a frame holds.
#[derive(Debug)]
pub struct Hits {
    hits: Vec<Hit>,
    next: Option<String>,
    limit: usize,
    room: usize,
}

impl Hits {
    /// Room for at most `limit` hits, and never for more than a frame holds.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { hits: Vec::new(), next: None, limit: limit.min(MAX_LIST_ENTRIES) as usize, room: ROOM }
    }

    /// Adds an entry of this folder. `false`: there is no room, and the entry begins the next reply.
    #[must_use]
    pub fn push(&mut self, folder: &SharePath, entry: &Entry) -> bool {
        let size = folder.as_str().len() + entry.name.len() + HIT_OVERHEAD;
        let fits = self.hits.len() < self.limit && size <= self.room;
        if fits {
            self.room -= size;
            self.hits.push(Hit { folder: folder.clone(), entry: entry.clone() });
        }
        fits
    }

    /// Sets the cursor that goes on with the search.
    #[must_use]
    pub fn continued(self, next: String) -> Self {
        Self { next: Some(next), ..self }
    }

    /// The reply as a peer with these features knows it.
    #[must_use]
    pub fn reply(mut self, id: RequestId, features: u64) -> SearchReply {
        for hit in &mut self.hits {
            hit.entry.kind = hit.entry.kind.known_with(features);
        }
        SearchReply { id, hits: self.hits, next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::limits::{MAX_NAME, MAX_PATH};
    use wstp_protocol::{EntryKind, ServerMessage};

    #[test]
    fn hits_are_as_many_as_were_asked_for_and_fit_a_frame() {
        let entry = |name: String| Entry { name, kind: EntryKind::File, size: u64::MAX, modified_ms: Some(i64::MIN) };
        let mut few = Hits::new(1);
        assert!(few.push(&SharePath::root(), &entry("a".to_owned())));
        assert!(!few.push(&SharePath::root(), &entry("b".to_owned())));
        let mut many = Hits::new(u32::MAX);
        let deep = SharePath::parse(vec!["d".repeat(1023); 4].join("/")).unwrap();
        assert_eq!(deep.as_str().len(), MAX_PATH - 1);
        let mut pushed = 0;
        while many.push(&deep, &entry("n".repeat(MAX_NAME))) {
            pushed += 1;
        }
        assert!(pushed > 40, "{pushed}");
        let reply = many.continued("c".repeat(MAX_SEARCH_CURSOR)).reply(u32::MAX, 0);
        assert!(ServerMessage::Search(reply).encode().len() <= MAX_SERVER_FRAME);
    }
}

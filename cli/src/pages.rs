//! A folder's pages, one after the other, with a bound: a server may say for ever that there is another page.

use wstp_protocol::{Entry, SharePath};

use crate::exit::{Code, Failure};
use crate::remote::Remote;

/// Most entries of a folder that are read.
const MAX_ENTRIES: usize = 2_000_000;
/// The least that a page counts for. An honest page that is not the last is full, and has more.
const LEAST_ENTRIES: usize = 200;

/// A folder that is being listed.
pub struct Pages {
    path: SharePath,
    cursor: Option<String>,
    seen: usize,
    done: bool,
}

impl Pages {
    /// From the beginning.
    #[must_use]
    pub fn new(path: SharePath) -> Self {
        Self { path, cursor: None, seen: 0, done: false }
    }

    /// The next page, `None` after the last.
    ///
    /// # Errors
    ///
    /// When the server is lost, or never ends the listing.
    pub async fn next(&mut self, remote: &mut Remote) -> Result<Option<Vec<Entry>>, Failure> {
        if self.done {
            return Ok(None);
        }
        let listing = remote.list(self.path.clone(), self.cursor.take()).await?;
        self.seen += listing.entries.len().max(LEAST_ENTRIES);
        if self.seen > MAX_ENTRIES {
            let what = format!("{} lists a folder without an end.", remote.label());
            return Err(Failure::new(Code::Failed, what, "Fetch what is in it one by one."));
        }
        self.done = listing.next.is_none();
        self.cursor = listing.next;
        Ok(Some(listing.entries))
    }
}

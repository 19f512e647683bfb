//! A folder's entries from the first to the last, a batch at a time.
//!
//! No names are kept for it: they are shared and bounded in [`Listings`]. Each entry that is there throughout comes exactly once.

use std::sync::Arc;

use cap_std::fs::{Dir, MetadataExt};
use wstp_protocol::{ErrorCode, ListRequest, Listing, SharePath};

use super::folder::Share;
use super::listing::{self, Listings};
use super::refusal::Refusal;

const REPLACED: Refusal =
    Refusal::new(ErrorCode::Changed, "The folder was replaced while it was listed. List it from its beginning.");

/// A place among a folder's entries.
pub struct Walk {
    share: Arc<Share>,
    listings: Arc<Listings>,
    path: SharePath,
    /// Open, so that no other folder can get its inode.
    dir: Dir,
    cursor: Option<String>,
}

impl Walk {
    /// Begins behind `cursor`, or with the first entry. Blocks.
    ///
    /// # Errors
    /// When there is no folder, it can't be read, or the cursor is none.
    pub fn begin(
        share: Arc<Share>,
        listings: Arc<Listings>,
        path: SharePath,
        cursor: Option<String>,
    ) -> Result<Self, Refusal> {
        cursor.as_deref().map(listing::check_cursor).transpose()?;
        let dir = share.folder(&path)?;
        listing::readable(&dir)?;
        Ok(Self { share, listings, path, dir, cursor })
    }

    /// The next entries, `limit` at most. The listing's own `next` says whether there are more. Blocks.
    ///
    /// # Errors
    /// When the folder is gone, can't be read any more, or another one is at its path.
    pub fn next(&mut self, limit: u32) -> Result<Listing, Refusal> {
        let (path, cursor) = (self.path.clone(), self.cursor.take());
        let listing = self.listings.page(&self.share, &ListRequest { id: 0, path, cursor, limit })?;
        let (then, now) = (self.dir.dir_metadata()?, self.share.metadata(&self.path)?);
        if (then.dev(), then.ino()) != (now.dev(), now.ino()) {
            return Err(REPLACED);
        }
        self.cursor.clone_from(&listing.next);
        Ok(listing)
    }
}

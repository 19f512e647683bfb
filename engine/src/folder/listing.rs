//! Pages of a folder's listing, and the progress of listing a folder.

use serde::{Deserialize, Serialize};

use super::output::FolderId;

/// The useful part of a page of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListingPage {
    pub(super) folder: FolderId,
    /// Names of folders in it, in order.
    pub(super) folders: Vec<String>,
    /// Files in it, in order; they come after the folders.
    pub(super) files: Vec<ListingFile>,
    /// Entries that can't be fetched and are counted as missing.
    pub(super) left_out: u32,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
}

/// A file of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListingFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified_ms: Option<i64>,
}

/// The progress of listing a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Not at all.
    Unlisted,
    /// Up to this place.
    Going(Box<Position>),
    /// To its end.
    Done,
    /// Up to this place; the rest failed.
    Failed(Box<Position>),
}

/// A place in a folder's listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The cursor of the next page; `None` for the first one.
    pub(super) cursor: Option<String>,
    /// The last entry that was added; files come after folders.
    pub(super) last: Option<(Rank, String)>,
    /// Whether the listing began again, so that entries up to `last` are known.
    pub(super) again: bool,
}

/// Folders come before files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Rank {
    Folder,
    File,
}

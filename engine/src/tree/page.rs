//! Pages of a folder's listing, and how far a folder is listed.

use serde::{Deserialize, Serialize};

use super::output::FolderId;

/// A page of a folder, as far as it is of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) folder: FolderId,
    /// Names of folders in it, in order.
    pub(super) folders: Vec<String>,
    /// Files in it, in order; they come after the folders.
    pub(super) files: Vec<PageFile>,
    /// Entries that are missed because they can't be had.
    pub(super) left_out: u32,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// A file of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified_ms: Option<i64>,
}

/// How far a folder is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Not at all.
    Unlisted,
    /// Up to there.
    Going(Box<Position>),
    /// To its end.
    Done,
    /// Up to there, and can't be had further.
    Failed(Box<Position>),
}

/// A place in a folder's listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Where the next page begins; `None` for the first one.
    pub(super) cursor: Option<String>,
    /// The last entry that was added; files come after folders.
    pub(super) last: Option<(Rank, String)>,
    /// Whether the listing began anew, so that what comes up to `last` is known.
    pub(super) again: bool,
}

/// Folders come before files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Folder,
    File,
}

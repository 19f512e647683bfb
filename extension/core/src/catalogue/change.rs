//! The changes of the catalogue's lasting memory: the records that its journal is made of.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_messages::{
    BlockOrder, CommandId, NamedBy, Notice, PastSave, Problem, ServerView, Settings, Sweep, TransferId,
};

use super::item::{Goal, Item, Kept, Place, Save};
use super::mirror::Mirror;
use super::model::Model;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Everything; the first record of each journal.
    Snapshot {
        /// The journal with the highest generation counts.
        generation: u64,
        /// Everything.
        model: Model,
    },
    /// The change.
    Change {
        /// The command it was done for, where there was one.
        command: Option<CommandId>,
        /// A change of the list.
        change: Change,
    },
}

/// Something that happened. Append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A transfer was added.
    Added(Box<Item>),
    /// The user wants something else of a transfer.
    Wanted(TransferId, Goal),
    /// A worker ended and this is what the transfer has.
    Kept(TransferId, Kept),
    /// Every block is there.
    Completed {
        /// Which one.
        id: TransferId,
        /// Its size in bytes, as the server said in the end.
        size: u64,
        /// A file's hash.
        root: Option<String>,
    },
    /// It can't go on by itself.
    Failed(TransferId, Problem),
    /// Its way to the user's disk went on.
    Save(TransferId, Save),
    /// Its copy left the sandbox.
    Freed(TransferId),
    /// It left the list.
    Removed(TransferId),
    /// A server was used.
    Used(ServerView),
    /// A server is to be forgotten.
    Forgotten(String),
    /// The settings changed.
    Set(Settings),
    /// The user wants the same of all transfers it fits.
    Swept(Sweep),
    /// A transfer takes the place before another one, or the last.
    Moved(TransferId, Option<TransferId>),
    /// The file changed on the server.
    Outdated(TransferId, Problem),
    /// A transfer is on this server too. Records of older builds end before who named it.
    SourceAdded(TransferId, Mirror, #[serde(default)] Option<NamedBy>),
    /// A transfer is not to be fetched from this server any more.
    SourceRemoved(TransferId, u32),
    /// A transfer may have so many bytes a second.
    Limited(TransferId, Option<u64>),
    /// These files of a transfer are on the user's disk too.
    FilesSaved(TransferId, Vec<Range<u64>>),
    /// The record of a transfer's copy on the user's disk does not count any more.
    Unsaved(TransferId),
    /// The blocks of a transfer come in this order.
    Ordered(TransferId, BlockOrder),
    /// The user has to know this of what is stored, or has read it.
    Noticed(Option<Notice>),
    /// The complete copy of a transfer is gone from the sandbox, and it was not saved.
    Lost(TransferId, Problem),
    /// A transfer began: there was room for all of it, or the user insisted.
    Begun(TransferId),
    /// The files that are saved of a transfer go to this place.
    SavedInto(TransferId, Place),
    /// The stored files of a complete transfer may have changed: it is verified anew, and then saved if that was under
    /// way.
    Reopened(TransferId),
    /// These files of a folder were saved under a second name: a file had theirs already, and it may not be ours.
    SavedBeside(TransferId, Vec<Range<u64>>),
    /// All transfers left the list.
    Cleared,
    /// These were saved.
    Past(Vec<PastSave>),
    /// All saves are to be forgotten.
    PastForgotten,
}

impl Change {
    /// A transfer is on this server too.
    pub fn source_added(id: TransferId, mirror: Mirror) -> Self {
        let named_by = Some(mirror.named_by);
        Self::SourceAdded(id, mirror, named_by)
    }
}

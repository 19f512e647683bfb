//! What the contexts of the extension say to each other.
//!
//! Everything but the first knock on the service worker's door goes over one [`CHANNEL`], a `BroadcastChannel` that views,
//! offscreen document and workers share, as one [`Message`]. Views send [`Command`]s and render [`Event`]s; they hold no transfer state. No bulk
//! data travels here.

mod command;
mod encoding;
mod event;
mod inner;

pub use command::{Command, CommandId, Reply, Step, Sweep};
pub use encoding::{decode, encode};
pub use event::{
    BlockOrder, BlockRange, Event, FileState, FileView, FolderView, Listed, ListedKind, Notice, Problem, RoomView,
    ServerView, Settings, Snapshot, SourceStanding, SourceView, Spot, TransferState, TransferView,
};
pub use inner::{
    ContextName, Inner, Knock, Placed, SaveOutcome, SavePlace, SaveTask, SourceTask, Terms, TransferKind, WaitReason,
    WorkerReport, WorkerTask,
};

use serde::{Deserialize, Serialize};

/// Most files in one [`Reply::Files`].
pub const MAX_FILES: u32 = 500;

/// The name of the `BroadcastChannel`. A page that outlives an update is on another one, for it would take one message for another.
pub const CHANNEL: &str = concat!("wstp ", env!("CARGO_PKG_VERSION"));

/// Names a transfer for ever: 16 random bytes in lower-case hexadecimal. Also the name of its folder in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransferId(pub String);

/// One message on the [`CHANNEL`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// A view asks the catalogue. Sent again every second with the same id until the reply comes.
    Command {
        /// Names the command; doing it twice under one id has the effect of once.
        id: CommandId,
        /// What to do.
        command: Command,
    },
    /// The catalogue answers, after what it did is journaled.
    Reply {
        /// The command this answers.
        id: CommandId,
        /// What came of it.
        result: Result<Reply, Problem>,
    },
    /// The catalogue tells all views.
    Event(Event),
    /// Between catalogue, supervisor and workers.
    Inner(Inner),
}

impl Message {
    /// What it is about: the name of its variant, or of that of [`Inner`]. Goes before the message, so that who does not listen to it need not
    /// decode it.
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Command { .. } => "Command",
            Self::Reply { .. } => "Reply",
            Self::Event(_) => "Event",
            Self::Inner(inner) => inner.topic(),
        }
    }
}

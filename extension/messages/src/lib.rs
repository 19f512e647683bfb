//! The messages between the extension's contexts.
//!
//! Everything but the first knock on the service worker's door goes over one [`CHANNEL`] as one [`Message`]. The
//! channel is a `BroadcastChannel` that views, offscreen document and workers share. Views send [`Command`]s and render
//! [`Event`]s; they hold no transfer state. No bulk data travels here.

mod command;
mod encoding;
mod event;
mod inner;
mod login;

pub use command::{Command, CommandId, Reply, Step, Sweep};
pub use encoding::{decode, decode_text, encode, encode_text};
pub use event::{
    BlockOrder, BlockRange, Event, FileState, FileView, FolderView, Listed, ListedKind, Notice, Notify, PastSave,
    Problem, RoomView, ServerView, Settings, Snapshot, SourceStanding, SourceView, Spot, TransferState, TransferView,
};
pub use inner::{
    ContextName, Inner, Knock, MissingFile, NamedBy, Placed, SaveOutcome, SavePlace, SaveTask, SourceKind, SourceTask,
    Stamp, Terms, TransferKind, WaitReason, WorkerReport, WorkerTask,
};
pub use login::{Credential, Login, LoginView, Need, is_link};

use serde::{Deserialize, Serialize};

/// Most files in one [`Reply::Files`].
pub const MAX_FILES: u32 = 500;

/// Most files in one [`Inner::Missing`], over all transfers.
pub const MAX_MISSING: u32 = 10_000;

/// The name of the `BroadcastChannel`. A page that outlives an update uses another channel, because it would misread
/// the new messages.
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
        /// Names the command. Doing it twice under one id has the effect of once.
        id: CommandId,
        /// The command.
        command: Command,
    },
    /// The catalogue answers after it has journaled the effect.
    Reply {
        /// The command this answers.
        id: CommandId,
        /// The result.
        result: Result<Reply, Problem>,
    },
    /// The catalogue tells all views.
    Event(Event),
    /// Between catalogue, supervisor and workers.
    Inner(Inner),
}

impl Message {
    /// Its topic: the name of its variant, or of that of [`Inner`]. It precedes the message, so that a context need not
    /// decode messages of other topics.
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Command { .. } => "Command",
            Self::Reply { .. } => "Reply",
            Self::Event(_) => "Event",
            Self::Inner(inner) => inner.topic(),
        }
    }
}

//! WSTP on the wire: frames to messages and back, and the hash tree that makes every block checkable on its own.
//!
//! Read [`ClientMessage`] and [`ServerMessage`] first; `docs/protocol.md` is the normative text.
//!
//! This crate has no I/O, no clock and no state. It decodes bytes from an untrusted peer. So it checks every length
//! before it takes memory, and an unknown tag is an error and never a panic. A decoded value always lies within the
//! limits of [`limits`].

mod bounded;
mod bundle;
mod compressed;
mod error_code;
pub mod exchange;
pub mod features;
mod frame;
pub mod limits;
mod message;
mod mirror;
mod path;
pub mod probe;
pub mod spelling;
pub mod tree;
mod units;
pub mod zeros;

pub use bundle::{BundleReply, BundleRequest, Bundled, BundledFile};
pub use compressed::{COMPRESSED_HEADER_LEN, Compressed, CompressedHeader};
pub use error_code::ErrorCode;
pub use frame::{BLOCKS_HEADER_LEN, BlocksHeader, DecodeError};
pub use message::{
    BlocksReply, BlocksRequest, Cancel, ClientMessage, Close, Entry, EntryKind, Failure, Goodbye, HashPage,
    HashesRequest, Hello, Hit, Limits, ListRequest, Listing, Mirrors, OpenRequest, Opened, Ping, Pong, RootReady,
    SearchReply, SearchRequest, ServerMessage, Stale, StatReply, StatRequest, Welcome, Zeros,
};
pub use mirror::{MirrorUrl, MirrorUrlError};
pub use path::{PathError, SharePath};
pub use tree::Hash;
pub use units::{BLOCK_SIZE, BlockIndex, BlockRun, FileVersion, Handle, RequestId, block_count};

/// The protocol versions this crate speaks, lowest and highest.
pub const VERSIONS: (u16, u16) = (1, 1);

/// The path of the protocol in a server's URL.
pub const ENDPOINT_PATH: &str = "/ws";

/// The path at which a server gives tokens to users who log in.
pub const LOGIN_PATH: &str = "/login";

/// The beginning of the paths of share links. The code of the link follows, and then what lies beneath: `/ws` is an
/// endpoint that shows what the link opens and nothing else.
pub const LINK_PATH: &str = "/s/";

//! The transfer engine: one sans-IO state machine per file or folder being fetched, the same in the browser and
//! natively.
//!
//! It opens no socket, reads no clock, draws no randomness and touches no disk. Read [`Transfer`] and [`Output`] first.
//!
//! # The run loop's contract
//!
//! The caller owns sockets, storage and the clock, and does this for ever:
//!
//! 1. Give the transfer what happened, each with the time: [`Transfer::handle_opened`], [`Transfer::handle_frame`],
//!    [`Transfer::handle_closed`], [`Transfer::handle_stored`], [`Transfer::handle_command`],
//!    [`Transfer::handle_timeout`].
//! 2. Take every [`Output`] from [`Transfer::poll_output`] until it gives none, and do it.
//! 3. Sleep until something happens or [`Transfer::poll_timeout`] is reached.
//!
//! For a folder, [`folder::FolderTransfer`] has the same contract, and hands large files out to transfers of their own.
//! Below both, and below clients that only ask questions, stands a [`peer::Peer`] for each connection to a server.
//! For a source of plain HTTP an [`http_source::HttpSource`] stands between the transfer and the requests.
//!
//! Storage requests are done in the order given and each is answered exactly once, in the same order. The engine never
//! holds more data than its memory budget: what is asked for and not yet written counts.

mod config;
pub mod folder;
pub mod http_source;
mod identity;
mod incoming;
pub mod journal;
mod limit;
mod output;
pub mod peer;
mod progress;
mod ranges;
mod rate;
mod source;
mod time;
mod transfer;
mod width;

pub use config::{Config, Order};
pub use identity::{FileIdentity, LARGEST_FILE};
pub use incoming::Incoming;
pub use output::{Command, ConnectionId, Output, StoreError, StoreReply, StoreRequest};
pub use progress::{Phase, Problem, Progress, SourceProgress, Standing, checked_percent};
pub use ranges::RangeSet;
pub use source::{Capabilities, Credential, Holdings, NamedBy, SourceConfig, SourceId, SourceKind};
pub use time::Instant;
pub use transfer::Transfer;
pub use width::Connections;

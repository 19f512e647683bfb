//! The parameters of a transfer at its start.

use wstp_protocol::BlockIndex;

use crate::{Connections, SourceConfig};

/// Which missing blocks are asked for first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The lowest.
    #[default]
    HeadFirst,
    /// The lowest from this block on, where a player reads, and when none is left there, the lowest.
    From(BlockIndex),
    /// The lowest, and none far ahead of it: what is here is the beginning of the file, and a straggler's blocks are
    /// asked of others.
    InOrder,
}

impl Order {
    /// The block that is wanted most.
    pub(crate) const fn start(self) -> BlockIndex {
        match self {
            Self::HeadFirst | Self::InOrder => 0,
            Self::From(block) => block,
        }
    }
}

/// How a transfer behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sources of the blocks. At least one of them identifies the file and proves its blocks.
    pub sources: Vec<SourceConfig>,
    /// The program's name and version, told to servers.
    pub agent: String,
    /// Connections over all sources.
    pub connections: Connections,
    /// Bytes asked for and not yet written, over all connections; at least one run of blocks (256 KiB).
    pub memory_budget: u64,
    /// Bytes a second to ask for, over all connections; `None` for as many as there are.
    pub rate_limit: Option<u64>,
    /// Which blocks to ask for first.
    pub order: Order,
    /// Whether the origin is asked when the file was changed last ([`Output::Modified`](crate::Output::Modified)).
    pub asks_modified: bool,
    /// Bytes written after which what is there is committed.
    pub commit_bytes: u64,
    /// Time after which what is there is committed.
    pub commit_interval: std::time::Duration,
    /// Bytes that the journal may take before it is compacted. A journal whose compact form is long may take twice
    /// that.
    pub journal_bytes: u64,
    /// Seed of the jitter in retries, so that a run can be repeated.
    pub seed: u64,
}

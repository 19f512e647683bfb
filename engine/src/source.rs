//! A source of a file's blocks as the caller describes it: its abilities, the blocks it has, and who named it.
//!
//! The scheduler asks these types and nothing else, so a new kind of source is a new value and no new branch.

use std::fmt;
use std::ops::Range;

use wstp_protocol::{BlockIndex, SharePath};

use crate::RangeSet;

/// Names a source within one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// The protocol of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceKind {
    /// The protocol.
    #[default]
    Wstp,
    /// Plain HTTP, made to answer by an [`HttpSource`](crate::http_source::HttpSource).
    Http,
}

/// A source's abilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It says which file it has: its version and, once known, its root. Only such a source can be the origin.
    pub identifies: bool,
    /// It has the hashes that prove blocks. A source without them is asked only for blocks whose hashes are here
    /// already.
    pub proves: bool,
    /// It sends the bytes of blocks.
    pub sends: bool,
}

impl SourceKind {
    /// The abilities of every source of this kind.
    #[must_use]
    pub const fn capabilities(self) -> Capabilities {
        match self {
            Self::Wstp => Capabilities { identifies: true, proves: true, sends: true },
            Self::Http => Capabilities { identifies: false, proves: false, sends: true },
        }
    }
}

/// Who named a source, and so whether it may say which file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// The user, who takes it to have the file: it may say so where the sources before it are silent.
    #[default]
    User,
    /// Another source, which may be mistaken or lie: it is only used where it has the file that a source of the user's
    /// named.
    Server,
}

/// The blocks that a source has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holdings {
    /// Every block, as a server has them.
    #[default]
    All,
    /// These blocks, as a client has them that fetches the file itself.
    Blocks(RangeSet),
}

impl Holdings {
    /// The first blocks of a range that the source has.
    pub(crate) fn first_in(&self, range: Range<BlockIndex>) -> Option<Range<BlockIndex>> {
        match self {
            Self::All => Some(range).filter(|range| range.start < range.end),
            Self::Blocks(set) => set.overlaps(range).next(),
        }
    }

    /// Whether the source has a whole range.
    pub(crate) fn covers(&self, range: &Range<BlockIndex>) -> bool {
        match self {
            Self::All => true,
            Self::Blocks(set) => set.covers(range),
        }
    }
}

/// Proves to a server who the client is. Its `Debug` form hides the secret, so that no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A secret text that the server gave out.
    Token(String),
}

impl Credential {
    /// The text that goes into the first message.
    pub(crate) fn token(&self) -> &str {
        match self {
            Self::Token(token) => token,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => formatter.write_str("Token(..)"),
        }
    }
}

/// Something that serves blocks of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Names it; the caller knows its address.
    pub id: SourceId,
    /// Its abilities.
    pub can: Capabilities,
    /// The blocks that it has.
    pub has: Holdings,
    /// Who named it.
    pub named_by: NamedBy,
    /// The file's path there.
    pub path: SharePath,
    /// Proves who the client is, if the server wants that.
    pub credential: Option<Credential>,
}

impl SourceConfig {
    /// A source of this kind that the user named. It has every block and asks for no credential.
    #[must_use]
    pub const fn new(id: SourceId, kind: SourceKind, path: SharePath) -> Self {
        let (can, has, named_by) = (kind.capabilities(), Holdings::All, NamedBy::User);
        Self { id, can, has, named_by, path, credential: None }
    }

    /// Whether the other one differs in its blocks only, so that its connections stay good.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        let Self { id, can, has: _, named_by, path, credential } = self;
        (id, can, named_by, path, credential)
            == (&other.id, &other.can, &other.named_by, &other.path, &other.credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdings_give_the_first_blocks_of_a_range() {
        let some = Holdings::Blocks([2..4, 8..9].into_iter().collect());
        for (range, first) in [(0..10, Some(2..4)), (3..10, Some(3..4)), (4..10, Some(8..9)), (9..10, None)] {
            assert_eq!(some.first_in(range), first);
        }
        assert_eq!(Holdings::All.first_in(3..5), Some(3..5));
        assert_eq!(Holdings::All.first_in(5..5), None);
        assert!(some.covers(&(2..4)) && !some.covers(&(3..5)) && Holdings::All.covers(&(0..99)));
    }

    #[test]
    fn a_credential_is_not_shown() {
        let shown = format!("{:?}", Some(Credential::Token("hunter2".to_owned())));
        assert_eq!(shown, "Some(Token(..))");
    }
}

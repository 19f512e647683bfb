//! Optional features, a bit each in [`Hello::features`](crate::Hello::features) and
//! [`Welcome::features`](crate::Welcome::features). A bit never gets another meaning.

/// The server names mirrors: [`Mirrors`](crate::Mirrors) comes once, right behind the welcome.
pub const MIRRORS: u64 = 1 << 0;

/// The client asks for several small files of a folder at once: [`BundleRequest`](crate::BundleRequest).
pub const BUNDLES: u64 = 1 << 1;

/// The server says how a link goes wrong: the kinds [`LeadsOut`](crate::EntryKind::LeadsOut) and
/// [`Circle`](crate::EntryKind::Circle).
pub const LINKS: u64 = 1 << 2;

/// The server answers a request for blocks that are all zero with [`Zeros`](crate::Zeros).
pub const ZEROS: u64 = 1 << 3;

/// The server may answer with [`Compressed`](crate::Compressed) in place of blocks and bundles.
pub const COMPRESSED: u64 = 1 << 4;

/// The caller proved nothing, and a login would show it more. A server leaves the bit out for everybody else.
pub const LOGIN: u64 = 1 << 5;

/// On a later connection, the server takes requests right behind the greeting:
/// [`EARLY_REQUESTS`](crate::limits::EARLY_REQUESTS).
pub const EARLY: u64 = 1 << 6;

/// The client may search: [`SearchRequest`](crate::SearchRequest).
pub const SEARCH: u64 = 1 << 7;

/// Every bit this version knows.
pub const KNOWN: u64 = MIRRORS | BUNDLES | LINKS | ZEROS | COMPRESSED | LOGIN | EARLY | SEARCH;

//! Upper bounds of everything on the wire. A frame that exceeds one is refused before memory is taken for it.

/// Longest frame a server may receive, in bytes.
pub const MAX_CLIENT_FRAME: usize = 8 * 1024;
/// Longest frame a client may receive, in bytes: a full run of blocks and its header.
pub const MAX_SERVER_FRAME: usize = MAX_RUN_BLOCKS as usize * crate::BLOCK_SIZE as usize + crate::BLOCKS_HEADER_LEN;
/// Longest path, in bytes of UTF-8.
pub const MAX_PATH: usize = 4096;
/// Longest name of one entry, in bytes of UTF-8.
pub const MAX_NAME: usize = 1024;
/// Longest listing cursor, in bytes.
pub const MAX_CURSOR: usize = 1280;
/// Most entries in one page of a listing.
pub const MAX_LIST_ENTRIES: u32 = 1000;
/// Longest words of a search, in bytes.
pub const MAX_SEARCH: usize = 256;
/// Longest cursor of a search, in bytes: a path, and a letter.
pub const MAX_SEARCH_CURSOR: usize = MAX_PATH + 1;
/// Longest name of a program in a handshake, in bytes.
pub const MAX_AGENT: usize = 64;
/// Longest authentication token, in bytes.
pub const MAX_TOKEN: usize = 256;
/// Longest explanation in an error, in bytes.
pub const MAX_ERROR_TEXT: usize = 512;
/// Most requests before the welcome, to a server that takes any.
pub const EARLY_REQUESTS: usize = 2;
/// Most mirrors a server names.
pub const MAX_MIRRORS: usize = 16;
/// Longest address of a mirror, in bytes.
pub const MAX_MIRROR_URL: usize = 1024;
/// Most blocks in one message: 256 KiB of raw bytes.
pub const MAX_RUN_BLOCKS: u32 = 32;
/// Most files in one bundle.
pub const MAX_BUNDLE_FILES: usize = 256;
/// Largest file in a bundle, in bytes; a larger one has to be opened.
pub const MAX_BUNDLED_FILE: usize = 128 * 1024;
/// Most nodes in one page of hashes: 64 KiB of chaining values.
pub const MAX_PAGE_NODES: u32 = 2048;
/// Most uncles in one page of hashes: the height of the tallest tree (2^64 bytes are 2^51 blocks).
pub const MAX_UNCLES: usize = 51;
/// Highest level of the tree that a client can request.
pub const MAX_LEVEL: u8 = 51;

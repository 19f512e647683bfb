//! Frames: one WebSocket binary message each. The first byte is the tag. The body of a control frame is postcard; that
//! of a block frame is a fixed little-endian header and raw bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::limits::{
    MAX_AGENT, MAX_BUNDLED_FILE, MAX_CLIENT_FRAME, MAX_CURSOR, MAX_ERROR_TEXT, MAX_LEVEL, MAX_LIST_ENTRIES,
    MAX_PAGE_NODES, MAX_RUN_BLOCKS, MAX_SEARCH, MAX_SEARCH_CURSOR, MAX_SERVER_FRAME, MAX_TOKEN,
};
use crate::path::is_name;
use crate::{
    BLOCK_SIZE, BlockRun, BlocksReply, BundleReply, ClientMessage, Compressed, CompressedHeader, RequestId,
    ServerMessage,
};

/// Bytes in the header of a block frame.
pub const BLOCKS_HEADER_LEN: usize = 20;

/// Why a frame could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A frame without a single byte.
    #[error("the frame is empty")]
    Empty,
    /// Longer than [`limits`](crate::limits) allow.
    #[error("the frame is too long")]
    TooLong,
    /// A tag this version does not know.
    #[error("the frame has the unknown tag {0:#04x}")]
    UnknownTag(u8),
    /// The body does not fit the tag.
    #[error("the frame's body is malformed")]
    Malformed,
    /// The data of a compressed frame are damaged, or are another frame than it says.
    #[error("the frame can't be decompressed")]
    Compressed,
    /// The body is well-formed, but a value is outside its limits.
    #[error("the frame's {0} is out of bounds")]
    OutOfBounds(&'static str),
}

pub(crate) mod tag {
    pub const HELLO: u8 = 0x01;
    pub const LIST: u8 = 0x02;
    pub const STAT: u8 = 0x03;
    pub const OPEN: u8 = 0x04;
    pub const BLOCKS: u8 = 0x05;
    pub const HASHES: u8 = 0x06;
    pub const CANCEL: u8 = 0x07;
    pub const CLOSE: u8 = 0x08;
    pub const PING: u8 = 0x09;
    pub const BUNDLE: u8 = 0x0a;
    pub const SEARCH: u8 = 0x0b;

    pub const WELCOME: u8 = 0x81;
    pub const LISTING: u8 = 0x82;
    pub const STAT_REPLY: u8 = 0x83;
    pub const OPENED: u8 = 0x84;
    pub const BLOCKS_REPLY: u8 = 0x85;
    pub const HASH_PAGE: u8 = 0x86;
    pub const FAILURE: u8 = 0x87;
    pub const PONG: u8 = 0x89;
    pub const ROOT_READY: u8 = 0x8a;
    pub const STALE: u8 = 0x8b;
    pub const GOODBYE: u8 = 0x8c;
    pub const MIRRORS: u8 = 0x8d;
    pub const BUNDLE_REPLY: u8 = 0x8e;
    pub const ZEROS: u8 = 0x8f;
    pub const COMPRESSED: u8 = 0x90;
    pub const SEARCH_REPLY: u8 = 0x91;
}

/// The header of a block frame: tag, three zero bytes, request id `u32`, count `u32`, first block `u64`, all
/// little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlocksHeader {
    /// The request this answers.
    pub id: RequestId,
    /// The blocks that follow.
    pub run: BlockRun,
}

impl BlocksHeader {
    /// The bytes of the header. A server can read a file right behind them.
    #[must_use]
    pub fn encode(&self) -> [u8; BLOCKS_HEADER_LEN] {
        let mut bytes = [0; BLOCKS_HEADER_LEN];
        bytes[0] = tag::BLOCKS_REPLY;
        bytes[4..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.run.count.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.run.first.to_le_bytes());
        bytes
    }

    fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let header: &[u8; BLOCKS_HEADER_LEN] = frame.first_chunk().ok_or(DecodeError::Malformed)?;
        let [_, z0, z1, z2, i0, i1, i2, i3, ..] = *header;
        let [.., c0, c1, c2, c3, _, _, _, _, _, _, _, _] = *header;
        let [.., f0, f1, f2, f3, f4, f5, f6, f7] = *header;
        if [z0, z1, z2] != [0; 3] {
            return Err(DecodeError::Malformed);
        }
        Ok(Self {
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            run: BlockRun {
                count: u32::from_le_bytes([c0, c1, c2, c3]),
                first: u64::from_le_bytes([f0, f1, f2, f3, f4, f5, f6, f7]),
            },
        })
    }
}

impl ClientMessage {
    /// The frame of this message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(body) => control(tag::HELLO, body),
            Self::List(body) => control(tag::LIST, body),
            Self::Stat(body) => control(tag::STAT, body),
            Self::Open(body) => control(tag::OPEN, body),
            Self::Blocks(body) => control(tag::BLOCKS, body),
            Self::Hashes(body) => control(tag::HASHES, body),
            Self::Cancel(body) => control(tag::CANCEL, body),
            Self::Close(body) => control(tag::CLOSE, body),
            Self::Ping(body) => control(tag::PING, body),
            Self::Bundle(body) => control(tag::BUNDLE, body),
            Self::Search(body) => control(tag::SEARCH, body),
        }
    }

    /// Decodes a frame a client sent.
    ///
    /// # Errors
    /// When the frame is longer than [`MAX_CLIENT_FRAME`], unknown, malformed or out of bounds.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        if frame.len() > MAX_CLIENT_FRAME {
            return Err(DecodeError::TooLong);
        }
        let (&tag, body) = frame.split_first().ok_or(DecodeError::Empty)?;
        let message = match tag {
            tag::HELLO => Self::Hello(body_with_extension(body)?),
            tag::LIST => Self::List(whole_body(body)?),
            tag::STAT => Self::Stat(whole_body(body)?),
            tag::OPEN => Self::Open(whole_body(body)?),
            tag::BLOCKS => Self::Blocks(whole_body(body)?),
            tag::HASHES => Self::Hashes(whole_body(body)?),
            tag::CANCEL => Self::Cancel(whole_body(body)?),
            tag::CLOSE => Self::Close(whole_body(body)?),
            tag::PING => Self::Ping(whole_body(body)?),
            tag::BUNDLE => Self::Bundle(whole_body(body)?),
            tag::SEARCH => Self::Search(whole_body(body)?),
            unknown => return Err(DecodeError::UnknownTag(unknown)),
        };
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Hello(hello) => {
                bound("version range", hello.min_version <= hello.max_version)?;
                bound("agent", hello.agent.len() <= MAX_AGENT)?;
                bound("token", hello.token.as_ref().is_none_or(|token| token.len() <= MAX_TOKEN))
            }
            Self::List(list) => {
                bound("cursor", list.cursor.as_ref().is_none_or(|cursor| cursor.len() <= MAX_CURSOR))?;
                bound("limit", (1..=MAX_LIST_ENTRIES).contains(&list.limit))
            }
            Self::Blocks(blocks) => check_run(blocks.run),
            Self::Hashes(hashes) => {
                bound("level", hashes.level <= MAX_LEVEL)?;
                bound("count", hashes.count.is_power_of_two() && hashes.count <= MAX_PAGE_NODES)?;
                bound("first", hashes.first.is_multiple_of(u64::from(hashes.count)))
            }
            Self::Bundle(bundle) => {
                bound("number of files", !bundle.names.is_empty())?;
                bound("name", bundle.names.iter().all(|name| is_name(name)))
            }
            Self::Search(search) => {
                bound("words", (1..=MAX_SEARCH).contains(&search.words.len()))?;
                bound("cursor", search.cursor.as_ref().is_none_or(|cursor| cursor.len() <= MAX_SEARCH_CURSOR))?;
                bound("limit", (1..=MAX_LIST_ENTRIES).contains(&search.limit))
            }
            Self::Stat(_) | Self::Open(_) | Self::Cancel(_) | Self::Close(_) | Self::Ping(_) => Ok(()),
        }
    }
}

impl ServerMessage {
    /// The frame of this message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Welcome(body) => control(tag::WELCOME, body),
            Self::Listing(body) => control(tag::LISTING, body),
            Self::Stat(body) => control(tag::STAT_REPLY, body),
            Self::Opened(body) => control(tag::OPENED, body),
            Self::Blocks(body) => {
                let header = BlocksHeader { id: body.id, run: body.run }.encode();
                [header.as_slice(), &body.data].concat()
            }
            Self::HashPage(body) => control(tag::HASH_PAGE, body),
            Self::Failure(body) => control(tag::FAILURE, body),
            Self::Pong(body) => control(tag::PONG, body),
            Self::RootReady(body) => control(tag::ROOT_READY, body),
            Self::Stale(body) => control(tag::STALE, body),
            Self::Goodbye(body) => control(tag::GOODBYE, body),
            Self::Mirrors(body) => control(tag::MIRRORS, body),
            Self::Bundle(body) => control(tag::BUNDLE_REPLY, &body.borrowed()),
            Self::Zeros(body) => control(tag::ZEROS, body),
            Self::Search(body) => control(tag::SEARCH_REPLY, body),
            Self::Compressed(body) => [CompressedHeader::from(body).encode().as_slice(), &body.data].concat(),
        }
    }

    /// Decodes a frame a server sent. The data of blocks and files is shared with `frame`, not copied.
    ///
    /// # Errors
    /// When the frame is longer than [`MAX_SERVER_FRAME`], unknown, malformed or out of bounds.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        if frame.len() > MAX_SERVER_FRAME {
            return Err(DecodeError::TooLong);
        }
        let (&tag, body) = frame.split_first().ok_or(DecodeError::Empty)?;
        let message = match tag {
            tag::WELCOME => Self::Welcome(body_with_extension(body)?),
            tag::LISTING => Self::Listing(whole_body(body)?),
            tag::STAT_REPLY => Self::Stat(whole_body(body)?),
            tag::OPENED => Self::Opened(whole_body(body)?),
            tag::BLOCKS_REPLY => Self::Blocks(decode_blocks(frame)?),
            tag::HASH_PAGE => Self::HashPage(whole_body(body)?),
            tag::FAILURE => Self::Failure(whole_body(body)?),
            tag::PONG => Self::Pong(whole_body(body)?),
            tag::ROOT_READY => Self::RootReady(whole_body(body)?),
            tag::STALE => Self::Stale(whole_body(body)?),
            tag::GOODBYE => Self::Goodbye(whole_body(body)?),
            tag::MIRRORS => Self::Mirrors(whole_body(body)?),
            tag::BUNDLE_REPLY => Self::Bundle(BundleReply::sharing(&frame, whole_body(body)?)),
            tag::ZEROS => Self::Zeros(whole_body(body)?),
            tag::SEARCH_REPLY => Self::Search(whole_body(body)?),
            tag::COMPRESSED => Self::Compressed(Compressed::decode(frame)?),
            unknown => return Err(DecodeError::UnknownTag(unknown)),
        };
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Welcome(welcome) => {
                let limits = &welcome.limits;
                bound("agent", welcome.agent.len() <= MAX_AGENT)?;
                bound("request limit", limits.requests > 0)?;
                bound("handle limit", limits.handles > 0)?;
                bound("idle timeout", limits.idle_timeout_ms > 0)?;
                bound("run limit", (1..=MAX_RUN_BLOCKS).contains(&limits.run_blocks))?;
                bound(
                    "page limit",
                    (1..=MAX_PAGE_NODES).contains(&limits.page_nodes) && limits.page_nodes.is_power_of_two(),
                )
            }
            Self::Listing(listing) => {
                bound("cursor", listing.next.as_ref().is_none_or(|next| next.len() <= MAX_CURSOR))?;
                bound("name", listing.entries.iter().all(|entry| is_name(&entry.name)))
            }
            Self::Search(reply) => {
                bound("cursor", reply.next.as_ref().is_none_or(|next| next.len() <= MAX_SEARCH_CURSOR))?;
                bound("name", reply.hits.iter().all(|hit| is_name(&hit.entry.name)))
            }
            Self::Stat(stat) => bound("name", stat.entry.name.is_empty() || is_name(&stat.entry.name)),
            Self::Bundle(bundle) => {
                bound("number of files", !bundle.files.is_empty())?;
                bound("file", bundle.files.iter().all(|file| file.len() <= MAX_BUNDLED_FILE))
            }
            Self::Failure(failure) => bound("text", failure.text.len() <= MAX_ERROR_TEXT),
            Self::Zeros(zeros) => {
                bound("count", zeros.count > 0)?;
                bound("first", zeros.first.checked_add(zeros.count).is_some())
            }
            Self::Opened(_)
            | Self::Blocks(_)
            | Self::Compressed(_)
            | Self::HashPage(_)
            | Self::Pong(_)
            | Self::RootReady(_)
            | Self::Stale(_)
            | Self::Goodbye(_)
            | Self::Mirrors(_) => Ok(()),
        }
    }
}

fn control(tag: u8, body: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(body, vec![tag]).expect("a Vec grows as needed and no message type refuses to be serialised")
}

/// A body that fills the frame to its end.
fn whole_body<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Malformed),
    }
}

/// A handshake body. A later version may append more fields.
fn body_with_extension<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    postcard::take_from_bytes(body).map(|(value, _)| value).map_err(|_| DecodeError::Malformed)
}

fn decode_blocks(frame: Bytes) -> Result<BlocksReply, DecodeError> {
    let BlocksHeader { id, run } = BlocksHeader::decode(&frame)?;
    check_run(run)?;
    let data = frame.slice(BLOCKS_HEADER_LEN..);
    let (longest, length) = (u64::from(run.count) * BLOCK_SIZE, data.len() as u64);
    bound("data length", length <= longest && length > longest - BLOCK_SIZE)?;
    Ok(BlocksReply { id, run, data })
}

fn check_run(run: BlockRun) -> Result<(), DecodeError> {
    bound("count", (1..=MAX_RUN_BLOCKS).contains(&run.count))?;
    bound("first", run.first.checked_add(u64::from(run.count)).is_some())
}

pub(crate) fn bound(what: &'static str, holds: bool) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::OutOfBounds(what)) }
}

//! A reply as a Zstandard frame. The receiver checks the announced length before it takes memory for it.

use std::io::Read;

use bytes::Bytes;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::frame::{bound, tag};
use crate::limits::MAX_SERVER_FRAME;
use crate::{DecodeError, RequestId, ServerMessage};

/// Bytes in the header of a compressed frame.
pub const COMPRESSED_HEADER_LEN: usize = 12;

/// Carries a [`BlocksReply`](crate::BlocksReply) or a [`BundleReply`](crate::BundleReply).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// The request that the reply answers.
    pub id: RequestId,
    /// Bytes of the reply's frame before compression, at most [`MAX_SERVER_FRAME`].
    pub length: u32,
    /// The reply's frame as one Zstandard frame (RFC 8878).
    pub data: Bytes,
}

/// The header of a compressed frame: tag, three zero bytes, request id `u32`, length `u32`, all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedHeader {
    /// See [`Compressed::id`].
    pub id: RequestId,
    /// See [`Compressed::length`].
    pub length: u32,
}

impl CompressedHeader {
    /// The bytes of the header. A server can compress right behind them.
    #[must_use]
    pub fn encode(&self) -> [u8; COMPRESSED_HEADER_LEN] {
        let mut bytes = [0; COMPRESSED_HEADER_LEN];
        bytes[0] = tag::COMPRESSED;
        bytes[4..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }
}

impl From<&Compressed> for CompressedHeader {
    fn from(compressed: &Compressed) -> Self {
        Self { id: compressed.id, length: compressed.length }
    }
}

impl Compressed {
    pub(crate) fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let header: &[u8; COMPRESSED_HEADER_LEN] = frame.first_chunk().ok_or(DecodeError::Malformed)?;
        let [_, z0, z1, z2, i0, i1, i2, i3, l0, l1, l2, l3] = *header;
        if [z0, z1, z2] != [0; 3] {
            return Err(DecodeError::Malformed);
        }
        let data = frame.slice(COMPRESSED_HEADER_LEN..);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        bound("length", (1..=MAX_SERVER_FRAME as u32).contains(&length))?;
        bound("data length", !data.is_empty())?;
        Ok(Self { id: u32::from_le_bytes([i0, i1, i2, i3]), length, data })
    }

    /// The bytes that compression saved on the wire; 0 if it saved none.
    #[must_use]
    pub fn saved(&self) -> u64 {
        u64::from(self.length).saturating_sub((COMPRESSED_HEADER_LEN + self.data.len()) as u64)
    }

    /// The reply.
    ///
    /// # Errors
    /// When the data are not one Zstandard frame of [`length`](Self::length) bytes, or do not hold a reply of this kind
    /// to this request.
    pub fn decompress(&self) -> Result<ServerMessage, DecodeError> {
        let message = ServerMessage::decode(self.plain().ok_or(DecodeError::Compressed)?)?;
        let id = match &message {
            ServerMessage::Blocks(reply) => reply.id,
            ServerMessage::Bundle(reply) => reply.id,
            _ => return Err(DecodeError::Compressed),
        };
        if id == self.id { Ok(message) } else { Err(DecodeError::Compressed) }
    }

    /// The reply's frame. The decoder keeps one block of at most 128 KiB more than the length that was announced.
    fn plain(&self) -> Option<Bytes> {
        let (mut decoder, mut data) = (FrameDecoder::new(), &*self.data);
        decoder.set_max_window_size(MAX_SERVER_FRAME as u64);
        decoder.init(&mut data).ok()?;
        if decoder.content_size() != u64::from(self.length) {
            return None;
        }
        let length = self.length as usize;
        let is_whole = decoder.decode_blocks(&mut data, BlockDecodingStrategy::UptoBytes(length + 1)).ok()?;
        if !is_whole || !data.is_empty() || decoder.can_collect() != length {
            return None;
        }
        let mut plain = vec![0; length];
        decoder.read_exact(&mut plain).ok()?;
        Some(plain.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockRun, BlocksReply, Pong};

    fn zstd(plain: &[u8]) -> Bytes {
        zstd::bulk::compress(plain, 1).unwrap().into()
    }

    fn blocks(id: RequestId) -> ServerMessage {
        let data = b"again and ".repeat(2000).into();
        ServerMessage::Blocks(BlocksReply { id, run: BlockRun { first: 7, count: 3 }, data })
    }

    fn compressed(message: &ServerMessage) -> Compressed {
        let plain = message.encode();
        Compressed { id: 1, length: plain.len() as u32, data: zstd(&plain) }
    }

    #[test]
    fn a_reply_comes_back_and_takes_fewer_bytes() {
        let reply = blocks(1);
        let sent = compressed(&reply);
        assert_eq!(sent.decompress(), Ok(reply));
        assert!(sent.saved() > 19_000);
    }

    #[test]
    fn only_a_reply_to_the_same_request_may_be_inside() {
        for other in
            [blocks(2), ServerMessage::Pong(Pong { nonce: 1 }), ServerMessage::Compressed(compressed(&blocks(1)))]
        {
            assert_eq!(compressed(&other).decompress(), Err(DecodeError::Compressed));
        }
        let nothing = Compressed { id: 1, length: 3, data: zstd(b"\x7f\0\0") };
        assert_eq!(nothing.decompress(), Err(DecodeError::UnknownTag(0x7f)));
    }

    #[test]
    fn another_length_than_announced_is_refused() {
        let right = compressed(&blocks(1));
        for length in [1, right.length - 1, right.length + 1, MAX_SERVER_FRAME as u32] {
            assert_eq!(Compressed { length, ..right.clone() }.decompress(), Err(DecodeError::Compressed), "{length}");
        }
        for data in [&right.data[..right.data.len() - 1], &[&*right.data, &[0]].concat(), b"no zstd frame"] {
            let data = Bytes::copy_from_slice(data);
            assert_eq!(Compressed { data, ..right.clone() }.decompress(), Err(DecodeError::Compressed));
        }
    }

    /// A frame whose header says one length, with blocks of one repeated byte.
    fn repeated(length: u64, blocks: &[u32]) -> Compressed {
        // One segment, with a content size of eight bytes.
        let mut data = [&[0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000], length.to_le_bytes().as_slice()].concat();
        for (index, block) in blocks.iter().enumerate() {
            let is_last = u32::from(index + 1 == blocks.len());
            data.extend_from_slice(&(block << 3 | 1 << 1 | is_last).to_le_bytes()[..3]);
            data.push(0);
        }
        Compressed { id: 1, length: MAX_SERVER_FRAME as u32, data: data.into() }
    }

    #[test]
    fn a_few_bytes_do_not_become_many() {
        const LONGEST_BLOCK: u32 = 128 << 10;
        let exact = repeated(MAX_SERVER_FRAME as u64, &[LONGEST_BLOCK, LONGEST_BLOCK, 20]);
        // The decoder takes it, and it is no frame.
        assert_eq!(exact.decompress(), Err(DecodeError::UnknownTag(0)));
        // The last byte is in a block of its own.
        let length = 2 * LONGEST_BLOCK + 1;
        let uneven = repeated(length.into(), &[LONGEST_BLOCK, LONGEST_BLOCK, 1]);
        assert_eq!(Compressed { length, ..uneven }.decompress(), Err(DecodeError::UnknownTag(0)));
        for bomb in [
            repeated(MAX_SERVER_FRAME as u64, &[LONGEST_BLOCK; 60_000]),
            repeated(MAX_SERVER_FRAME as u64, &[LONGEST_BLOCK; 3]),
            repeated(u64::MAX, &[LONGEST_BLOCK; 60_000]),
            repeated(1 << 40, &[20]),
        ] {
            assert_eq!(bomb.decompress(), Err(DecodeError::Compressed));
        }
    }
}

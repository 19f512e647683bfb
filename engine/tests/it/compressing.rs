//! Compressed answers of scripted servers, by the simplest Zstandard encoder: blocks as they are, or of one byte
//! repeated.

use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{BLOCK_SIZE, Compressed, RequestId, ServerMessage};

/// One Zstandard frame of one segment, which says that it has `length` bytes.
pub fn zstd(plain: &[u8], length: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    frame.extend(length.to_le_bytes());
    let pieces: Vec<_> = plain.chunks(BLOCK_SIZE as usize).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let is_repeated = piece.iter().all(|byte| *byte == piece[0]);
        let is_last = index + 1 == pieces.len();
        let header = (piece.len() as u32) << 3 | u32::from(is_repeated) << 1 | u32::from(is_last);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(if is_repeated { &piece[..1] } else { piece });
    }
    frame
}

/// The answer compressed, if that fits a frame.
pub fn compressed(id: RequestId, message: ServerMessage) -> ServerMessage {
    let plain = message.encode();
    let length = plain.len() as u32;
    let compressed = ServerMessage::Compressed(Compressed { id, length, data: zstd(&plain, length).into() });
    if compressed.encode().len() <= MAX_SERVER_FRAME { compressed } else { message }
}

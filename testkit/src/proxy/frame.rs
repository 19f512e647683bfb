//! WebSocket frames on the wire (RFC 6455, section 5.2).

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Longest frame that is read. Both sides' frames are far shorter.
const MAX_PAYLOAD: u64 = 1 << 20;
/// Longest head of an HTTP message that is read.
const MAX_HEAD: u64 = 16 << 10;
/// The last frame of a message, and binary. Both sides send a message in one frame.
const BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Frame {
    /// The frame of a binary message as a server sends it.
    pub(super) fn of_message(payload: Vec<u8>) -> Self {
        let mut header = vec![BINARY];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short), _) if short < 126 => header.push(short),
            (_, Ok(middle)) => {
                header.push(126);
                header.extend(middle.to_be_bytes());
            }
            _ => {
                header.push(127);
                header.extend((payload.len() as u64).to_be_bytes());
            }
        }
        Self { header, payload }
    }

    /// Reads the next frame; `None` at the end of the stream.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        if from.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        let mut header = vec![0; 2];
        from.read_exact(&mut header).await?;
        let more = match header[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if header[1] & MASKED == 0 { 0 } else { 4 };
        header.resize(2 + more + mask, 0);
        from.read_exact(&mut header[2..]).await?;
        let long = header[2..2 + more].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let length = if more == 0 { u64::from(header[1] & !MASKED) } else { long };
        if length > MAX_PAYLOAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut payload = vec![0; length as usize];
        from.read_exact(&mut payload).await?;
        Ok(Some(Self { header, payload }))
    }

    /// The message in it; `None` if it is no binary one.
    pub(super) fn message(&self) -> Option<Vec<u8>> {
        if self.header[0] != BINARY {
            return None;
        }
        let mask: [u8; 4] = match self.header[1] & MASKED {
            0 => [0; 4],
            _ => *self.header.last_chunk()?,
        };
        Some(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect())
    }

    /// The frame's bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.header;
        bytes.extend(self.payload);
        bytes
    }
}

/// Reads the head of an HTTP message, with the empty line at its end.
pub(super) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let room = MAX_HEAD.saturating_sub(head.len() as u64);
        if (&mut *from).take(room).read_until(b'\n', &mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_of_every_length_are_read_as_they_were_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            let message: Vec<u8> = (0..length).map(|index: u32| index as u8).collect();
            let bytes = Frame::of_message(message.clone()).into_bytes();
            let mut stream = &bytes[..];
            let frame = Frame::read(&mut stream).await.unwrap().unwrap();
            assert_eq!(frame.message(), Some(message));
            assert_eq!(frame.into_bytes(), bytes);
            assert!(Frame::read(&mut stream).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_masked_frame_is_understood_and_passed_on_as_it_was() {
        // "Hello", the masked example of RFC 6455, section 5.7, as a binary message.
        let bytes = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let frame = Frame::read(&mut &bytes[..]).await.unwrap().unwrap();
        assert_eq!(frame.message().unwrap(), b"Hello");
        assert_eq!(frame.into_bytes(), bytes);
    }

    #[tokio::test]
    async fn what_is_no_binary_message_is_none() {
        let bytes = [0x89, 0x01, 7];
        assert!(Frame::read(&mut &bytes[..]).await.unwrap().unwrap().message().is_none());
    }

    #[tokio::test]
    async fn a_frame_cut_off_and_one_that_is_too_long_are_errors() {
        assert!(Frame::read(&mut &[0x82, 5, 1][..]).await.is_err());
        assert!(Frame::read(&mut &[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0][..]).await.is_err());
    }

    #[tokio::test]
    async fn a_head_ends_at_its_empty_line() {
        let mut stream = &b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\nmore"[..];
        assert!(read_head(&mut stream).await.unwrap().ends_with(b"websocket\r\n\r\n"));
        assert_eq!(stream, b"more");
    }
}

//! The second carrier: frames in the bodies of HTTP requests and responses, for ways that no WebSocket passes.
//!
//! A `POST` and its response are an *exchange*. Both bodies are sequences of *records*: a header of fixed length, then
//! one frame. Records are numbered from 0 in each direction of a session, over all exchanges. The receiver puts them in
//! order ([`InOrder`]). So the frames of a session are those of one WebSocket.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::frame;

/// The content type of both bodies. A page elsewhere can't send it without the server's permission.
pub const CONTENT_TYPE: &str = "application/x-wstp";
/// The field that names the session: in the response to the first exchange, and in each later request.
pub const SESSION_FIELD: &str = "wstp-session";
/// The value of this field in the request for a response beside a WebSocket. The response takes the server's frames, and
/// the WebSocket's first message is a text: the name of the session.
pub const BESIDE_WEBSOCKET: &str = "websocket";
/// Bytes before a frame: its length as `u32` and its number as `u64`, little-endian.
pub const RECORD_HEADER_LEN: usize = 12;
/// Longest body of a request, in bytes.
pub const MAX_REQUEST_BODY: usize = 64 * 1024;
/// Most exchanges that a client begins before the earlier ones are over. A server allows twice as many, because the end
/// of a response reaches the client before the server knows.
pub const MAX_EXCHANGES: usize = 4;
/// The last record of a response when the session goes on. It has no frame, and its number means nothing.
pub const END: [u8; RECORD_HEADER_LEN] = [0; RECORD_HEADER_LEN];

/// Why a body can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A record is longer than any frame of its sender may be.
    #[error("a record is too long")]
    TooLong,
    /// Something follows the last record.
    #[error("there is more behind the last record")]
    AfterEnd,
    /// The body ends within a record.
    #[error("the body ends within a record")]
    Cut,
    /// A number came twice, or is too far ahead.
    #[error("a record has the wrong number")]
    Number,
}

/// The header of a record.
///
/// # Panics
/// When `length` does not fit 32 bits, which no frame is long enough for.
#[must_use]
pub fn record_header(length: usize, number: u64) -> [u8; RECORD_HEADER_LEN] {
    let length = u32::try_from(length).expect("no frame is that long");
    let mut header = [0; RECORD_HEADER_LEN];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&number.to_le_bytes());
    header
}

/// Whether the server answers this frame of a client. An exchange lasts until as many answers came as it has such
/// frames.
#[must_use]
pub fn is_answered(frame: &[u8]) -> bool {
    !matches!(frame.first(), None | Some(&frame::tag::CANCEL | &frame::tag::CLOSE))
}

/// Whether this frame of a client should not wait until another exchange is over: it asks whether the server is alive,
/// or stops something.
#[must_use]
pub fn is_urgent(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&frame::tag::PING | &frame::tag::CANCEL | &frame::tag::CLOSE))
}

/// Whether this frame of a server answers a frame of the client; the others are notices.
#[must_use]
pub fn is_answer(frame: &[u8]) -> bool {
    use frame::tag::{FAILURE, GOODBYE, MIRRORS, ROOT_READY, STALE};
    match frame {
        // A failure of the connection has no request.
        [FAILURE, is_of_request, ..] => *is_of_request != 0,
        [ROOT_READY | STALE | GOODBYE | MIRRORS, ..] => false,
        _ => true,
    }
}

/// A piece of a body, wherever its bytes are.
pub trait Piece {
    /// Its length, in bytes.
    fn length(&self) -> usize;

    /// Copies the bytes from `start` on that fill `into`.
    fn copy(&self, start: usize, into: &mut [u8]);
}

impl Piece for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn copy(&self, start: usize, into: &mut [u8]) {
        into.copy_from_slice(&self[start..start + into.len()]);
    }
}

/// The next part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A frame and its number.
    Frame(u64, Bytes),
    /// The last record.
    End,
}

/// Reads the records of one body, of which any number of bytes may arrive at once.
#[derive(Debug)]
pub struct Records {
    longest: usize,
    header: [u8; RECORD_HEADER_LEN],
    /// Bytes of the current record so far, its header included.
    got: usize,
    frame: Vec<u8>,
    has_ended: bool,
}

impl Records {
    /// A body whose frames have at most `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { longest, header: END, got: 0, frame: Vec::new(), has_ended: false }
    }

    /// The next record, if it ends in this piece. `position` is the number of bytes of the piece that were read.
    ///
    /// # Errors
    /// When a record is too long, or follows the last one.
    pub fn next<P: Piece + ?Sized>(&mut self, piece: &P, position: &mut usize) -> Result<Option<Record>, RecordError> {
        while *position < piece.length() {
            if self.has_ended {
                return Err(RecordError::AfterEnd);
            }
            let left = piece.length() - *position;
            if self.got < RECORD_HEADER_LEN {
                let count = left.min(RECORD_HEADER_LEN - self.got);
                piece.copy(*position, &mut self.header[self.got..self.got + count]);
                self.advance(count, position);
                if self.got == RECORD_HEADER_LEN {
                    let length = self.length();
                    if length > self.longest {
                        return Err(RecordError::TooLong);
                    }
                    self.frame = vec![0; length];
                    if length == 0 {
                        self.has_ended = true;
                        return Ok(Some(Record::End));
                    }
                }
                continue;
            }
            let start = self.got - RECORD_HEADER_LEN;
            let count = left.min(self.frame.len() - start);
            piece.copy(*position, &mut self.frame[start..start + count]);
            self.advance(count, position);
            if self.got - RECORD_HEADER_LEN == self.frame.len() {
                self.got = 0;
                let [.., n0, n1, n2, n3, n4, n5, n6, n7] = self.header;
                let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
                return Ok(Some(Record::Frame(number, std::mem::take(&mut self.frame).into())));
            }
        }
        Ok(None)
    }

    /// Whether the last record was read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn advance(&mut self, count: usize, position: &mut usize) {
        self.got += count;
        *position += count;
    }

    fn length(&self) -> usize {
        let [l0, l1, l2, l3, ..] = self.header;
        u32::from_le_bytes([l0, l1, l2, l3]) as usize
    }
}

/// The frames of a request's body, with their numbers. A request has no last record: its length is known.
///
/// # Errors
/// As [`Records::next`], and when the body ends within a record.
pub fn records_in(body: &[u8], longest: usize) -> Result<Vec<(u64, Bytes)>, RecordError> {
    let (mut records, mut position, mut found) = (Records::new(longest), 0, Vec::new());
    while let Some(record) = records.next(body, &mut position)? {
        match record {
            Record::Frame(number, frame) => found.push((number, frame)),
            Record::End => return Err(RecordError::AfterEnd),
        }
    }
    if records.got == 0 { Ok(found) } else { Err(RecordError::Cut) }
}

/// Puts the frames of one direction in the order of their numbers. Frames that come too early wait, within a bound.
#[derive(Debug)]
pub struct InOrder {
    next: u64,
    early: BTreeMap<u64, Bytes>,
    bytes: usize,
    most_bytes: usize,
}

impl InOrder {
    /// Most numbers that a frame may be ahead.
    const MOST_AHEAD: u64 = 64 * 1024;

    /// Begins at number 0. At most `most_bytes` of frames wait.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { next: 0, early: BTreeMap::new(), bytes: 0, most_bytes }
    }

    /// A frame came.
    ///
    /// # Errors
    /// When its number came before or is too far ahead, or too many bytes wait.
    pub fn put(&mut self, number: u64, frame: Bytes) -> Result<(), RecordError> {
        let ahead = number.checked_sub(self.next).ok_or(RecordError::Number)?;
        self.bytes += frame.len();
        if ahead > Self::MOST_AHEAD || self.bytes > self.most_bytes || self.early.insert(number, frame).is_some() {
            return Err(RecordError::Number);
        }
        Ok(())
    }

    /// The frame whose turn it is, if it came.
    pub fn take(&mut self) -> Option<Bytes> {
        let frame = self.early.remove(&self.next)?;
        self.next += 1;
        self.bytes -= frame.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cancel, ClientMessage, Close, ErrorCode, Failure, Goodbye, Ping, Pong, RootReady, ServerMessage, Stale,
    };
    use proptest::prelude::*;

    fn body(frames: &[Vec<u8>]) -> Vec<u8> {
        let records =
            frames.iter().zip(5..).map(|(frame, number)| [&record_header(frame.len(), number)[..], frame].concat());
        records.flatten().collect()
    }

    proptest! {
        #[test]
        fn records_are_read_wherever_the_body_is_divided(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            sizes in prop::collection::vec(1usize..50, 1..20),
        ) {
            let bytes = [body(&frames), END.to_vec()].concat();
            let (mut records, mut read, mut rest) = (Records::new(40), Vec::new(), &bytes[..]);
            for size in sizes.iter().cycle() {
                let piece;
                (piece, rest) = rest.split_at((*size).min(rest.len()));
                let mut position = 0;
                while let Some(record) = records.next(piece, &mut position).unwrap() {
                    read.push(record);
                }
                prop_assert_eq!(position, piece.len());
                if rest.is_empty() {
                    break;
                }
            }
            let expected = frames.into_iter().zip(5..).map(|(frame, number)| Record::Frame(number, frame.into()));
            prop_assert_eq!(read, expected.chain([Record::End]).collect::<Vec<_>>());
            prop_assert!(records.has_ended());
        }

        #[test]
        fn no_body_makes_trouble(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = records_in(&bytes, 64);
        }

        #[test]
        fn frames_come_out_in_the_order_of_their_numbers(order in Just((0..20u64).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut in_order, mut out) = (InOrder::new(1000), Vec::new());
            for number in order {
                in_order.put(number, vec![number as u8].into()).unwrap();
                while let Some(frame) = in_order.take() {
                    out.push(u64::from(frame[0]));
                }
            }
            prop_assert_eq!(out, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_body_is_refused_before_memory_is_taken_for_it() {
        let long = record_header(41, 0);
        assert_eq!(Records::new(40).next(&long[..], &mut 0), Err(RecordError::TooLong));
        assert_eq!(records_in(&record_header(40, 0), 40), Err(RecordError::Cut));
        assert_eq!(records_in(&END, 40), Err(RecordError::AfterEnd));
        let more = [&END[..], &[0]].concat();
        let (mut records, mut position) = (Records::new(40), 0);
        assert_eq!(records.next(&more[..], &mut position), Ok(Some(Record::End)));
        assert_eq!(records.next(&more[..], &mut position), Err(RecordError::AfterEnd));
    }

    #[test]
    fn numbers_come_once_and_what_waits_is_bounded() {
        let frame = Bytes::from_static(&[0; 10]);
        let mut in_order = InOrder::new(25);
        in_order.put(0, frame.clone()).unwrap();
        assert_eq!(in_order.put(0, frame.clone()), Err(RecordError::Number));
        let mut in_order = InOrder::new(25);
        in_order.put(0, frame.clone()).unwrap();
        assert!(in_order.take().is_some());
        assert_eq!(in_order.put(0, frame.clone()), Err(RecordError::Number));
        in_order.put(2, frame.clone()).unwrap();
        in_order.put(3, frame.clone()).unwrap();
        assert!(in_order.take().is_none());
        assert_eq!(in_order.put(4, frame.clone()), Err(RecordError::Number));
    }

    #[test]
    fn what_waits_reaches_the_bound_and_is_counted_until_it_is_taken() {
        let frame = Bytes::from_static(&[0; 10]);
        let mut in_order = InOrder::new(20);
        for number in 0..10 {
            in_order.put(2 * number + 1, frame.clone()).unwrap();
            in_order.put(2 * number, frame.clone()).unwrap();
            assert!(in_order.take().is_some() && in_order.take().is_some());
        }
        assert_eq!(in_order.put(20 + 65_536, frame.clone()), Ok(()), "64 Ki numbers ahead");
        assert_eq!(InOrder::new(25).put(65_537, frame), Err(RecordError::Number));
    }

    #[test]
    fn requests_and_answers_are_known_by_their_first_bytes() {
        for (message, answered) in [
            (ClientMessage::Ping(Ping { nonce: 1 }), true),
            (ClientMessage::Cancel(Cancel { id: 1 }), false),
            (ClientMessage::Close(Close { handle: 1 }), false),
        ] {
            assert_eq!(is_answered(&message.encode()), answered, "{message:?}");
        }
        let failure = |id| Failure { id, code: ErrorCode::Busy, text: String::new(), retry_after_ms: None };
        for (message, answer) in [
            (ServerMessage::Pong(Pong { nonce: 1 }), true),
            (ServerMessage::Failure(failure(Some(0))), true),
            (ServerMessage::Failure(failure(None)), false),
            (ServerMessage::RootReady(RootReady { handle: 1, root: [0; 32] }), false),
            (ServerMessage::Stale(Stale { handle: 1 }), false),
            (ServerMessage::Goodbye(Goodbye { retry_after_ms: 1 }), false),
        ] {
            assert_eq!(is_answer(&message.encode()), answer, "{message:?}");
        }
    }
}

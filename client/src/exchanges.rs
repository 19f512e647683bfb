//! A connection whose frames go in HTTP exchanges, for ways that no WebSocket passes. The front end makes the requests
//! and reads the responses; this says which, and puts the frames in order.
//!
//! Frames that can't go at once wait and go together, so the busier the connection is, the fewer requests it makes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use wstp_protocol::exchange::{
    CONTENT_TYPE, InOrder, MAX_EXCHANGES, MAX_REQUEST_BODY, Piece, RECORD_HEADER_LEN, Record, RecordError, Records,
    is_urgent, record_header,
};
use wstp_protocol::limits::MAX_SERVER_FRAME;

/// How long an idle connection waits before it asks whether the server has something to say.
pub const ASK_AFTER: Duration = Duration::from_secs(1);
/// Bytes of frames that came before their turn.
const MOST_EARLY: usize = 32 << 20;
/// Longest name of a session, in bytes.
const MAX_SESSION: usize = 256;

/// Names an exchange of one connection.
pub type ExchangeId = u32;

/// The exchanges of one connection.
#[derive(Debug)]
pub struct Exchanges {
    session: Option<String>,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// Frames among the unsent ones that don't wait for the end of another exchange.
    urgent: usize,
    sent: u64,
    received: InOrder,
    open: BTreeMap<ExchangeId, Open>,
    next: ExchangeId,
    most: usize,
    asks: bool,
}

/// An exchange under way.
#[derive(Debug)]
struct Open {
    records: Records,
    has_head: bool,
}

/// A request to make: `POST`, with [`CONTENT_TYPE`], and without following redirects.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the exchange.
    pub exchange: ExchangeId,
    /// The value of [`SESSION_FIELD`](wstp_protocol::exchange::SESSION_FIELD), if there is a session yet.
    pub session: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The parts of a response's head that matter.
#[derive(Debug, Default)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// [`SESSION_FIELD`](wstp_protocol::exchange::SESSION_FIELD).
    pub session: Option<String>,
}

/// Why the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The server has ended the session, or the response was cut.
    #[error("the server ended the session")]
    Over,
    /// Something else answers, or the server has no room.
    #[error("it answers with the status {0}")]
    Status(u16),
    /// The response is none of this protocol.
    #[error("its response is malformed: {0}")]
    Malformed(#[from] RecordError),
}

impl Exchanges {
    /// A connection with at most this many exchanges at once, and one more for what is urgent.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            session: None,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            urgent: 0,
            sent: 0,
            received: InOrder::new(MOST_EARLY),
            open: BTreeMap::new(),
            next: 0,
            most: most.clamp(1, MAX_EXCHANGES - 1),
            asks: false,
        }
    }

    /// The name of the session, to end it with `DELETE`.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Whether as many frames wait as the next request takes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unsent_bytes >= MAX_REQUEST_BODY
    }

    /// Whether nothing is under way, so that the server can't say anything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.session.is_some() && self.open.is_empty() && self.unsent.is_empty()
    }

    /// A frame is to be sent.
    pub fn send(&mut self, frame: Bytes) {
        self.unsent_bytes += RECORD_HEADER_LEN + frame.len();
        self.urgent += usize::from(is_urgent(&frame));
        self.unsent.push_back(frame);
    }

    /// Asks whether the server has something to say, if the connection is idle.
    pub fn ask(&mut self) {
        self.asks = self.is_idle();
    }

    /// The next request to make.
    pub fn poll_request(&mut self) -> Option<Request> {
        // The first response names the session.
        let most = if self.session.is_some() { self.most + usize::from(self.urgent > 0) } else { 1 };
        if self.open.len() >= most || (self.unsent.is_empty() && !self.asks) {
            return None;
        }
        self.asks = false;
        let mut body = Vec::new();
        while let Some(frame) = self.unsent.front() {
            if !body.is_empty() && body.len() + RECORD_HEADER_LEN + frame.len() > MAX_REQUEST_BODY {
                break;
            }
            body.extend_from_slice(&record_header(frame.len(), self.sent));
            body.extend_from_slice(frame);
            self.sent += 1;
            self.unsent_bytes -= RECORD_HEADER_LEN + frame.len();
            self.urgent -= usize::from(is_urgent(frame));
            self.unsent.pop_front();
        }
        let exchange = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(exchange, Open { records: Records::new(MAX_SERVER_FRAME), has_head: false });
        Some(Request { exchange, session: self.session.clone(), body })
    }

    /// The next frame of the server.
    pub fn poll_frame(&mut self) -> Option<Bytes> {
        self.received.take()
    }

    /// The head of a response came.
    ///
    /// # Errors
    ///
    /// When it ends the connection.
    pub fn handle_head(&mut self, exchange: ExchangeId, head: &Head) -> Result<(), Ended> {
        match head.status {
            200 if head.content_type.as_deref() == Some(CONTENT_TYPE) => {}
            410 => return Err(Ended::Over),
            status => return Err(Ended::Status(status)),
        }
        if self.session.is_none() {
            let is_name = |name: &&String| {
                (1..=MAX_SESSION).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
            };
            let name = head.session.as_ref().filter(is_name).ok_or(Ended::Status(head.status))?;
            self.session = Some(name.clone());
        }
        if let Some(open) = self.open.get_mut(&exchange) {
            open.has_head = true;
        }
        Ok(())
    }

    /// A piece of a response's body came, behind its head.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn handle_piece<P: Piece + ?Sized>(&mut self, exchange: ExchangeId, piece: &P) -> Result<(), Ended> {
        let Some(open) = self.open.get_mut(&exchange).filter(|open| open.has_head) else { return Err(Ended::Over) };
        let mut position = 0;
        while let Some(record) = open.records.next(piece, &mut position)? {
            if let Record::Frame(number, frame) = record {
                self.received.put(number, frame)?;
            }
        }
        Ok(())
    }

    /// A response ended.
    ///
    /// # Errors
    ///
    /// When that ends the connection. The frames that came before still count.
    pub fn handle_end(&mut self, exchange: ExchangeId) -> Result<(), Ended> {
        let open = self.open.remove(&exchange).ok_or(Ended::Over)?;
        if open.records.has_ended() { Ok(()) } else { Err(Ended::Over) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::exchange::{END, records_in};
    use wstp_protocol::{ClientMessage, Ping};

    fn head() -> Head {
        Head { status: 200, content_type: Some(CONTENT_TYPE.to_owned()), session: Some("name".to_owned()) }
    }

    fn frame(byte: u8) -> Bytes {
        vec![byte; 10].into()
    }

    fn record(byte: u8) -> Vec<u8> {
        [&record_header(10, byte.into())[..], &frame(byte)].concat()
    }

    /// A connection with a session.
    fn begun() -> Exchanges {
        let mut exchanges = Exchanges::new(2);
        exchanges.send(frame(0));
        let hello = exchanges.poll_request().unwrap();
        assert_eq!(hello.session, None);
        exchanges.send(frame(1));
        assert_eq!(exchanges.poll_request(), None, "the session has no name yet");
        exchanges.handle_head(hello.exchange, &head()).unwrap();
        exchanges.handle_piece(hello.exchange, &[&record(0)[..], &END].concat()[..]).unwrap();
        exchanges.handle_end(hello.exchange).unwrap();
        assert_eq!(exchanges.poll_frame(), Some(frame(0)));
        exchanges
    }

    #[test]
    fn frames_that_can_t_go_at_once_go_together() {
        let mut exchanges = begun();
        let first = exchanges.poll_request().unwrap();
        assert_eq!(first.session.as_deref(), Some("name"));
        exchanges.send(frame(2));
        let second = exchanges.poll_request().unwrap();
        exchanges.send(frame(3));
        exchanges.send(frame(4));
        assert_eq!(exchanges.poll_request(), None);
        for exchange in [second.exchange, first.exchange] {
            exchanges.handle_head(exchange, &head()).unwrap();
        }
        // The second response overtakes the first.
        exchanges.handle_piece(second.exchange, &[&record(2)[..], &END].concat()[..]).unwrap();
        exchanges.handle_end(second.exchange).unwrap();
        assert_eq!(exchanges.poll_frame(), None);
        exchanges.handle_piece(first.exchange, &record(1)[..5]).unwrap();
        exchanges.handle_piece(first.exchange, &record(1)[5..]).unwrap();
        assert_eq!([exchanges.poll_frame(), exchanges.poll_frame()], [Some(frame(1)), Some(frame(2))]);
        let both = exchanges.poll_request().unwrap();
        assert_eq!(records_in(&both.body, 100).unwrap(), [(3, frame(3)), (4, frame(4))]);
    }

    #[test]
    fn a_ping_does_not_wait_for_answers() {
        let mut exchanges = begun();
        let _first = exchanges.poll_request().unwrap();
        exchanges.send(frame(1));
        let _second = exchanges.poll_request().unwrap();
        exchanges.send(frame(1));
        assert_eq!(exchanges.poll_request(), None);
        for _ in 0..2 {
            exchanges.send(ClientMessage::Ping(Ping { nonce: 1 }).encode().into());
        }
        assert!(exchanges.poll_request().is_some());
        exchanges.send(ClientMessage::Ping(Ping { nonce: 2 }).encode().into());
        assert_eq!(exchanges.poll_request(), None, "exchanges are bounded");
    }

    #[test]
    fn a_request_is_bounded() {
        let mut exchanges = begun();
        for _ in 0..30 {
            exchanges.send(vec![2; 8000].into());
        }
        assert!(exchanges.is_full());
        let body = exchanges.poll_request().unwrap().body;
        assert!((56_000..=MAX_REQUEST_BODY).contains(&body.len()), "{}", body.len());
    }

    #[test]
    fn an_idle_connection_asks_and_a_busy_one_does_not() {
        let mut exchanges = Exchanges::new(2);
        exchanges.ask();
        assert_eq!(exchanges.poll_request(), None, "there is no session");
        let mut exchanges = begun();
        let busy = exchanges.poll_request().unwrap();
        exchanges.ask();
        assert_eq!(exchanges.poll_request(), None);
        exchanges.handle_head(busy.exchange, &head()).unwrap();
        exchanges.handle_piece(busy.exchange, &END[..]).unwrap();
        exchanges.handle_end(busy.exchange).unwrap();
        exchanges.ask();
        assert!(exchanges.poll_request().unwrap().body.is_empty());
        assert_eq!(exchanges.poll_request(), None);
    }

    #[test]
    fn each_end_is_known() {
        for (status, ended) in [(410, Ended::Over), (502, Ended::Status(502)), (204, Ended::Status(204))] {
            let mut exchanges = begun();
            let exchange = exchanges.poll_request().unwrap().exchange;
            assert_eq!(exchanges.handle_head(exchange, &Head { status, ..head() }), Err(ended));
        }
        let mut exchanges = begun();
        let exchange = exchanges.poll_request().unwrap().exchange;
        assert_eq!(exchanges.handle_piece(exchange, &END[..]), Err(Ended::Over), "a body has a head");
        exchanges.handle_head(exchange, &head()).unwrap();
        exchanges.handle_piece(exchange, &record(1)[..]).unwrap();
        assert_eq!(exchanges.handle_end(exchange), Err(Ended::Over), "it was cut");
        assert_eq!(exchanges.poll_frame(), Some(frame(1)));
        let mut exchanges = Exchanges::new(2);
        exchanges.send(frame(0));
        let exchange = exchanges.poll_request().unwrap().exchange;
        for session in [None, Some("a b"), Some("")].map(|name| name.map(str::to_owned)) {
            assert_eq!(exchanges.handle_head(exchange, &Head { session, ..head() }), Err(Ended::Status(200)));
        }
    }
}

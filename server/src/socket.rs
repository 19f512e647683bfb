//! The WebSocket. Only this module knows which library speaks it.
//!
//! Frames go out without a copy. The size of incoming frames is checked before memory is taken for them.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};
use wstp_protocol::limits::{MAX_CLIENT_FRAME, MAX_SERVER_FRAME};

/// Queued bytes at which the library writes before it takes more.
const FLUSH_THRESHOLD: usize = 256 * 1024;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Why a socket ended.
pub type SocketError = tokio_websockets::Error;

/// A received message.
pub enum Incoming {
    /// A binary message: one frame of the protocol.
    Frame(Bytes),
    /// A ping or pong. The library answers it once something is flushed.
    Ping,
    /// A text message, which the protocol does not have.
    Text,
}

/// The half that receives.
pub struct Receiver(SplitStream<Stream>);

/// The half that sends.
pub struct Sender(SplitSink<Stream, Message>);

/// The reason why the server closes a socket, as the WebSocket's close code.
#[derive(Clone, Copy)]
pub enum Closing {
    /// All is said.
    Normal,
    /// The server stops.
    GoingAway,
    /// The client broke the protocol.
    Protocol,
    /// The server has no room for the client now.
    TryAgainLater,
}

/// Takes over an upgraded HTTP connection.
pub fn open(upgraded: Upgraded) -> (Sender, Receiver) {
    let stream = ServerBuilder::new()
        .limits(Limits::default().max_payload_len(Some(MAX_CLIENT_FRAME)))
        .config(Config::default().frame_size(MAX_SERVER_FRAME).flush_threshold(FLUSH_THRESHOLD))
        .serve(TokioIo::new(upgraded));
    let (sink, stream) = stream.split();
    (Sender(sink), Receiver(stream))
}

impl Receiver {
    /// The next message; `None` once the peer closed the connection. Safe to cancel.
    pub async fn next(&mut self) -> Option<Result<Incoming, SocketError>> {
        loop {
            let message = match self.0.next().await? {
                Ok(message) => message,
                Err(error) => return Some(Err(error)),
            };
            if message.is_binary() {
                return Some(Ok(Incoming::Frame(message.into_payload().into())));
            } else if message.is_text() {
                return Some(Ok(Incoming::Text));
            } else if message.is_ping() {
                return Some(Ok(Incoming::Ping));
            }
        }
    }

    /// Reads on until the peer closed its side, so that what was sent last is not lost to a reset.
    pub async fn drain(&mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

impl Sender {
    /// Queues one frame.
    pub async fn feed(&mut self, frame: Bytes) -> Result<(), SocketError> {
        self.0.feed(Message::binary(frame)).await
    }

    /// Writes what is queued.
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        self.0.flush().await
    }

    /// Tells the peer that the connection ends.
    pub async fn close(&mut self, closing: Closing) -> Result<(), SocketError> {
        let code = match closing {
            Closing::Normal => CloseCode::NORMAL_CLOSURE,
            Closing::GoingAway => CloseCode::GOING_AWAY,
            Closing::Protocol => CloseCode::PROTOCOL_ERROR,
            Closing::TryAgainLater => CloseCode::SERVICE_OVERLOAD,
        };
        self.0.send(Message::close(Some(code), "")).await
    }
}

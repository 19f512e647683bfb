//! The WebSocket, the usual [carrier]. Only this module knows which library speaks it.
//!
//! Frames go out without a copy. The size of incoming frames is checked before memory is taken for them.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};
use wstp_protocol::limits::{MAX_CLIENT_FRAME, MAX_SERVER_FRAME};

use crate::carrier::{self, CarrierError, Closing, Incoming};

/// Queued bytes at which the library writes before it takes more.
const FLUSH_THRESHOLD: usize = 256 * 1024;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The half that receives.
pub struct Receiver(SplitStream<Stream>);

/// The half that sends.
pub struct Sender(SplitSink<Stream, Message>);

/// Takes over an upgraded HTTP connection.
pub fn open(upgraded: Upgraded) -> (Sender, Receiver) {
    let stream = ServerBuilder::new()
        .limits(Limits::default().max_payload_len(Some(MAX_CLIENT_FRAME)))
        .config(Config::default().frame_size(MAX_SERVER_FRAME).flush_threshold(FLUSH_THRESHOLD))
        .serve(TokioIo::new(upgraded));
    let (sink, stream) = stream.split();
    (Sender(sink), Receiver(stream))
}

impl carrier::Receiver for Receiver {
    async fn next(&mut self) -> Option<Result<Incoming, CarrierError>> {
        loop {
            let message = match self.0.next().await? {
                Ok(message) => message,
                Err(error) => return Some(Err(error.into())),
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

    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

impl carrier::Sender for Sender {
    async fn feed(&mut self, frame: Bytes) -> Result<(), CarrierError> {
        Ok(self.0.feed(Message::binary(frame)).await?)
    }

    async fn flush(&mut self) -> Result<(), CarrierError> {
        Ok(self.0.flush().await?)
    }

    async fn close(&mut self, closing: Closing) -> Result<(), CarrierError> {
        let code = match closing {
            Closing::Normal => CloseCode::NORMAL_CLOSURE,
            Closing::GoingAway => CloseCode::GOING_AWAY,
            Closing::Protocol => CloseCode::PROTOCOL_ERROR,
            Closing::TryAgainLater => CloseCode::SERVICE_OVERLOAD,
        };
        Ok(self.0.send(Message::close(Some(code), "")).await?)
    }
}

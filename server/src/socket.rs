//! The WebSocket, the usual [carrier]. Only this module knows which library speaks it.
//!
//! Frames go out without a copy. The size of incoming frames is checked before memory is taken for them. If the first
//! message names a response, the server's frames go there ([`Downstream`]).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};
use wstp_protocol::limits::{MAX_CLIENT_FRAME, MAX_SERVER_FRAME};

use crate::access::Credential;
use crate::carrier::{self, CarrierError, Closing, Incoming};
use crate::exchange::Downstream;
use crate::server::Server;

/// Queued bytes at which the library writes before it takes more.
const FLUSH_THRESHOLD: usize = 256 * 1024;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The half that receives.
pub struct Receiver {
    stream: SplitStream<Stream>,
    /// Until the first message came.
    unclaimed: Option<(Arc<Server>, oneshot::Sender<Downstream>)>,
    /// That of the request for the response.
    credential: Option<Credential>,
}

/// The half that sends.
pub struct Sender {
    sink: SplitSink<Stream, Message>,
    claimed: oneshot::Receiver<Downstream>,
    downstream: Option<Downstream>,
}

/// Takes over an upgraded HTTP connection.
pub fn open(server: &Arc<Server>, upgraded: Upgraded) -> (Sender, Receiver) {
    let stream = ServerBuilder::new()
        .limits(Limits::default().max_payload_len(Some(MAX_CLIENT_FRAME)))
        .config(Config::default().frame_size(MAX_SERVER_FRAME).flush_threshold(FLUSH_THRESHOLD))
        .serve(TokioIo::new(upgraded));
    let (sink, stream) = stream.split();
    let (claim, claimed) = oneshot::channel();
    let receiver = Receiver { stream, unclaimed: Some((server.clone(), claim)), credential: None };
    (Sender { sink, claimed, downstream: None }, receiver)
}

impl Receiver {
    /// Whether this text names a response, which then takes the server's frames. Only the first message can.
    fn claims(&mut self, text: &str) -> bool {
        let Some((server, claim)) = self.unclaimed.take() else { return false };
        let Some(downstream) = server.downstreams.claim(text) else { return false };
        self.credential = downstream.credential().cloned();
        claim.send(downstream).is_ok()
    }
}

impl carrier::Receiver for Receiver {
    async fn next(&mut self) -> Option<Result<Incoming, CarrierError>> {
        loop {
            let message = match self.stream.next().await? {
                Ok(message) => message,
                Err(error) => return Some(Err(error.into())),
            };
            if message.as_text().is_some_and(|text| self.claims(text)) {
                continue;
            }
            if message.is_binary() {
                self.unclaimed = None;
                return Some(Ok(Incoming::Frame(message.into_payload().into())));
            } else if message.is_text() {
                return Some(Ok(Incoming::Text));
            } else if message.is_ping() {
                return Some(Ok(Incoming::Ping));
            }
        }
    }

    fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

impl carrier::Sender for Sender {
    async fn feed(&mut self, frame: Bytes) -> Result<(), CarrierError> {
        // The client claims before it greets, and nothing is said to it before.
        if let Ok(downstream) = self.claimed.try_recv() {
            self.downstream = Some(downstream);
        }
        match &mut self.downstream {
            Some(downstream) => downstream.feed(frame).await,
            None => Ok(self.sink.feed(Message::binary(frame)).await?),
        }
    }

    async fn flush(&mut self) -> Result<(), CarrierError> {
        Ok(self.sink.flush().await?)
    }

    async fn close(&mut self, closing: Closing) -> Result<(), CarrierError> {
        let code = match closing {
            Closing::Normal => CloseCode::NORMAL_CLOSURE,
            Closing::GoingAway => CloseCode::GOING_AWAY,
            Closing::Protocol => CloseCode::PROTOCOL_ERROR,
            Closing::TryAgainLater => CloseCode::SERVICE_OVERLOAD,
        };
        // The response ends behind the last words.
        self.downstream = None;
        Ok(self.sink.send(Message::close(Some(code), "")).await?)
    }
}

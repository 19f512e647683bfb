//! One WebSocket, the usual [carrier](crate::carrier), and the only place that knows which library speaks it.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, WebSocketStream};
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::probe::EARLY_FIELD;

use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::bounded_head::BoundedHead;
use crate::carrier::{Happening, Happenings};
use crate::diagnosis::{self, Diagnosis};
use crate::dial::{Line, dial};
use crate::exit::Failure;
use crate::tls;
use crate::web::MOST_REDIRECTS;
use crate::words::connecting::{broken, insecure, not_followed};
use crate::words::not_wstp;

type Stream = WebSocketStream<BoundedHead<Line>>;

/// An open one.
pub struct Socket {
    stream: Stream,
    /// Whether the server takes requests before its welcome.
    pub takes_early: bool,
}

impl Socket {
    /// Opens it where the address leads to.
    ///
    /// # Errors
    ///
    /// In words, when it can't be opened.
    pub async fn open(address: &Address, arrivals: &Arrivals) -> Result<Self, Failure> {
        let mut at = address.clone();
        for _ in 0..=MOST_REDIRECTS {
            match shake_hands(&at, arrivals).await? {
                Ok(socket) => return Ok(socket),
                Err(elsewhere) => at = elsewhere,
            }
        }
        Err(not_followed(&address.host_and_port(), &at.host_and_port(), "the way there is a circle"))
    }

    /// Lives until the socket ends or nobody wants it any more.
    ///
    /// # Errors
    ///
    /// In words, when it breaks.
    pub async fn live<N: Copy>(
        self,
        address: &Address,
        happenings: &Happenings<N>,
        mut to_send: mpsc::Receiver<Bytes>,
        arrivals: &Arrivals,
    ) -> Result<(), Failure> {
        let broken = |error| broken(&address.host_and_port(), error);
        let mut stream = self.stream;
        let mut wanted = true;
        while wanted {
            tokio::select! {
                message = stream.next() => match message {
                    None => return Ok(()),
                    Some(message) => {
                        let message = message.map_err(broken)?;
                        arrivals.is_whole();
                        if message.is_ping() {
                            // Answered before anything more is read, so that pongs can't pile up.
                            stream.flush().await.map_err(broken)?;
                        } else if message.is_binary() || message.is_text() {
                            // A text is no frame, and neither is the empty one: whoever reads it finds out that this is
                            // not WSTP.
                            let frame = if message.is_text() { Bytes::new() } else { message.into_payload().into() };
                            wanted = happenings.tell(Happening::Came(frame.into())).await;
                        }
                    }
                },
                frame = to_send.recv() => match frame {
                    None => wanted = false,
                    Some(frame) => write(&mut stream, frame, &mut to_send).await.map_err(broken)?,
                },
            }
        }
        Ok(())
    }
}

/// Writes a frame and all that wait behind it.
async fn write(
    stream: &mut Stream,
    first: Bytes,
    to_send: &mut mpsc::Receiver<Bytes>,
) -> Result<(), tokio_websockets::Error> {
    let mut next = Some(first);
    while let Some(frame) = next {
        stream.feed(Message::binary(frame)).await?;
        next = to_send.try_recv().ok();
    }
    stream.flush().await
}

/// Opens it at this address, or says where else it is.
async fn shake_hands(address: &Address, arrivals: &Arrivals) -> Result<Result<Socket, Address>, Failure> {
    let label = address.host_and_port();
    let mut line: Line = Box::new(arrivals.count(dial(address).await?));
    if address.secure {
        line = tls::wrap(&address.host, line).await.map_err(|error| insecure(&label, &error))?;
    }
    let builder = ClientBuilder::new()
        .limits(Limits::default().max_payload_len(Some(MAX_SERVER_FRAME)))
        .config(Config::default().frame_size(MAX_SERVER_FRAME))
        .uri(&address.to_string())
        .map_err(|_| not_wstp(&label, "its name can't stand in an address"))?;
    match builder.connect_on(BoundedHead::new(line)).await {
        Ok((mut stream, answer)) => {
            stream.get_mut().head_is_over();
            Ok(Ok(Socket { stream, takes_early: answer.headers().contains_key(EARLY_FIELD) }))
        }
        Err(error) => match diagnosis::of(address, &error).await {
            Diagnosis::Moved(to) => Ok(Err(to)),
            Diagnosis::Refused(failure) => Err(failure),
        },
    }
}

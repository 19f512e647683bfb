//! One WebSocket, and the only place that knows which library speaks it.
//!
//! A task of its own reads and writes the socket. Arrived messages go into a bounded queue. While that is full, nothing
//! more is read, so TCP holds the server back. Messages to send wait in a bounded queue as well. If it is full, the
//! server takes nothing, and the socket ends.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, WebSocketStream};
use wstp_engine::Incoming;
use wstp_protocol::ClientMessage;
use wstp_protocol::limits::MAX_SERVER_FRAME;

use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::bounded_head::BoundedHead;
use crate::diagnosis::{self, Diagnosis};
use crate::dial::{Line, dial};
use crate::exit::Failure;
use crate::tls;
use crate::web::MOST_REDIRECTS;
use crate::words::connecting::{broken, closed, insecure, not_followed};
use crate::words::not_wstp;

/// Messages that wait to be written; a client has fewer requests under way.
const MAX_UNSENT: usize = 4096;

type Stream = WebSocketStream<BoundedHead<Line>>;

/// An event of a socket.
#[derive(Debug)]
pub enum Happening {
    /// It is open.
    Opened,
    /// A frame or a message came.
    Came(Incoming),
    /// It could not be opened, or ended. Nothing more follows.
    Closed(Failure),
}

/// A socket, which is closed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    unsent: mpsc::Sender<Bytes>,
    arrivals: Arrivals,
    task: AbortHandle,
}

impl Socket {
    /// Begins to connect. The events come out of `happenings` together with `name`.
    pub fn connect<N>(address: Address, name: N, happenings: mpsc::Sender<(N, Happening)>) -> Self
    where
        N: Copy + Send + 'static,
    {
        let (unsent, to_send) = mpsc::channel(MAX_UNSENT);
        let arrivals = Arrivals::default();
        let counted = arrivals.clone();
        let task = tokio::spawn(async move {
            let ended = live(&address, name, &happenings, to_send, &counted).await;
            let closed = ended.err().unwrap_or_else(|| closed(&address.host_and_port()));
            let _nobody_listens = happenings.send((name, Happening::Closed(closed))).await;
        });
        Self { unsent, arrivals, task: task.abort_handle() }
    }

    /// The count of bytes that arrive on the socket.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Sends a message. If that is impossible, the socket ends and says so.
    pub fn send(&self, message: &ClientMessage) -> Result<(), Full> {
        match self.unsent.try_send(message.encode().into()) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
            // One that has ended says so by itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }
}

/// The server takes nothing any more; the socket is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lives until the socket ends or nobody wants it any more.
async fn live<N: Copy>(
    address: &Address,
    name: N,
    happenings: &mpsc::Sender<(N, Happening)>,
    mut to_send: mpsc::Receiver<Bytes>,
    arrivals: &Arrivals,
) -> Result<(), Failure> {
    let broken = |error| broken(&address.host_and_port(), error);
    let mut stream = open(address, arrivals).await?;
    let mut wanted = happenings.send((name, Happening::Opened)).await.is_ok();
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
                        // A text is no frame, and neither is the empty one: whoever reads it finds out that this is not
                        // WSTP.
                        let frame: Bytes = if message.is_text() { Bytes::new() } else { message.into_payload().into() };
                        wanted = happenings.send((name, Happening::Came(frame.into()))).await.is_ok();
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

/// Opens it where the address leads to.
async fn open(address: &Address, arrivals: &Arrivals) -> Result<Stream, Failure> {
    let mut at = address.clone();
    for _ in 0..=MOST_REDIRECTS {
        match shake_hands(&at, arrivals).await? {
            Ok(stream) => return Ok(stream),
            Err(elsewhere) => at = elsewhere,
        }
    }
    Err(not_followed(&address.host_and_port(), &at.host_and_port(), "the way there is a circle"))
}

/// Opens it at this address, or says where else it is.
async fn shake_hands(address: &Address, arrivals: &Arrivals) -> Result<Result<Stream, Address>, Failure> {
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
        Ok((mut stream, _)) => {
            stream.get_mut().head_is_over();
            Ok(Ok(stream))
        }
        Err(error) => match diagnosis::of(address, &error).await {
            Diagnosis::Moved(to) => Ok(Err(to)),
            Diagnosis::Refused(failure) => Err(failure),
        },
    }
}

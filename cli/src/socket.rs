//! One WebSocket, and the only place that knows which library speaks it.
//!
//! A task of its own reads and writes it. What comes in goes into a bounded queue, and while that is full nothing more is read, so that TCP holds
//! the server back. What goes out waits in a bounded queue as well; one that is full means that the server takes nothing, and ends the socket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_websockets::{ClientBuilder, Config, Limits, MaybeTlsStream, Message, WebSocketStream};
use wstp_protocol::ClientMessage;
use wstp_protocol::limits::MAX_SERVER_FRAME;

use crate::address::Address;
use crate::arrivals::{Arrivals, Counted};
use crate::bounded_head::BoundedHead;
use crate::tls;

/// Messages that wait to be written; a client has fewer requests under way.
const MAX_UNSENT: usize = 4096;

type Stream = WebSocketStream<BoundedHead<MaybeTlsStream<Counted<TcpStream>>>>;

/// What happened to a socket.
#[derive(Debug)]
pub enum Happening {
    /// It is open.
    Opened,
    /// A frame came.
    Frame(Bytes),
    /// It could not be opened, or ended. Nothing more follows.
    Closed(SocketError),
}

/// Why there is no connection, in words that begin a clause.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// No TCP connection.
    #[error("nobody answers at {0} ({1})")]
    Unreachable(String, std::io::Error),
    /// No encryption.
    #[error("no secure connection to {0} could be made ({1})")]
    Insecure(String, String),
    /// An answer that is no WebSocket.
    #[error("what answers at {0} is not a WSTP server ({1})")]
    NotWstp(String, tokio_websockets::Error),
    /// It broke.
    #[error("the connection to {0} broke ({1})")]
    Broken(String, tokio_websockets::Error),
    /// A request of plain HTTP failed.
    #[error("{0} can't be read ({1})")]
    Http(String, reqwest::Error),
    /// The server ended it.
    #[error("{0} closed the connection")]
    Closed(String),
}

/// A socket, which is closed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    unsent: mpsc::Sender<Bytes>,
    arrivals: Arrivals,
    task: AbortHandle,
}

impl Socket {
    /// Begins to connect. What happens comes out of `happenings` together with `name`.
    pub fn connect<N>(address: Address, name: N, happenings: mpsc::Sender<(N, Happening)>) -> Self
    where
        N: Copy + Send + 'static,
    {
        let (unsent, to_send) = mpsc::channel(MAX_UNSENT);
        let arrivals = Arrivals::default();
        let counted = arrivals.clone();
        let task = tokio::spawn(async move {
            let ended = live(&address, name, &happenings, to_send, &counted).await;
            let closed = ended.err().unwrap_or_else(|| SocketError::Closed(address.label()));
            let _nobody_listens = happenings.send((name, Happening::Closed(closed))).await;
        });
        Self { unsent, arrivals, task: task.abort_handle() }
    }

    /// What arrives on it.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Sends a message. Where that is impossible, the socket ends and says so.
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
) -> Result<(), SocketError> {
    let broken = |error| SocketError::Broken(address.label(), error);
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
                        // A text is no frame, and neither is the empty one: whoever reads it finds out that this is not WSTP.
                        let frame = if message.is_text() { Bytes::new() } else { message.into_payload().into() };
                        wanted = happenings.send((name, Happening::Frame(frame))).await.is_ok();
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

async fn open(address: &Address, arrivals: &Arrivals) -> Result<Stream, SocketError> {
    let label = || address.label();
    let insecure = |error: String| SocketError::Insecure(label(), error);
    let not_wstp = |error| SocketError::NotWstp(label(), error);
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| SocketError::Unreachable(label(), error))?;
    tcp.set_nodelay(true).map_err(|error| SocketError::Unreachable(label(), error))?;
    let connector = tls::connector(address.secure).map_err(insecure)?;
    let stream =
        connector.wrap(&address.host, arrivals.count(tcp)).await.map_err(|error| insecure(error.to_string()))?;
    let builder = ClientBuilder::new()
        .limits(Limits::default().max_payload_len(Some(MAX_SERVER_FRAME)))
        .config(Config::default().frame_size(MAX_SERVER_FRAME))
        .uri(&address.url())
        .map_err(|_| insecure("its name can't stand in an address".to_owned()))?;
    let (mut stream, _) = builder.connect_on(BoundedHead::new(stream)).await.map_err(not_wstp)?;
    stream.get_mut().head_is_over();
    Ok(stream)
}

//! A connection to a server of the protocol, over the carrier that gets through: a WebSocket ([`socket`]), or HTTP
//! exchanges ([`exchange`]) where no WebSocket does.
//!
//! A task of its own reads and writes. Arrived messages go into a bounded queue. While that is full, nothing more is
//! read, so TCP holds the server back. Messages to send wait in a bounded queue as well. If it is full, the server
//! takes nothing, and the connection ends.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use wstp_client::exchanges::{GRACE, HEAD_START};
use wstp_engine::Incoming;
use wstp_protocol::ClientMessage;

use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::exchange;
use crate::exit::{Code, Failure};
use crate::socket;
use crate::words::connecting::closed;

/// Messages that wait to be written; a client has fewer requests under way.
const MAX_UNSENT: usize = 4096;

/// The carrier to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// A WebSocket, or HTTP where none gets through
    #[default]
    Auto,
    /// A WebSocket
    Ws,
    /// HTTP
    Http,
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

/// Uses this carrier for all connections from now on.
pub fn choose(choice: Choice) {
    let _is_called_once = CHOICE.set(choice);
}

/// An event of a connection.
#[derive(Debug)]
pub enum Happening {
    /// It is open.
    Opened,
    /// A frame or a message came.
    Came(Incoming),
    /// It could not be opened, or ended. Nothing more follows.
    Closed(Failure),
}

/// The way of a connection's events to whoever wants them.
pub struct Happenings<N> {
    name: N,
    queue: mpsc::Sender<(N, Happening)>,
}

impl<N: Copy> Happenings<N> {
    /// Waits for room. False: nobody wants events any more.
    pub async fn tell(&self, happening: Happening) -> bool {
        self.queue.send((self.name, happening)).await.is_ok()
    }
}

/// A connection, which is closed when this is dropped.
#[derive(Debug)]
pub struct Carrier {
    unsent: mpsc::Sender<Bytes>,
    arrivals: Arrivals,
    task: AbortHandle,
}

/// The server takes nothing any more; the connection is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Carrier {
    /// Begins to connect. The events come out of `happenings` together with `name`.
    pub fn connect<N>(address: Address, name: N, happenings: mpsc::Sender<(N, Happening)>) -> Self
    where
        N: Copy + Send + Sync + 'static,
    {
        let (unsent, to_send) = mpsc::channel(MAX_UNSENT);
        let arrivals = Arrivals::default();
        let counted = arrivals.clone();
        let happenings = Happenings { name, queue: happenings };
        let task = tokio::spawn(async move {
            let ended = live(&address, &happenings, to_send, &counted).await;
            let closed = ended.err().unwrap_or_else(|| closed(&address.host_and_port()));
            let _nobody_listens = happenings.tell(Happening::Closed(closed)).await;
        });
        Self { unsent, arrivals, task: task.abort_handle() }
    }

    /// The count of bytes that arrive on the connection.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Sends a message. If that is impossible, the connection ends and says so.
    pub fn send(&self, message: &ClientMessage) -> Result<(), Full> {
        match self.unsent.try_send(message.encode().into()) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
            // One that has ended says so by itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The open way to the server.
enum Way {
    Socket(Box<socket::Stream>),
    Exchanges,
}

async fn live<N: Copy>(
    address: &Address,
    happenings: &Happenings<N>,
    to_send: mpsc::Receiver<Bytes>,
    arrivals: &Arrivals,
) -> Result<(), Failure> {
    let way = match CHOICE.get().copied().unwrap_or_default() {
        Choice::Auto if found().contains(address) => Way::Exchanges,
        Choice::Auto => find(address, arrivals).await?,
        Choice::Ws => Way::Socket(Box::new(socket::open(address, arrivals).await?)),
        Choice::Http => exchange::is_served(address).await.map(|()| Way::Exchanges)?,
    };
    if !happenings.tell(Happening::Opened).await {
        return Ok(());
    }
    match way {
        Way::Socket(stream) => socket::live(*stream, address, happenings, to_send, arrivals).await,
        Way::Exchanges => exchange::live(address, happenings, to_send, arrivals).await,
    }
}

/// The servers that are reached by HTTP alone.
fn found() -> MutexGuard<'static, HashSet<Address>> {
    static FOUND: OnceLock<Mutex<HashSet<Address>>> = OnceLock::new();
    FOUND.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds the carrier that gets through, and remembers it for the server if that is HTTP. A WebSocket wins wherever it
/// opens. It gets more time on a slow line, and a second try where the server was only away for a moment.
async fn find(address: &Address, arrivals: &Arrivals) -> Result<Way, Failure> {
    let mut opening = pin!(socket::open(address, arrivals));
    let opened = match timeout(HEAD_START, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            let asked = Instant::now();
            match select(&mut opening, pin!(exchange::is_served(address))).await {
                Either::Left((opened, _)) => opened,
                Either::Right((Err(_), _)) => opening.await,
                Either::Right((Ok(()), _)) => match timeout(GRACE.max(asked.elapsed() * 2), opening).await {
                    Ok(opened) => opened,
                    Err(_) => return Ok(remember(address)),
                },
            }
        }
    };
    let failure = match opened {
        Ok(stream) => return Ok(Way::Socket(Box::new(stream))),
        Err(failure) => failure,
    };
    // With another code the server itself has refused.
    if failure.code != Code::Unreachable || exchange::is_served(address).await.is_err() {
        return Err(failure);
    }
    match timeout(HEAD_START, socket::open(address, arrivals)).await {
        Ok(Ok(stream)) => Ok(Way::Socket(Box::new(stream))),
        _ => Ok(remember(address)),
    }
}

fn remember(address: &Address) -> Way {
    found().insert(address.clone());
    Way::Exchanges
}

//! A connection to a server of the protocol, over the carrier that gets through: a WebSocket ([`socket`](crate::socket)), or HTTP
//! exchanges ([`exchange`]) where no WebSocket does.
//!
//! A task of its own reads and writes. Arrived messages go into a bounded queue. While that is full, nothing more is
//! read, so TCP holds the server back. Messages to send wait in a bounded queue as well. If it is full, the server
//! takes nothing, and the connection ends.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use wstp_client::carrier::{self, Found, Memory, Ways};
use wstp_engine::Incoming;
use wstp_protocol::ClientMessage;

use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::exchange;
use crate::exit::{Code, Failure};
use crate::socket::Socket;
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
    /// It is open. `takes_early`: the server takes requests before its welcome.
    Opened {
        /// See [`wstp_protocol::probe::EARLY_FIELD`].
        takes_early: bool,
    },
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
    Socket(Box<Socket>),
    Exchanges,
}

async fn live<N: Copy>(
    address: &Address,
    happenings: &Happenings<N>,
    to_send: mpsc::Receiver<Bytes>,
    arrivals: &Arrivals,
) -> Result<(), Failure> {
    let way = match CHOICE.get().copied().unwrap_or_default() {
        Choice::Auto => find(&WaysTo { address, arrivals }).await?,
        Choice::Ws => Way::Socket(Box::new(Socket::open(address, arrivals).await?)),
        Choice::Http => exchange::is_served(address).await.map(|()| Way::Exchanges)?,
    };
    let takes_early = matches!(&way, Way::Socket(socket) if socket.takes_early);
    if !happenings.tell(Happening::Opened { takes_early }).await {
        return Ok(());
    }
    match way {
        Way::Socket(socket) => socket.live(address, happenings, to_send, arrivals).await,
        Way::Exchanges => exchange::live(address, happenings, to_send, arrivals).await,
    }
}

/// The ways to a server.
struct WaysTo<'a> {
    address: &'a Address,
    arrivals: &'a Arrivals,
}

impl Ways for WaysTo<'_> {
    type Socket = Socket;
    type Failure = Failure;

    async fn open(&self) -> Result<Socket, Failure> {
        Socket::open(self.address, self.arrivals).await
    }

    fn is_refusal(&self, failure: &Failure) -> bool {
        failure.code != Code::Unreachable
    }

    async fn serves_exchanges(&self) -> bool {
        exchange::is_served(self.address).await.is_ok()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn now(&self) -> wstp_engine::Instant {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        wstp_engine::Instant(BEGAN.get_or_init(Instant::now).elapsed())
    }
}

/// The way that gets through. The process remembers the servers that only HTTP reached.
async fn find(ways: &WaysTo<'_>) -> Result<Way, Failure> {
    static MEMORY: Memory = Memory::new();
    let server = ways.address.to_string();
    if MEMORY.has(&server, ways.now()) {
        return Ok(Way::Exchanges);
    }
    Ok(match carrier::find(ways).await? {
        Found::Socket(socket) => Way::Socket(Box::new(socket)),
        Found::Exchanges => {
            MEMORY.add(server, ways.now());
            Way::Exchanges
        }
    })
}

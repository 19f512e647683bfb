//! The way of one connection's bytes through the proxy, both ways.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::fault::Step;
use super::frame::{Frame, read_head};
use super::line::{Line, Lines};
use super::pace::Pace;

/// The most that is read or written at once.
pub(super) const PIECE: usize = 16 * 1024;
/// The number of a connection that is not counted.
const NO_NUMBER: u64 = u64::MAX;
/// How a request of the protocol over HTTP begins.
const EXCHANGE: [u8; 9] = *b"POST /ws ";
/// How long a message waits for the one that is to overtake it.
const OVERTAKING: Duration = Duration::from_millis(200);
/// How long a client may take to close its half once the server is gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// The state that the proxy and its connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) upstream: Mutex<SocketAddr>,
    /// Bytes from the server that were let through.
    pub(super) passed: AtomicU64,
    /// Bytes from the extension.
    pub(super) asked: AtomicU64,
    /// Connections accepted.
    pub(super) accepted: AtomicU64,
    /// Connections open now.
    pub(super) open: AtomicU64,
    /// Connections open now that carry the protocol over HTTP.
    pub(super) exchanging: AtomicU64,
    /// How many bytes may pass in all.
    pub(super) limit: watch::Sender<u64>,
    /// The connection that lets nothing through, counted from 1.
    pub(super) stalled: watch::Sender<u64>,
    /// Whether every new connection ends at once.
    pub(super) refuses: AtomicBool,
    /// Whether every new connection ends at once that begins with the protocol over HTTP.
    pub(super) websockets_alone: AtomicBool,
    /// Counts up when all connections are to be cut.
    pub(super) cuts: watch::Sender<u64>,
    /// Over all connections.
    pub(super) pace: Pace,
    /// Bytes a second of each connection that is made from here on.
    pub(super) rate_of_each: AtomicU64,
    /// On a bad line: what is known of the messages on it.
    pub(super) lines: Option<Lines>,
    /// If it is asked to record: each piece that passed, when, and its bytes.
    pub(super) pieces: Mutex<Option<Vec<(Instant, u64)>>>,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client closed it.
    ByClient,
    /// The server closed it.
    ByServer,
    /// The proxy breaks it.
    Broken,
}

/// Carries one connection until either side ends it, it is cut, or the server can't be reached.
pub(super) async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let is_counted = tokio::select! {
        is_exchange = is_exchange(&client) => !is_exchange,
        _ = cuts.changed() => return,
    };
    // The account knows the messages of WebSockets, so on a bad line no message may go another way.
    if !is_counted && (shared.lines.is_some() || shared.websockets_alone.load(Ordering::SeqCst)) {
        return;
    }
    let number = if is_counted { shared.accepted.fetch_add(1, Ordering::SeqCst) + 1 } else { NO_NUMBER };
    let _open = Open::new(if is_counted { &shared.open } else { &shared.exchanging });
    if shared.refuses.load(Ordering::SeqCst) {
        return;
    }
    let upstream = *shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let line = shared.lines.as_ref().map(Lines::line);
    let (mut from_client, mut to_client) = client.split();
    let (from_server, to_server) = server.split();
    let end = tokio::select! {
        _ = upward(&mut from_client, to_server, &shared, line.as_ref()) => End::ByClient,
        end = downward(from_server, &mut to_client, number, &shared, line.as_ref()) => end.unwrap_or(End::ByServer),
        _ = cuts.changed() => End::Broken,
    };
    if end != End::ByClient {
        line.iter().for_each(Line::broken);
    }
    if end != End::Broken && to_client.shutdown().await.is_ok() {
        // Closed at once, a connection whose client still talks would be reset, and what it has not read yet would be
        // lost.
        let _ = timeout(FAREWELL, tokio::io::copy(&mut from_client, &mut tokio::io::sink())).await;
    } else {
        let _ = client.set_zero_linger();
    }
}

/// Whether a connection begins with the protocol over HTTP. Such a one belongs to a session and is none of its own.
async fn is_exchange(client: &TcpStream) -> bool {
    let mut first = [0; EXCHANGE.len()];
    client.peek(&mut first).await.is_ok() && first == EXCHANGE
}

/// Counts one while it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn upward(
    from: &mut ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    line: Option<&Line<'_>>,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(PIECE, from);
    if let Some(line) = line {
        let head = read_head(&mut from).await?;
        shared.asked.fetch_add(head.len() as u64, Ordering::SeqCst);
        to.write_all(&head).await?;
        while is_upgrade(&head)
            && let Some(frame) = Frame::read(&mut from).await?
        {
            frame.message().iter().for_each(|message| line.asked(message));
            let bytes = frame.into_bytes();
            shared.asked.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            to.write_all(&bytes).await?;
        }
    }
    let mut piece = vec![0; PIECE];
    loop {
        let got = from.read(&mut piece).await?;
        if got == 0 {
            return Ok(());
        }
        shared.asked.fetch_add(got as u64, Ordering::SeqCst);
        to.write_all(&piece[..got]).await?;
    }
}

async fn downward(
    from: ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    number: u64,
    shared: &Shared,
    line: Option<&Line<'_>>,
) -> io::Result<End> {
    let mut from = BufReader::with_capacity(PIECE, from);
    if let Some(line) = line {
        let head = read_head(&mut from).await?;
        shared.pass(to, &head).await?;
        while head.starts_with(b"HTTP/1.1 101 ")
            && let Some(frame) = Frame::read(&mut from).await?
        {
            let Some(message) = frame.message() else {
                shared.pass(to, &frame.into_bytes()).await?;
                continue;
            };
            for step in line.answered(message) {
                if !take_step(step, &mut from, to, shared, line).await? {
                    return Ok(End::Broken);
                }
            }
        }
    }
    let pace = Pace::new(shared.rate_of_each.load(Ordering::SeqCst));
    let mut piece = vec![0; pace.piece()];
    loop {
        let got = from.read(&mut piece).await?;
        if got == 0 {
            return Ok(End::ByServer);
        }
        let _ = shared.stalled.subscribe().wait_for(|stalled| *stalled != number).await;
        pace.wait(got).await;
        shared.pass(to, &piece[..got]).await?;
    }
}

/// Does what the line wants done with a message; false if the connection is to be broken.
async fn take_step(
    step: Step,
    from: &mut BufReader<ReadHalf<'_>>,
    to: &mut WriteHalf<'_>,
    shared: &Shared,
    line: &Line<'_>,
) -> io::Result<bool> {
    match step {
        Step::Wait(time) => sleep(time).await,
        Step::Spoil(message) => shared.pass(to, &Frame::of_message(message).into_bytes()).await?,
        Step::Pass(message) => shared.pass_message(to, message, line).await?,
        Step::Behind(message) => {
            let next = timeout(OVERTAKING, from.fill_buf()).await;
            if next.is_ok_and(|bytes| bytes.is_ok_and(|bytes| !bytes.is_empty()))
                && let Some(frame) = Frame::read(from).await?
            {
                match frame.message() {
                    Some(next) => shared.pass_message(to, next, line).await?,
                    None => shared.pass(to, &frame.into_bytes()).await?,
                }
            }
            shared.pass_message(to, message, line).await?;
        }
        Step::Break(message) => {
            let bytes = Frame::of_message(message).into_bytes();
            shared.pass(to, &bytes[..bytes.len() / 2]).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_upgrade(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n")
}

impl Shared {
    pub(super) fn new(upstream: SocketAddr, lines: Option<Lines>) -> Self {
        Self {
            upstream: Mutex::new(upstream),
            passed: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            exchanging: AtomicU64::new(0),
            limit: watch::Sender::new(u64::MAX),
            stalled: watch::Sender::new(0),
            refuses: AtomicBool::new(false),
            websockets_alone: AtomicBool::new(false),
            cuts: watch::Sender::new(0),
            pace: Pace::new(u64::MAX),
            rate_of_each: AtomicU64::new(u64::MAX),
            lines,
            pieces: Mutex::default(),
        }
    }

    pub(super) fn pieces(&self) -> MutexGuard<'_, Option<Vec<(Instant, u64)>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to the client what may pass, when it may, and counts it.
    async fn pass(&self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while sent < bytes.len() {
            let allowed = self.reserve((bytes.len() - sent).min(self.pace.piece())).await;
            self.pace.wait(allowed).await;
            if let Some(pieces) = &mut *self.pieces() {
                pieces.push((Instant::now(), allowed as u64));
            }
            to.write_all(&bytes[sent..sent + allowed]).await?;
            sent += allowed;
        }
        Ok(())
    }

    async fn pass_message(&self, to: &mut WriteHalf<'_>, message: Vec<u8>, line: &Line<'_>) -> io::Result<()> {
        let frame = Frame::of_message(message.clone());
        self.pass(to, &frame.into_bytes()).await?;
        line.passed(message);
        Ok(())
    }

    /// Waits until something may pass, and takes as much of `wanted` as may.
    async fn reserve(&self, wanted: usize) -> usize {
        let mut limit = self.limit.subscribe();
        loop {
            let most = *limit.borrow_and_update();
            let room = |passed: u64| most.saturating_sub(passed).min(wanted as u64);
            let taken = self.passed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |passed| {
                (room(passed) > 0).then(|| passed + room(passed))
            });
            if let Ok(before) = taken {
                return room(before) as usize;
            }
            limit.changed().await.expect("the sender lives in self");
        }
    }
}

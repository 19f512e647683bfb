//! A worse network than loopback: a TCP proxy that delays data, limits its rate, and cuts connections.
//!
//! Each direction of a connection is a FIFO with times. The link reads a piece when it has room for it, and writes it
//! after the delay. The rate is that of the whole link towards the client. All connections share it in the order in
//! which they ask.
//!
//! The sockets on both sides are of this machine, where a round trip takes no time and TCP's windows are wide at once.
//! So the link has its own windows. As in TCP's slow start, each direction of a new connection has ten segments under
//! way at first (RFC 6928). For each acknowledged byte it may have one more (RFC 5681, section 3.1), up to twice the
//! capacity of the link. While its window is full the link reads no more, so that TCP holds the sender back.
//!
//! The link models nothing else of TCP: it loses no packet, and no window shrinks, not even after a pause. Both sides
//! of a comparison go through equal links, with cuts that follow from the same seed. It serves for cuts. For losses,
//! the benchmarks have a wire with the kernel's own TCP.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Listener, Random};

/// Bytes that a new connection has under way in each direction: ten segments of 1,460 bytes (RFC 6928, section 2).
const FIRST_WINDOW: usize = 10 * 1460;
/// The most that is read at once. It has to fit into every window.
const PIECE: usize = FIRST_WINDOW;
/// The least size of the widest window.
const LEAST_WIDEST: usize = 256 * 1024;
/// The widest window without a rate.
const WIDEST_WITHOUT_RATE: usize = 4 << 20;
/// Pieces a FIFO holds, however small they are.
const PIECES: usize = 4096;
/// Time has a resolution of milliseconds. A task that slept too long may catch up by this much.
const CATCH_UP: Duration = Duration::from_millis(5);

/// The properties of a link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Delay in one direction.
    pub delay: Duration,
    /// Bytes a second towards the client, over all connections; `None` without a limit.
    pub rate: Option<u64>,
    /// How connections are cut; `None` if they are not.
    pub cuts: Option<Cuts>,
}

/// Each connection lives for a random time.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    /// The average; the maximum is twice that.
    pub mean: Duration,
    /// The same seed gives the same times.
    pub seed: u64,
}

/// A link to one server. It ends when dropped, with all its connections.
#[derive(Debug)]
pub struct Link {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    shape: Shape,
    /// When the link towards the client is free again.
    free: Mutex<Instant>,
    cut: AtomicU64,
    /// Bytes given to clients.
    passed: AtomicU64,
}

impl Link {
    /// Listens on a port the system chooses and passes everything on to `upstream`.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(upstream: SocketAddr, shape: Shape) -> Result<Self> {
        let shared = Arc::new(Shared {
            upstream,
            shape,
            free: Mutex::new(Instant::now()),
            cut: AtomicU64::new(0),
            passed: AtomicU64::new(0),
        });
        let mut lives = shape.cuts.map(|cuts| Lives { mean: cuts.mean, random: Random::new(cuts.seed) });
        let serving = shared.clone();
        let listener = Listener::start(move |client| {
            let life = lives.as_mut().map(Lives::draw);
            carry(client, serving.clone(), life)
        });
        Ok(Self { listener: listener.await?, shared })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Connections it has cut.
    pub fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Bytes that it carried to clients.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }
}

/// Carries one connection until either side ends it, its time is over, or the server can't be reached.
async fn carry(client: TcpStream, shared: Arc<Shared>, life: Option<Duration>) {
    let over = async {
        match life {
            Some(life) => sleep(life).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ended = pass(client, &shared) => {}
        () = over => {
            shared.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn pass(client: TcpStream, shared: &Shared) -> Result<()> {
    // Connecting takes a round trip too.
    sleep(shared.shape.delay * 2).await;
    let server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let nobody_counts = AtomicU64::new(0);
    let up = direction(from_client, to_server, shared, None, &nobody_counts);
    let down = direction(from_server, to_client, shared, shared.shape.rate, &shared.passed);
    tokio::pin!(up, down);
    tokio::select! {
        ended = &mut down => ended,
        // A client that has ended its sending may still wait for data under way.
        ended = &mut up => match ended {
            Ok(()) => down.await,
            broken => broken,
        },
    }
}

/// A piece under way.
struct Piece {
    due: Instant,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// How much may be under way in one direction of a connection, and how much is.
struct Window {
    size: usize,
    widest: usize,
    /// Pieces, and when their acknowledgements arrive.
    under_way: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Window {
    fn new(delay: Duration, rate: Option<u64>) -> Self {
        let widest = widest_window(delay, rate);
        // Without a round trip the window is wide before anyone could notice.
        let size = if delay.is_zero() { widest } else { FIRST_WINDOW };
        Self { size, widest, under_way: VecDeque::new(), bytes: 0 }
    }

    /// Waits until this many more bytes may be under way.
    async fn wait_for_room(&mut self, bytes: usize) {
        self.acknowledge();
        while self.bytes + bytes > self.size
            && let Some((due, _)) = self.under_way.front()
        {
            sleep_until(*due).await;
            self.acknowledge();
        }
    }

    fn sent(&mut self, bytes: usize, acknowledged: Instant) {
        self.under_way.push_back((acknowledged, bytes));
        self.bytes += bytes;
    }

    /// Opens the window for arrived bytes, and for as much again until it is at its widest.
    fn acknowledge(&mut self) {
        let now = Instant::now();
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(due, _)| *due <= now) {
            self.bytes -= bytes;
            self.size = (self.size + bytes).min(self.widest);
        }
    }
}

async fn direction(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    shared: &Shared,
    rate: Option<u64>,
    passed: &AtomicU64,
) -> Result<()> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let ((), ()) = tokio::try_join!(take_in(from, sender, shared, rate), give_out(receiver, to, passed))?;
    Ok(())
}

async fn take_in(mut from: OwnedReadHalf, to: mpsc::Sender<Piece>, shared: &Shared, rate: Option<u64>) -> Result<()> {
    let delay = shared.shape.delay;
    let room = Arc::new(Semaphore::new(widest_window(delay, rate)));
    let mut window = Window::new(delay, rate);
    let mut buffer = vec![0; PIECE];
    loop {
        let got = from.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        let permits = u32::try_from(got)?;
        let room = room.clone().acquire_many_owned(permits).await?;
        window.wait_for_room(got).await;
        let sent = match rate {
            Some(rate) => shared.wait_for_turn(got as u64, rate).await,
            None => Instant::now(),
        };
        window.sent(got, sent + delay * 2);
        let piece = Piece { due: sent + delay, bytes: Bytes::copy_from_slice(&buffer[..got]), _room: room };
        to.send(piece).await.ok().context("nobody takes it any more")?;
    }
}

async fn give_out(mut from: mpsc::Receiver<Piece>, mut to: OwnedWriteHalf, passed: &AtomicU64) -> Result<()> {
    while let Some(piece) = from.recv().await {
        sleep_until(piece.due).await;
        to.write_all(&piece.bytes).await?;
        passed.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
    }
    Ok(to.shutdown().await?)
}

/// Twice the bytes that fit on the link for a round trip, so that the window does not limit the rate. A FIFO holds no
/// more either.
fn widest_window(delay: Duration, rate: Option<u64>) -> usize {
    let Some(rate) = rate else { return WIDEST_WITHOUT_RATE };
    let fits = 2.0 * delay.as_secs_f64() * rate as f64;
    LEAST_WIDEST.max((2.0 * fits) as usize)
}

impl Shared {
    /// Waits until `bytes` have entered the link, and says when that was by the link's own clock.
    async fn wait_for_turn(&self, bytes: u64, rate: u64) -> Instant {
        let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let sent = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let begins = (*free).max(Instant::now() - CATCH_UP);
            *free = begins + takes;
            *free
        };
        sleep_until(sent).await;
        sent
    }
}

/// Draws how long connections live.
struct Lives {
    mean: Duration,
    random: Random,
}

impl Lives {
    fn draw(&mut self) -> Duration {
        self.mean.mul_f64(2.0 * self.random.part())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Sends `bytes` bytes for each byte it gets.
    async fn multiplier(bytes: usize) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while stream.read_exact(&mut [0]).await.is_ok() && stream.write_all(&vec![7; bytes]).await.is_ok() {
                    }
                });
            }
        });
        address
    }

    async fn took(stream: &mut TcpStream, bytes: usize) -> Duration {
        let began = Instant::now();
        stream.write_all(&[1]).await.unwrap();
        stream.read_exact(&mut vec![0; bytes]).await.unwrap();
        began.elapsed()
    }

    #[tokio::test]
    async fn an_answer_takes_a_round_trip_and_the_first_one_two() {
        let delay = Duration::from_millis(40);
        let shape = Shape { delay, ..Shape::default() };
        let link = Link::start(multiplier(1).await, shape).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert!(took(&mut stream, 1).await >= delay * 4);
        let second = took(&mut stream, 1).await;
        assert!(second >= delay * 2 && second < delay * 4, "{second:?}");
    }

    #[tokio::test]
    async fn two_connections_share_the_rate() {
        const BYTES: usize = 1 << 20;
        let shape = Shape { rate: Some(8 << 20), ..Shape::default() };
        let link = Link::start(multiplier(BYTES).await, shape).await.unwrap();
        let mut streams = [link.address(); 2].map(|address| tokio::spawn(TcpStream::connect(address)));
        let [one, two] = &mut streams;
        let (mut one, mut two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
        let (one, two) = tokio::join!(took(&mut one, BYTES), took(&mut two, BYTES));
        // 2 MiB at 8 MiB a second.
        let wanted = Duration::from_millis(250);
        let both = one.max(two) + CATCH_UP;
        assert!(both >= wanted && both < wanted * 2, "{both:?}");
        assert_eq!(link.passed(), 2 * BYTES as u64);
    }

    #[tokio::test]
    async fn a_delay_does_not_make_the_rate_less_once_the_window_is_wide() {
        const BYTES: usize = 4 << 20;
        let shape = Shape { delay: Duration::from_millis(50), rate: Some(16 << 20), cuts: None };
        let link = Link::start(multiplier(BYTES).await, shape).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        let wanted = Duration::from_millis(250 + 100) - CATCH_UP;
        let narrow = took(&mut stream, BYTES).await;
        assert!(narrow >= wanted + Duration::from_millis(300), "{narrow:?}");
        let wide = took(&mut stream, BYTES).await;
        assert!(wide >= wanted && wide < wanted + wanted / 2, "{wide:?}");
    }

    #[tokio::test]
    async fn a_new_connection_doubles_its_window_with_each_round_trip() {
        let delay = Duration::from_millis(40);
        let link = Link::start(multiplier(15 * FIRST_WINDOW).await, Shape { delay, ..Shape::default() }).await.unwrap();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(link.address()).await.unwrap();
            // One for connecting, one for the request, and one for each window of 1, 2, 4 and 8 pieces.
            let first = took(&mut stream, 15 * FIRST_WINDOW).await;
            assert!(first >= delay * 10 && first < delay * 14, "{first:?}");
            let second = took(&mut stream, 15 * FIRST_WINDOW).await;
            assert!(second >= delay * 2 && second < delay * 4, "{second:?}");
        }
    }

    #[tokio::test]
    async fn connections_are_cut_and_counted() {
        let cuts = Cuts { mean: Duration::from_millis(20), seed: 1 };
        let link = Link::start(multiplier(1).await, Shape { cuts: Some(cuts), ..Shape::default() }).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        while matches!(stream.read(&mut [0]).await, Ok(1..)) {}
        assert_eq!(link.cut(), 1);
    }

    #[test]
    fn lives_follow_from_the_seed_and_have_the_mean() {
        let mean = Duration::from_secs(5);
        let draw = |seed| {
            let mut lives = Lives { mean, random: Random::new(seed) };
            (0..1000).map(|_| lives.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).iter().all(|life| *life <= mean * 2));
        let average = draw(1).iter().sum::<Duration>() / 1000;
        assert!(average > mean.mul_f64(0.9) && average < mean.mul_f64(1.1), "{average:?}");
    }

    #[test]
    fn the_widest_window_lets_the_rate_through() {
        assert_eq!(widest_window(Duration::ZERO, Some(1)), LEAST_WIDEST);
        assert_eq!(widest_window(Duration::from_millis(50), Some(25_000_000)), 5_000_000);
        assert_eq!(widest_window(Duration::from_millis(50), None), WIDEST_WITHOUT_RATE);
    }
}

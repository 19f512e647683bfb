//! The search for the carrier that gets through to a server: a WebSocket, or HTTP exchanges where no WebSocket does.
//!
//! A WebSocket wins wherever it opens. It gets more time on a slow line, and a second try where the server was only
//! away for a moment. The front end opens, asks, waits and tells the time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use wstp_engine::Instant;

/// How long a WebSocket has before HTTP is tried beside it. A proxy may swallow the handshake without a word.
pub const HEAD_START: Duration = Duration::from_secs(1);
/// How much longer a WebSocket has at least, once HTTP is known to get through.
pub const GRACE: Duration = Duration::from_millis(500);
/// How long a server counts as one that no WebSocket reaches, the first time that this is found.
pub const FIRST_REMEMBERED: Duration = Duration::from_secs(10);
/// The same at most. The client may be in another network then.
pub const REMEMBERED: Duration = Duration::from_secs(600);

/// The ways to one server, as a front end tries them.
pub trait Ways {
    /// An open WebSocket.
    type Socket;
    /// The reason why there is none.
    type Failure;

    /// Opens a WebSocket. Dropping the future gives it up.
    fn open(&self) -> impl Future<Output = Result<Self::Socket, Self::Failure>>;

    /// Whether the server itself has refused, so that HTTP is not asked either.
    fn is_refusal(&self, failure: &Self::Failure) -> bool;

    /// Asks the server over HTTP whether it serves exchanges. The wait must be bounded.
    fn serves_exchanges(&self) -> impl Future<Output = bool>;

    /// Lets this much time pass.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// The time, since any fixed moment.
    fn now(&self) -> Instant;
}

/// The carrier that gets through.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<S> {
    /// A WebSocket, which is open.
    Socket(S),
    /// HTTP exchanges.
    Exchanges,
}

/// Finds the carrier that gets through.
///
/// # Errors
///
/// That of the WebSocket, when neither does.
pub async fn find<W: Ways>(ways: &W) -> Result<Found<W::Socket>, W::Failure> {
    let Some(opened) = open_or_ask(ways).await else { return Ok(Found::Exchanges) };
    let failure = match opened {
        Ok(socket) => return Ok(Found::Socket(socket)),
        Err(failure) => failure,
    };
    if ways.is_refusal(&failure) || !ways.serves_exchanges().await {
        return Err(failure);
    }
    match within(ways, HEAD_START, pin!(ways.open())).await {
        Some(Ok(socket)) => Ok(Found::Socket(socket)),
        _ => Ok(Found::Exchanges),
    }
}

/// Opens a WebSocket, and asks over HTTP beside it when that takes long. `None`: HTTP answered, and the WebSocket still
/// does not.
async fn open_or_ask<W: Ways>(ways: &W) -> Option<Result<W::Socket, W::Failure>> {
    let mut opening = pin!(ways.open());
    if let Some(opened) = within(ways, HEAD_START, opening.as_mut()).await {
        return Some(opened);
    }
    let asked = ways.now();
    match select(opening.as_mut(), pin!(ways.serves_exchanges())).await {
        Either::Left((opened, _)) => Some(opened),
        Either::Right((false, opening)) => Some(opening.await),
        // A WebSocket takes two exchanges where HTTP took one.
        Either::Right((true, opening)) => within(ways, GRACE.max((ways.now() - asked) * 2), opening).await,
    }
}

/// The outcome of a future, if it comes in time.
async fn within<W: Ways, F: Future + Unpin>(ways: &W, time: Duration, future: F) -> Option<F::Output> {
    match select(future, pin!(ways.sleep(time))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// The servers that only HTTP reached. The line may have been bad for a moment only, so a finding counts for
/// [`FIRST_REMEMBERED`] at first, and for twice as long each further time, up to [`REMEMBERED`].
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<String, Finding>>);

#[derive(Debug)]
struct Finding {
    until: Instant,
    lasts: Duration,
}

impl Memory {
    /// One that knows no server.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Only HTTP reached this server. Connections that open together find the same, so nothing changes while an earlier
    /// finding counts.
    pub fn add(&self, server: String, now: Instant) {
        let mut found = self.lock();
        found.retain(|_, finding| now < finding.until + REMEMBERED);
        let lasts = match found.get(&server) {
            None => FIRST_REMEMBERED,
            Some(finding) if now < finding.until => return,
            Some(finding) => (finding.lasts * 2).min(REMEMBERED),
        };
        found.insert(server, Finding { until: now + lasts, lasts });
    }

    /// Whether only HTTP reached this server, not long ago.
    #[must_use]
    pub fn has(&self, server: &str, now: Instant) -> bool {
        self.lock().get(server).is_some_and(|finding| now < finding.until)
    }

    /// All servers that only HTTP reached, not long ago.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<String> {
        self.lock().iter().filter(|(_, finding)| now < finding.until).map(|(server, _)| server.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Finding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const REFUSED: &str = "refused";
    const NEVER: Duration = Duration::from_secs(1_000_000);

    /// A server whose WebSocket and whose HTTP answer after these times.
    struct Line {
        began: tokio::time::Instant,
        /// The outcome of each WebSocket in turn, the last one for all further ones.
        sockets: RefCell<Vec<(Duration, Result<u32, &'static str>)>>,
        http: (Duration, bool),
    }

    impl Line {
        fn new(sockets: &[(u64, Result<u32, &'static str>)], http: (u64, bool)) -> Self {
            let sockets = sockets.iter().map(|(after, outcome)| (Duration::from_millis(*after), *outcome)).collect();
            let http = (Duration::from_millis(http.0), http.1);
            Self { began: tokio::time::Instant::now(), sockets: RefCell::new(sockets), http }
        }
    }

    impl Ways for Line {
        type Socket = u32;
        type Failure = &'static str;

        async fn open(&self) -> Result<u32, &'static str> {
            let (after, outcome) = {
                let mut sockets = self.sockets.borrow_mut();
                if sockets.len() > 1 { sockets.remove(0) } else { sockets[0] }
            };
            tokio::time::sleep(after).await;
            outcome
        }

        fn is_refusal(&self, failure: &&'static str) -> bool {
            *failure == REFUSED
        }

        async fn serves_exchanges(&self) -> bool {
            tokio::time::sleep(self.http.0).await;
            self.http.1
        }

        fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
            tokio::time::sleep(time)
        }

        fn now(&self) -> Instant {
            Instant(self.began.elapsed())
        }
    }

    /// The finding, and the milliseconds until it was there.
    async fn search(
        sockets: &[(u64, Result<u32, &'static str>)],
        http: (u64, bool),
    ) -> (Result<Found<u32>, &'static str>, u128) {
        let line = Line::new(sockets, http);
        let found = tokio::time::timeout(NEVER / 2, find(&line)).await.expect("the search ends");
        (found, line.began.elapsed().as_millis())
    }

    const SWALLOWED: (u64, Result<u32, &str>) = (1_000_000_000, Err("swallowed"));
    const SILENT: u64 = 10_000;

    #[tokio::test(start_paused = true)]
    async fn a_websocket_that_opens_at_once_is_used() {
        assert_eq!(search(&[(40, Ok(1))], (0, true)).await, (Ok(Found::Socket(1)), 40));
    }

    #[tokio::test(start_paused = true)]
    async fn http_is_used_where_a_websocket_is_swallowed() {
        assert_eq!(search(&[SWALLOWED], (20, true)).await, (Ok(Found::Exchanges), 1520));
        // A slow line gives the WebSocket more time.
        assert_eq!(search(&[SWALLOWED], (800, true)).await, (Ok(Found::Exchanges), 1000 + 800 + 1600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_that_opens_within_the_grace_is_used() {
        assert_eq!(search(&[(1400, Ok(1))], (20, true)).await, (Ok(Found::Socket(1)), 1400));
        assert_eq!(search(&[(3300, Ok(1))], (800, true)).await, (Ok(Found::Socket(1)), 3300));
        // It opens while HTTP is asked.
        assert_eq!(search(&[(2000, Ok(1))], (SILENT, true)).await, (Ok(Found::Socket(1)), 2000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_websocket_is_waited_for_where_http_does_not_get_through() {
        assert_eq!(search(&[(60_000, Ok(1))], (SILENT, false)).await, (Ok(Found::Socket(1)), 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_websocket_s_failure_is_told_where_neither_gets_through() {
        assert_eq!(search(&[(30, Err("broken"))], (10, false)).await, (Err("broken"), 40));
        // HTTP said no before the WebSocket failed, and is asked once more.
        assert_eq!(search(&[(2000, Err("broken"))], (10, false)).await, (Err("broken"), 2010));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_is_not_asked_over_http() {
        assert_eq!(search(&[(30, Err(REFUSED))], (10, true)).await, (Err(REFUSED), 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_has_a_second_try_where_http_gets_through() {
        let broken = (30, Err("broken"));
        assert_eq!(search(&[broken, (25, Ok(2))], (10, true)).await, (Ok(Found::Socket(2)), 65));
        assert_eq!(search(&[broken], (10, true)).await, (Ok(Found::Exchanges), 70));
        assert_eq!(search(&[broken, SWALLOWED], (10, true)).await, (Ok(Found::Exchanges), 1040));
    }

    #[test]
    fn a_finding_goes_stale_and_counts_longer_each_time_it_is_made_again() {
        let memory = Memory::new();
        let at = |seconds| Instant(Duration::from_secs(seconds));
        let add = |seconds| memory.add("a".to_owned(), at(seconds));
        add(100);
        // Another connection finds the same.
        add(105);
        assert!(memory.has("a", at(109)) && !memory.has("b", at(109)) && !memory.has("a", at(110)));
        assert_eq!(memory.all(at(109)), ["a"]);
        assert!(memory.all(at(110)).is_empty());
        let mut now = 120;
        for lasts in [20, 40, 80, 160, 320, 600, 600] {
            add(now);
            assert!(memory.has("a", at(now + lasts - 1)) && !memory.has("a", at(now + lasts)), "{lasts}");
            now += lasts + 5;
        }
        let long_after = now + 600;
        add(long_after);
        assert!(!memory.has("a", at(long_after + 10)), "what was found long ago does not count");
    }
}

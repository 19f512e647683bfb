//! All exchanges of one session, as its carrier. The frames of requests come out in order. The server's frames go into
//! the responses that still wait for answers.
//!
//! A response takes as many answers as its request has frames to answer, whichever they are, and then ends. The oldest
//! one is filled first. So each answer finds a response, and a proxy that delivers only whole responses delivers them
//! soon. Notices take any open response. Without one they wait for the next request, within a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use wstp_protocol::exchange::{self, InOrder, MAX_EXCHANGES, MAX_REQUEST_BODY, RecordError};

use crate::access::Credential;
use crate::carrier::{self, CarrierError, Closing, Incoming};

/// A session without any exchange for so long is over.
const IDLE: Duration = Duration::from_secs(30);
/// Frames in a response that its client has not taken yet.
pub const QUEUE: usize = 2;
/// Notices that wait for the next request.
const MOST_NOTICES: usize = 64;
/// Most responses at once.
const MOST_OPEN: usize = 2 * MAX_EXCHANGES;

/// The exchanges of one session.
pub struct Exchanges {
    state: Mutex<State>,
    changed: Notify,
    /// That of the first request. All others must have the same.
    credential: Option<Credential>,
}

struct State {
    incoming: InOrder,
    /// The responses that have room for answers, the oldest first.
    waiting: VecDeque<Waiting>,
    /// Responses that have not ended.
    open: usize,
    notices: VecDeque<Bytes>,
    next_number: u64,
    /// The server has said its last words.
    is_over: bool,
    /// A response was cut, a request was wrong, or the client ended the session.
    is_gone: bool,
    idle_since: Instant,
}

struct Waiting {
    /// Answers that still go into this response.
    answers: usize,
    response: mpsc::Sender<Item>,
}

/// A part of a response.
pub struct Item {
    /// A frame and its number.
    pub frame: Option<(u64, Bytes)>,
    /// Whether the response ends with it, and the session goes on.
    pub is_last: bool,
}

/// Why there is no exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The session is over.
    Over,
    /// As many as a client may have are under way.
    TooMany,
    /// The records of the request are wrong. The session is over.
    Malformed(RecordError),
}

/// The client is gone.
#[derive(Debug, thiserror::Error)]
#[error("the client ended the session, or a response was cut")]
struct Gone;

/// The receiving half of the carrier.
pub struct Receiver(Arc<Exchanges>);

/// The sending half of the carrier.
pub struct Sender(Arc<Exchanges>);

impl Exchanges {
    /// A session without any exchange yet, whose requests come with this credential.
    pub fn new(credential: Option<Credential>) -> Arc<Self> {
        let state = State {
            incoming: InOrder::new(MOST_OPEN * MAX_REQUEST_BODY),
            waiting: VecDeque::new(),
            open: 0,
            notices: VecDeque::new(),
            next_number: 0,
            is_over: false,
            is_gone: false,
            idle_since: Instant::now(),
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), credential })
    }

    /// Whether the session's requests come with this credential. Nobody else speaks in it, even with its name.
    pub fn is_of(&self, credential: Option<&Credential>) -> bool {
        self.credential.as_ref() == credential
    }

    /// Both halves of the carrier.
    pub fn halves(self: &Arc<Self>) -> (Sender, Receiver) {
        (Sender(self.clone()), Receiver(self.clone()))
    }

    /// A request with these frames came. Returns the source of its response, whose end is to be reported to
    /// [`Exchanges::finish`].
    pub fn begin(&self, frames: Vec<(u64, Bytes)>) -> Result<mpsc::Receiver<Item>, Refused> {
        let mut state = self.lock();
        if state.is_gone || (state.is_over && state.notices.is_empty()) {
            return Err(Refused::Over);
        }
        if state.open >= MOST_OPEN {
            return Err(Refused::TooMany);
        }
        let answers = frames.iter().filter(|(_, frame)| exchange::is_answered(frame)).count();
        let put = frames.into_iter().try_for_each(|(number, frame)| state.incoming.put(number, frame));
        self.changed.notify_waiters();
        if let Err(error) = put {
            state.is_gone = true;
            return Err(Refused::Malformed(error));
        }
        let (response, items) = mpsc::channel(QUEUE + state.notices.len());
        let is_last = answers == 0 && !state.is_over;
        while let Some(notice) = state.notices.pop_front() {
            let frame = Some(state.number(notice));
            let _has_room = response.try_send(Item { frame, is_last: false });
        }
        state.open += 1;
        if is_last {
            let _has_room = response.try_send(Item { frame: None, is_last });
        } else if !state.is_over {
            state.waiting.push_back(Waiting { answers, response });
        }
        Ok(items)
    }

    /// A response ended: with its last item, with the session's end, or before.
    pub fn finish(&self, is_whole: bool) {
        let mut state = self.lock();
        state.open -= 1;
        state.idle_since = Instant::now();
        state.is_gone |= !is_whole;
        self.changed.notify_waiters();
    }

    /// The client ends the session.
    pub fn leave(&self) {
        self.lock().is_gone = true;
        self.changed.notify_waiters();
    }

    /// The next response to fill; `None` after a notice was put aside.
    async fn response(&self, frame: &Bytes) -> Result<Option<mpsc::Sender<Item>>, Gone> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if state.is_gone {
                    return Err(Gone);
                }
                if let Some(waiting) = state.waiting.front() {
                    return Ok(Some(waiting.response.clone()));
                }
                if state.notices.len() < MOST_NOTICES {
                    state.notices.push_back(frame.clone());
                    return Ok(None);
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self, frame: Bytes) -> (u64, Bytes) {
        self.next_number += 1;
        (self.next_number - 1, frame)
    }
}

impl carrier::Receiver for Receiver {
    async fn next(&mut self) -> Option<Result<Incoming, CarrierError>> {
        loop {
            let changed = self.0.changed.notified();
            let idle_since = {
                let mut state = self.0.lock();
                if let Some(frame) = state.incoming.take() {
                    return Some(Ok(Incoming::Frame(frame)));
                }
                if state.is_gone {
                    return None;
                }
                Some(state.idle_since).filter(|_| state.open == 0)
            };
            match idle_since {
                None => changed.await,
                Some(since) => tokio::time::timeout_at(since + IDLE, changed).await.ok()?,
            }
        }
    }

    fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }

    async fn drain(&mut self) {
        loop {
            let changed = self.0.changed.notified();
            {
                let state = self.0.lock();
                if state.is_gone || (state.open == 0 && state.notices.is_empty()) {
                    return;
                }
            }
            changed.await;
        }
    }
}

impl carrier::Sender for Sender {
    async fn feed(&mut self, frame: Bytes) -> Result<(), CarrierError> {
        let Some(response) = self.0.response(&frame).await? else { return Ok(()) };
        let place = response.reserve().await.map_err(|_| Gone)?;
        let mut state = self.0.lock();
        let Some(oldest) = state.waiting.front_mut() else { return Err(Gone.into()) };
        oldest.answers -= usize::from(exchange::is_answer(&frame));
        let is_last = oldest.answers == 0;
        if is_last {
            state.waiting.pop_front();
        }
        let frame = Some(state.number(frame));
        place.send(Item { frame, is_last });
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), CarrierError> {
        Ok(())
    }

    /// Without their last item the responses tell the client that the session is over.
    async fn close(&mut self, _: Closing) -> Result<(), CarrierError> {
        let mut state = self.0.lock();
        state.is_over = true;
        state.waiting.clear();
        Ok(())
    }
}

impl Drop for Sender {
    /// Nothing more is said, so no response waits.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use wstp_protocol::{ClientMessage, Close, Ping, Pong, ServerMessage, Stale};

    use super::*;
    use crate::carrier::{Receiver as _, Sender as _};

    fn pings(numbers: std::ops::Range<u64>) -> Vec<(u64, Bytes)> {
        numbers.map(|number| (number, ClientMessage::Ping(Ping { nonce: number }).encode().into())).collect()
    }

    fn pong(nonce: u64) -> Bytes {
        ServerMessage::Pong(Pong { nonce }).encode().into()
    }

    fn stale() -> Bytes {
        ServerMessage::Stale(Stale { handle: 1 }).encode().into()
    }

    /// The numbers in a response so far, and whether it has ended for good.
    fn taken(items: &mut mpsc::Receiver<Item>) -> (Vec<u64>, bool) {
        let (mut numbers, mut has_ended) = (Vec::new(), false);
        while let Ok(item) = items.try_recv() {
            numbers.extend(item.frame.map(|(number, _)| number));
            has_ended |= item.is_last;
        }
        (numbers, has_ended)
    }

    #[tokio::test]
    async fn each_response_takes_as_many_answers_as_its_request_asked_for() {
        let exchanges = Exchanges::new(None);
        let (mut sender, _receiver) = exchanges.halves();
        let mut first = exchanges.begin(pings(0..2)).unwrap();
        let mut second = exchanges.begin(pings(2..3)).unwrap();
        for frame in [stale(), pong(2)] {
            sender.feed(frame).await.unwrap();
        }
        assert_eq!(taken(&mut first), (vec![0, 1], false));
        sender.feed(pong(0)).await.unwrap();
        assert_eq!(taken(&mut first), (vec![2], true));
        sender.feed(pong(1)).await.unwrap();
        assert_eq!(taken(&mut second), (vec![3], true));
    }

    #[tokio::test]
    async fn notices_wait_for_the_next_request_and_it_ends_at_once() {
        let exchanges = Exchanges::new(None);
        let (mut sender, _receiver) = exchanges.halves();
        for _ in 0..MOST_NOTICES {
            sender.feed(stale()).await.unwrap();
        }
        assert!(sender.feed(stale()).now_or_never().is_none(), "what waits is bounded");
        let close = ClientMessage::Close(Close { handle: 1 }).encode().into();
        let (numbers, has_ended) = taken(&mut exchanges.begin(vec![(0, close)]).unwrap());
        assert_eq!((numbers.len(), has_ended), (MOST_NOTICES, true));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_makes_the_session_wait() {
        let exchanges = Exchanges::new(None);
        let (mut sender, _receiver) = exchanges.halves();
        let mut items = exchanges.begin(pings(0..3)).unwrap();
        sender.feed(pong(0)).await.unwrap();
        sender.feed(pong(1)).await.unwrap();
        assert!(sender.feed(pong(2)).now_or_never().is_none());
        assert!(items.recv().await.is_some());
        sender.feed(pong(2)).await.unwrap();
        drop(items);
        exchanges.finish(false);
        assert!(sender.feed(stale()).await.is_err(), "a cut response ends the session");
    }

    #[tokio::test]
    async fn requests_that_overtake_each_other_are_put_in_order() {
        let exchanges = Exchanges::new(None);
        let (_sender, mut receiver) = exchanges.halves();
        let _late = exchanges.begin(pings(1..3)).unwrap();
        assert!(receiver.next().now_or_never().is_none());
        let _early = exchanges.begin(pings(0..1)).unwrap();
        for expected in pings(0..3) {
            let Some(Ok(Incoming::Frame(frame))) = receiver.next().await else { panic!("a frame") };
            assert_eq!(frame, expected.1);
        }
        assert_eq!(exchanges.begin(pings(0..1)).err(), Some(Refused::Malformed(RecordError::Number)));
        assert!(receiver.next().await.is_none());
        assert_eq!(exchanges.begin(pings(3..4)).err(), Some(Refused::Over));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_nobody_asks_for_is_over_and_one_that_is_still_read_is_not() {
        let exchanges = Exchanges::new(None);
        let (_sender, mut receiver) = exchanges.halves();
        let _items = exchanges.begin(Vec::new()).unwrap();
        assert!(tokio::time::timeout(IDLE * 2, receiver.next()).await.is_err());
        exchanges.finish(true);
        let began = Instant::now();
        assert!(receiver.next().await.is_none());
        assert_eq!(began.elapsed(), IDLE);
    }

    #[tokio::test]
    async fn last_words_reach_a_client_that_asks_once_more() {
        let exchanges = Exchanges::new(None);
        let (mut sender, mut receiver) = exchanges.halves();
        sender.feed(stale()).await.unwrap();
        sender.close(Closing::Normal).await.unwrap();
        assert!(receiver.drain().now_or_never().is_none());
        assert_eq!(taken(&mut exchanges.begin(Vec::new()).unwrap()), (vec![0], false));
        exchanges.finish(true);
        receiver.drain().await;
        assert_eq!(exchanges.begin(Vec::new()).err(), Some(Refused::Over));
    }

    #[tokio::test]
    async fn exchanges_at_once_are_bounded() {
        let exchanges = Exchanges::new(None);
        let open: Vec<_> = (0..MOST_OPEN).map(|_| exchanges.begin(Vec::new()).unwrap()).collect();
        assert_eq!(exchanges.begin(Vec::new()).err(), Some(Refused::TooMany));
        exchanges.finish(true);
        assert!(exchanges.begin(Vec::new()).is_ok());
        drop(open);
    }
}

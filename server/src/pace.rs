//! Bytes spread over time.
//!
//! A [`Pace`] spreads those of one session or caller. A [`SharedPace`] spreads those of all callers: while several wait,
//! each gets the same, however many sessions it has.
//!
//! A limit may change at any time, so nobody takes more at once than lasts for a moment: see [`part`].

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::access::Identity;

/// How long the bytes last that are taken at once. A changed limit holds after that.
const MOMENT: Duration = Duration::from_millis(250);
/// Fewest bytes that are taken at once.
const LEAST: u64 = 1024;
/// Lost time that may be caught up with: timers are late by milliseconds.
const LATENESS: Duration = Duration::from_millis(50);

/// The bytes to take at once, when so many are wanted at this many a second.
pub fn part(wanted: u64, rate: NonZeroU64) -> u64 {
    wanted.min(((rate.get() as f64 * MOMENT.as_secs_f64()) as u64).max(LEAST))
}

/// How long bytes last.
fn lasting(bytes: u64, rate: NonZeroU64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.get() as f64)
}

/// When the next bytes may be sent, if those before are sent by `free_at`.
fn start(free_at: Option<Instant>, now: Instant) -> Instant {
    free_at.map_or(now, |free_at| free_at.max(now.checked_sub(LATENESS).unwrap_or(now)))
}

/// The place in time of everything that was to be sent so far.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the next byte may be sent.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes the time that these bytes last at this many bytes a second. Returns when they may be sent, if that is
    /// later than now.
    pub fn take(&self, bytes: u64, rate: NonZeroU64, now: Instant) -> Option<Instant> {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = start(*free_at, now);
        *free_at = Some(start + lasting(bytes, rate));
        (start > now).then_some(start)
    }
}

/// A rate that all callers share. The callers that wait take turns by the bytes that each got (start-time fair queueing).
#[derive(Debug, Default)]
pub struct SharedPace {
    /// Bytes a second; 0 is no limit.
    rate: AtomicU64,
    queues: Mutex<Queues>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    free_at: Option<Instant>,
    of_callers: HashMap<Identity, Queue>,
    /// The place in the order of turns of those that were served last.
    turn: u64,
    /// Whether a task serves them.
    is_served: bool,
}

/// The parts that one caller waits for.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    /// The place of its next part in the order of turns.
    turn: u64,
}

impl SharedPace {
    /// Bytes a second.
    pub fn rate(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.rate.load(Ordering::Relaxed))
    }

    /// Changes the rate, also for those that wait.
    pub fn set(&self, rate: Option<NonZeroU64>) {
        self.rate.store(rate.map_or(0, NonZeroU64::get), Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until a caller may send so many bytes.
    pub async fn take(self: &Arc<Self>, caller: &Identity, mut bytes: u64) {
        while bytes > 0 {
            let Some(rate) = self.rate() else { return };
            let part = part(bytes, rate);
            bytes -= part;
            let granted = self.queue(caller, part);
            // The task that grants it ends with the runtime alone.
            let _granted = granted.await;
        }
    }

    fn queue(self: &Arc<Self>, caller: &Identity, bytes: u64) -> oneshot::Receiver<()> {
        let (grant, granted) = oneshot::channel();
        let mut queues = self.lock();
        let turn = queues.turn;
        let queue = queues.of_callers.entry(caller.clone()).or_default();
        if queue.waiting.is_empty() {
            // A caller that did not wait has no claim on what the others got meanwhile.
            queue.turn = queue.turn.max(turn);
        }
        queue.waiting.push_back((bytes, grant));
        if !std::mem::replace(&mut queues.is_served, true) {
            tokio::spawn(self.clone().serve());
        }
        granted
    }

    /// Grants parts until nobody waits.
    async fn serve(self: Arc<Self>) {
        loop {
            let free_at = self.lock().free_at.filter(|_| self.rate().is_some());
            if let Some(free_at) = free_at {
                tokio::select! {
                    () = tokio::time::sleep_until(free_at) => {}
                    () = self.changed.notified() => continue,
                }
            }
            if !self.lock().grant(self.rate(), Instant::now()) {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Grants the part whose turn it is. Whether anybody waited.
    fn grant(&mut self, rate: Option<NonZeroU64>, now: Instant) -> bool {
        let waiting = self.of_callers.values_mut().filter(|queue| !queue.waiting.is_empty());
        let Some(queue) = waiting.min_by_key(|queue| queue.turn) else {
            self.of_callers.clear();
            (self.turn, self.is_served) = (0, false);
            return false;
        };
        self.turn = queue.turn;
        if let Some((bytes, grant)) = queue.waiting.pop_front()
            // One whose session ended takes nothing.
            && grant.send(()).is_ok()
        {
            queue.turn = queue.turn.saturating_add(bytes);
            self.free_at = rate.map(|rate| start(self.free_at, now) + lasting(bytes, rate));
        }
        let turn = self.turn;
        self.of_callers.retain(|_, queue| !queue.waiting.is_empty() || queue.turn > turn);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1 << 20;

    fn caller(last: u8) -> Identity {
        Identity::of_address([192, 0, 2, last].into())
    }

    /// Has callers send as much as they may on so many sockets each. Returns the bytes of each after some seconds.
    async fn sent(pace: &Arc<SharedPace>, sockets: &[usize], seconds: u64) -> Vec<u64> {
        let mut tasks = tokio::task::JoinSet::new();
        let counts: Vec<_> = sockets.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
        for (number, (sockets, count)) in sockets.iter().zip(&counts).enumerate() {
            for _ in 0..*sockets {
                let (pace, count, caller) = (pace.clone(), count.clone(), caller(number as u8));
                tasks.spawn(async move {
                    loop {
                        pace.take(&caller, 256 << 10).await;
                        count.fetch_add(256 << 10, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                });
            }
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        tasks.shutdown().await;
        counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Whether it is the expected number, give or take 5 %.
    fn is_about(number: u64, expected: u64) -> bool {
        number.abs_diff(expected) * 20 <= expected
    }

    #[tokio::test(start_paused = true)]
    async fn callers_get_the_same_however_many_sockets_they_have() {
        let pace = Arc::new(SharedPace::default());
        pace.set(NonZeroU64::new(RATE));
        let sent = sent(&pace, &[64, 2, 2, 16], 1000).await;
        assert!(sent.iter().all(|bytes| is_about(*bytes, RATE * 1000 / 4)), "{sent:?}");
        assert!(is_about(sent.iter().sum(), RATE * 1000), "{sent:?}");
        assert!(pace.lock().of_callers.len() <= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_gets_its_share_at_once_and_who_is_alone_gets_all() {
        let pace = Arc::new(SharedPace::default());
        pace.set(NonZeroU64::new(RATE));
        assert!(is_about(sent(&pace, &[3], 100).await[0], RATE * 100));
        // The first one has no debt for the time in which it was alone.
        let both = sent(&pace, &[3, 1], 100).await;
        assert!(both.iter().all(|bytes| is_about(*bytes, RATE * 50)), "{both:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_holds_at_once_also_for_those_that_wait() {
        let pace = Arc::new(SharedPace::default());
        pace.set(NonZeroU64::new(1024));
        let (waiting, one) = (pace.clone(), caller(1));
        let began = Instant::now();
        let taking = tokio::spawn(async move { waiting.take(&one, 1 << 20).await });
        tokio::time::sleep(Duration::from_secs(3)).await;
        pace.set(NonZeroU64::new(RATE));
        taking.await.unwrap();
        let seconds = began.elapsed().as_secs_f64();
        // The last quarter of the new second's bytes goes out at its beginning.
        assert!((3.7..5.1).contains(&seconds), "three seconds and one, not a thousand: {seconds}");
        pace.set(NonZeroU64::new(1));
        let (waiting, one) = (pace.clone(), caller(1));
        let taking = tokio::spawn(async move { waiting.take(&one, 1 << 20).await });
        tokio::time::sleep(Duration::from_secs(3)).await;
        pace.set(None);
        let began = Instant::now();
        taking.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_ended_takes_nothing_from_the_others() {
        let pace = Arc::new(SharedPace::default());
        pace.set(NonZeroU64::new(RATE));
        let one = caller(1);
        for _ in 0..100 {
            drop(pace.queue(&one, RATE));
        }
        let began = Instant::now();
        pace.take(&caller(2), RATE).await;
        assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

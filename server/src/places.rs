//! Places on the server, and the eviction of connections.
//!
//! Each TCP connection has a slot. Connections that speak the protocol or receive files or folders have a seat too. A
//! session may come on two connections, so there are twice as many slots as seats, and some more. A paused reader keeps both while there is room. When all are taken and another client comes, the server evicts one
//! connection. It is the one whose reader took nothing for longest, if that was at least the configured grace. So
//! paused readers can't keep everyone else out.
//!
//! A flood of connections that never ask for anything can't either. Without a slot for a newcomer, the address with most of
//! them loses its oldest one. An address with a single one keeps it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// TCP connections beyond those of the seats: for pages, health checks, and clients that are told to come back later.
const SPARE_SLOTS: usize = 64;
/// How long an evicted connection may take to end.
const MAKING_ROOM: Duration = Duration::from_secs(1);

/// All places of a server.
pub struct Places {
    slots: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    /// The number of all seats.
    most: usize,
    /// How long a reader may take nothing before it can be evicted.
    grace: Duration,
    readers: Mutex<HashMap<u64, Arc<Reader>>>,
}

/// Numbers of seats.
pub struct Seats {
    /// All.
    pub most: usize,
    /// Those that someone has.
    pub taken: usize,
}

/// The client of one TCP connection, in its role as the reader of the sent data.
#[derive(Default)]
pub struct Reader {
    state: Mutex<State>,
    leaving: Notify,
}

#[derive(Default)]
struct State {
    /// The address of a client that has asked for nothing yet.
    silent: Option<IpAddr>,
    /// Since when data waits for the reader.
    waiting_since: Option<Instant>,
    has_seat: bool,
    gives_way: bool,
    /// Whether the connection has to end in a way that shows its peer an incomplete answer.
    breaks_off: bool,
    /// The task that waits for the reader.
    waker: Option<Waker>,
}

/// A slot. It is given back when the connection ends.
pub struct Slot {
    places: Arc<Places>,
    number: u64,
    reader: Arc<Reader>,
    _permit: OwnedSemaphorePermit,
}

/// A seat. It is given back when its purpose ends.
pub struct Seat {
    /// The connection that can be evicted to free the seat.
    sitting: Option<Sitting>,
    _permit: OwnedSemaphorePermit,
}

/// A connection that holds a seat, or serves someone who does: its eviction frees the seat.
pub struct Sitting(Arc<Reader>);

impl Places {
    /// This many seats, and slots for them.
    pub fn new(seats: usize, grace: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(2 * seats + SPARE_SLOTS)),
            seats: Arc::new(Semaphore::new(seats)),
            most: seats,
            grace,
            readers: Mutex::default(),
        }
    }

    /// How many seats are taken.
    pub fn seats(&self) -> Seats {
        Seats { most: self.most, taken: self.most.saturating_sub(self.seats.available_permits()) }
    }

    /// A slot for the connection of that number, as soon as there is one. No two connections have the same number.
    pub async fn slot(self: &Arc<Self>, number: u64, address: IpAddr) -> Slot {
        let permit = loop {
            if let Some(permit) = self.take(&self.slots, |_| true).await {
                break permit;
            }
            self.send_silent_away();
            // By then the grace of some reader may be over.
            if let Ok(Ok(permit)) = tokio::time::timeout(MAKING_ROOM, self.slots.clone().acquire_owned()).await {
                break permit;
            }
        };
        let reader = Arc::<Reader>::default();
        reader.state().silent = Some(address);
        self.readers().insert(number, reader.clone());
        Slot { places: self.clone(), number, reader, _permit: permit }
    }

    /// A seat for a client that has a slot. `None` if all are taken and no connection can be evicted.
    pub async fn seat(&self, reader: &Arc<Reader>) -> Option<Seat> {
        let permit = self.take(&self.seats, |other| other.has_seat).await?;
        Some(Seat { sitting: Some(Sitting::on(reader)), _permit: permit })
    }

    /// A seat that somebody is about to give up. `None` if that does not happen soon.
    pub async fn next_seat(&self, reader: &Arc<Reader>) -> Option<Seat> {
        let permit = tokio::time::timeout(MAKING_ROOM, self.seats.clone().acquire_owned()).await.ok()?.ok()?;
        Some(Seat { sitting: Some(Sitting::on(reader)), _permit: permit })
    }

    /// A free place, or that of an evicted connection.
    async fn take(&self, free: &Arc<Semaphore>, may_go: impl Fn(&State) -> bool) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = free.clone().try_acquire_owned() {
            return Some(permit);
        }
        self.make_room(may_go)?;
        tokio::time::timeout(MAKING_ROOM, free.clone().acquire_owned()).await.ok()?.ok()
    }

    /// Evicts the connection that waited longest for its reader; `None` if none waited long enough.
    fn make_room(&self, may_go: impl Fn(&State) -> bool) -> Option<()> {
        let readers = self.readers();
        let waiting = readers.iter().filter_map(|(number, reader)| {
            let state = reader.state();
            let since = state.waited(self.grace).filter(|_| may_go(&state))?;
            Some((since, number, reader))
        });
        let (since, number, reader) = waiting.min_by_key(|(since, ..)| *since)?;
        tracing::info!(connection = number, waited = ?since.elapsed(), "a client that takes nothing gives way to another");
        reader.state().give_way();
        Some(())
    }

    /// Ends the oldest silent connection of the address that has most of them, if it has several.
    fn send_silent_away(&self) {
        let readers = self.readers();
        let mut of_addresses = HashMap::<IpAddr, (usize, u64)>::new();
        for (number, reader) in readers.iter() {
            if let Some(address) = reader.state().silent {
                let (count, oldest) = of_addresses.entry(address).or_insert((0, *number));
                *count += 1;
                *oldest = (*oldest).min(*number);
            }
        }
        let most = of_addresses.into_iter().max_by_key(|(_, (count, _))| *count);
        let Some((address, (_, oldest))) = most.filter(|(_, (count, _))| *count > 1) else { return };
        if let Some(reader) = readers.get(&oldest) {
            tracing::debug!(%address, connection = oldest, "a connection that asks nothing gives way to another");
            reader.state().silent = None;
            reader.leaving.notify_one();
        }
    }

    /// Ends every connection whose reader has taken nothing for this long.
    pub fn end_waiting(&self, least: Duration) {
        for reader in self.readers().values() {
            let mut state = reader.state();
            if state.waited(least).is_some() {
                state.give_way();
            }
        }
    }

    fn readers(&self) -> MutexGuard<'_, HashMap<u64, Arc<Reader>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Data waits for the reader. Returns whether the connection is evicted. If not yet, the task of `cx` is woken when
    /// it is.
    pub fn waits(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        state.waiting_since.get_or_insert_with(Instant::now);
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        state.gives_way
    }

    /// The client asked for something.
    pub fn asks(&self) {
        self.state().silent = None;
    }

    /// Completes once the connection has to give way although nothing waits for its reader.
    pub async fn leaves(&self) {
        self.leaving.notified().await;
    }

    /// The reader took data, or none waits any more.
    pub fn took(&self) {
        self.state().waiting_since = None;
    }

    /// Records that the current answer can't be completed, so that the connection ends in a reset.
    pub fn break_off(&self) {
        self.state().breaks_off = true;
    }

    /// Whether the connection ends in a reset.
    pub fn breaks_off(&self) -> bool {
        self.state().breaks_off
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Since when the reader took nothing, if that is long enough and the connection is not evicted yet.
    fn waited(&self, least: Duration) -> Option<Instant> {
        self.waiting_since.filter(|since| !self.gives_way && since.elapsed() >= least)
    }

    fn give_way(&mut self) {
        self.gives_way = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Slot {
    /// The reader of the slot.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.places.readers().remove(&self.number);
    }
}

impl Seat {
    /// Keeps the seat for a client that comes on other connections.
    pub fn leave_connection(&mut self) {
        self.sitting = None;
    }
}

impl Sitting {
    /// The connection of this reader serves someone who has a seat, until this is dropped.
    pub fn on(reader: &Arc<Reader>) -> Self {
        reader.state().has_seat = true;
        Self(reader.clone())
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.0.state().has_seat = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::{Context, noop_waker_ref};

    const GRACE: Duration = Duration::from_secs(30);
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn waits(slot: &Slot) -> bool {
        slot.reader().waits(&Context::from_waker(noop_waker_ref()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_reader_that_waited_longest_gives_its_seat_to_the_next_client() {
        let places = Arc::new(Places::new(2, GRACE));
        let (first, second, newcomer) =
            (places.slot(1, HERE).await, places.slot(2, HERE).await, places.slot(3, HERE).await);
        let first_seat = places.seat(first.reader()).await.unwrap();
        let _second_seat = places.seat(second.reader()).await.unwrap();
        assert!(!waits(&first));
        tokio::time::advance(GRACE / 2).await;
        assert!(!waits(&second));
        assert!(places.seat(newcomer.reader()).await.is_none(), "nobody used up its grace");
        tokio::time::advance(GRACE).await;
        let seat = places.seat(newcomer.reader());
        tokio::pin!(seat);
        assert!(seat.as_mut().now_or_never().is_none());
        assert!(waits(&first) && !waits(&second));
        drop(first_seat);
        assert!(seat.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_or_has_no_seat_does_not_give_way() {
        let places = Arc::new(Places::new(1, GRACE));
        let (reading, without, newcomer) =
            (places.slot(1, HERE).await, places.slot(2, HERE).await, places.slot(3, HERE).await);
        let _seat = places.seat(reading.reader()).await.unwrap();
        assert!(!waits(&reading) && !waits(&without));
        tokio::time::advance(GRACE * 2).await;
        reading.reader().took();
        assert!(places.seat(newcomer.reader()).await.is_none());
        assert!(!waits(&reading) && !waits(&without));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_gives_way_where_there_are_most_of_them() {
        let places = Arc::new(Places::new(0, GRACE));
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut slots = HashMap::new();
        for number in 0..SPARE_SLOTS as u64 {
            // Two of the first, one of the second, and all others of the third have asked.
            let of = [1, 1, 2].get(number as usize).copied().unwrap_or(3);
            let slot = places.slot(number, address(of)).await;
            if of == 3 {
                slot.reader().asks();
            }
            slots.insert(number, slot);
        }
        let newcomer = places.slot(100, address(4));
        tokio::pin!(newcomer);
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(slots[&0].reader().leaves().now_or_never().is_some());
        assert!((1..SPARE_SLOTS as u64).all(|number| slots[&number].reader().leaves().now_or_never().is_none()));
        drop(slots.remove(&0));
        let _newcomer = newcomer.await;
        // Each address has one, and those are left alone.
        let next = places.slot(101, address(5));
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none());
        assert!(slots.values().all(|slot| slot.reader().leaves().now_or_never().is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_only_those_are_waited_for_who_read() {
        let places = Arc::new(Places::new(2, GRACE));
        let (paused, reading) = (places.slot(1, HERE).await, places.slot(2, HERE).await);
        assert!(!waits(&paused));
        tokio::time::advance(GRACE / 3).await;
        assert!(!waits(&reading));
        places.end_waiting(GRACE / 3);
        assert!(waits(&paused) && !waits(&reading));
    }

    #[tokio::test(start_paused = true)]
    async fn any_paused_reader_gives_its_slot_to_the_next_client() {
        let places = Arc::new(Places::new(0, GRACE));
        let mut slots = Vec::new();
        for number in 0..SPARE_SLOTS as u64 {
            slots.push(places.slot(number, HERE).await);
        }
        let newcomer = places.slot(1000, HERE);
        tokio::pin!(newcomer);
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(!waits(&slots[5]));
        tokio::time::advance(GRACE).await;
        assert!(newcomer.as_mut().now_or_never().is_none());
        tokio::time::advance(MAKING_ROOM).await;
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(waits(&slots[5]));
        slots.swap_remove(5);
        newcomer.await;
    }
}

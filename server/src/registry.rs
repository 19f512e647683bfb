//! Who is connected, what they fetch, and how fast. A session can be slowed down or ended from here, and a caller with
//! all its sessions ended.

mod served;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wstp_protocol::{Handle, SharePath};
use wstp_provider::Refusal;

use crate::access::{Caller, Callers, Held, Identity, Standing};
use crate::accounts::now;
use crate::bandwidth::Bandwidth;
use crate::pace::{Pace, part};
use served::{Served, Transfers};

pub use served::{BUCKETS, WHOLE};

/// The time over which the rate is measured.
const MEASURED: Duration = Duration::from_secs(2);

/// All sessions: connections of the protocol, and requests of plain HTTP under way.
#[derive(Default)]
pub struct Registry(Mutex<Open>);

#[derive(Default)]
struct Open {
    sessions: BTreeMap<u64, Arc<Session>>,
    next: u64,
    /// Bytes of all sessions so far.
    sent: Arc<AtomicU64>,
    bandwidth: Arc<Bandwidth>,
    transfers: Arc<Mutex<Transfers>>,
}

/// One session.
pub struct Session {
    connection: u64,
    address: SocketAddr,
    /// On whose behalf it asks.
    pub caller: Caller,
    ending: CancellationToken,
    /// Whether its client comes back by itself when it is ended.
    comes_back: bool,
    /// Whether it ends because its caller is not let in any more.
    is_barred: AtomicBool,
    pace: Pace,
    state: Mutex<State>,
    since: u64,
    /// Bytes of all sessions.
    sent: Arc<AtomicU64>,
    bandwidth: Arc<Bandwidth>,
    transfers: Arc<Mutex<Transfers>>,
    _seat: Held,
}

struct State {
    paths: BTreeMap<Handle, (SharePath, Arc<Served>)>,
    bytes: u64,
    /// The beginning of the time that is measured, and the bytes since then.
    window: (Instant, u64),
    /// Bytes a second, as measured last.
    rate: u64,
    limit: Option<NonZeroU64>,
}

/// A session as it is shown.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The number of the connection.
    pub connection: u64,
    /// The client's address.
    pub address: SocketAddr,
    /// The caller that it belongs to.
    pub caller: Identity,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// The files that it has open, or the one that it is sent, and how much of each of their buckets its caller was sent
    /// (0 to [`WHOLE`]).
    pub transfers: Vec<(SharePath, [u8; BUCKETS])>,
    /// Bytes sent to it.
    pub bytes: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Bytes a second that this session gets at most. The caller's allowance holds beside it.
    pub limit: Option<NonZeroU64>,
}

/// Keeps a session in the registry until it is dropped.
pub struct Presence {
    registry: Arc<Registry>,
    key: u64,
    session: Arc<Session>,
}

impl Registry {
    /// Adds a session. `comes_back` if its client connects again by itself when the session is ended.
    ///
    /// # Errors
    /// When the caller has as many as it may.
    pub(crate) fn enter(
        self: &Arc<Self>,
        (connection, address): (u64, SocketAddr),
        caller: Caller,
        comes_back: bool,
    ) -> Result<Presence, Refusal> {
        let window = (Instant::now(), 0);
        let state = Mutex::new(State { paths: BTreeMap::new(), bytes: 0, window, rate: 0, limit: None });
        let (ending, pace, seat) = (CancellationToken::new(), Pace::default(), caller.seat()?);
        let is_barred = AtomicBool::new(false);
        let mut open = self.lock();
        let session = Arc::new(Session {
            connection,
            address,
            caller,
            ending,
            comes_back,
            is_barred,
            pace,
            state,
            since: now(),
            sent: open.sent.clone(),
            bandwidth: open.bandwidth.clone(),
            transfers: open.transfers.clone(),
            _seat: seat,
        });
        open.next += 1;
        let key = open.next;
        open.sessions.insert(key, session.clone());
        drop(open);
        Ok(Presence { registry: self.clone(), key, session })
    }

    /// Every session, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        self.lock().sessions.values().map(|session| session.view()).collect()
    }

    /// Bytes that all sessions were sent, those that ended too.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.lock().sent.load(Ordering::Relaxed)
    }

    /// The bandwidth that all sessions share.
    #[must_use]
    pub(crate) fn bandwidth(&self) -> Arc<Bandwidth> {
        self.lock().bandwidth.clone()
    }

    /// Ends the sessions of a connection. Whether there were any.
    pub fn end(&self, connection: u64) -> bool {
        self.each(|session| session.connection == connection, |session| session.ending.cancel())
    }

    /// Ends all sessions of a caller. Whether there were any.
    pub fn end_caller(&self, caller: &Identity) -> bool {
        self.each(|session| session.caller.identity() == caller, |session| session.ending.cancel())
    }

    /// Ends a session of the caller with most sessions, so that a newcomer has a place. None is ended if that caller has
    /// less than two more than the newcomer, or if its clients would not come back. Whether one was ended.
    pub(crate) fn make_room_for(&self, newcomer: &Identity) -> bool {
        let open = self.lock();
        let mut of_caller = HashMap::<&Identity, Vec<&Arc<Session>>>::new();
        for session in open.sessions.values().filter(|session| !session.ending.is_cancelled()) {
            of_caller.entry(session.caller.identity()).or_default().push(session);
        }
        let own = of_caller.get(newcomer).map_or(0, Vec::len);
        let can_end = |sessions: &&Vec<&Arc<Session>>| sessions.iter().any(|session| session.comes_back);
        let most = of_caller.values().filter(can_end).max_by_key(|sessions| sessions.len());
        let Some(most) = most.filter(|most| most.len() >= own + 2) else { return false };
        // The youngest has the least under way.
        let ended = most.iter().rev().find(|session| session.comes_back);
        ended.inspect(|session| session.ending.cancel()).is_some()
    }

    /// Ends all sessions whose caller may do less or more than when it was admitted.
    pub(crate) fn review(&self, callers: &Callers) {
        for session in self.lock().sessions.values() {
            let standing = callers.standing(&session.caller);
            if standing != Standing::Same {
                session.is_barred.store(standing == Standing::Gone, Ordering::Relaxed);
                session.ending.cancel();
            }
        }
    }

    /// Ends all sessions that have a file beneath this folder open. Whether there were any.
    pub fn end_reading(&self, folder: &SharePath) -> bool {
        let reads = |session: &Session| session.lock().paths.values().any(|(path, _)| path.beneath(folder).is_some());
        self.each(reads, |session| session.ending.cancel())
    }

    /// Sends at most so many bytes a second to a connection's sessions, or as many as they take. Whether there were
    /// any.
    pub fn limit(&self, connection: u64, rate: Option<NonZeroU64>) -> bool {
        self.each(|session| session.connection == connection, |session| session.lock().limit = rate)
    }

    fn each(&self, is_named: impl Fn(&Session) -> bool, act: impl Fn(&Session)) -> bool {
        let open = self.lock();
        let mut named = open.sessions.values().filter(|session| is_named(session)).peekable();
        let is_there = named.peek().is_some();
        named.for_each(|session| act(session));
        is_there
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Completes once somebody ends the session.
    pub(crate) async fn ended(&self) {
        self.ending.cancelled().await;
    }

    /// Whether it ended because its caller is not let in any more.
    pub(crate) fn is_barred(&self) -> bool {
        self.is_barred.load(Ordering::Relaxed)
    }

    /// The caller fetches this file from now on, under this handle.
    pub(crate) fn fetches(&self, handle: Handle, path: &SharePath) {
        if let Ok(place) = self.caller.place(path) {
            let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
            let served = transfers.enter(self.caller.identity(), &place);
            drop(transfers);
            self.lock().paths.insert(handle, (place.into_owned(), served));
        }
    }

    /// A range of the file at a place, which has so many bytes, is sent.
    pub(crate) fn serves(&self, place: &SharePath, size: u64, range: Range<u64>) {
        let state = self.lock();
        if let Some((_, served)) = state.paths.values().find(|(path, _)| path == place) {
            served.add(size, range);
        }
    }

    /// A file is not fetched any more.
    pub(crate) fn leaves(&self, handle: Handle) {
        self.lock().paths.remove(&handle);
    }

    /// Waits until so many bytes may be sent, and counts them.
    pub(crate) async fn pace(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.caller.count(bytes);
        self.lock().count(bytes, Instant::now());
        let mut left = bytes;
        while left > 0 {
            // They may have changed since the last part.
            let limits = [self.lock().limit, self.caller.allowance().rate];
            let Some(slowest) = limits.into_iter().flatten().min() else { break };
            let (part, now) = (part(left, slowest), Instant::now());
            let own = limits[0].and_then(|limit| self.pace.take(part, limit, now));
            if let Some(free_at) = own.max(self.caller.pace(part, now)) {
                tokio::time::sleep_until(free_at).await;
            }
            left -= part;
        }
        self.bandwidth.take(self.caller.identity(), bytes).await;
    }

    /// Waits until so many bytes of what is at a path may be sent.
    pub(crate) async fn pace_share(&self, path: &SharePath, bytes: u64) {
        self.bandwidth.take_of_share(self.caller.identity(), path, bytes).await;
    }

    fn view(&self) -> SessionView {
        let mut state = self.lock();
        state.measure(Instant::now());
        SessionView {
            connection: self.connection,
            address: self.address,
            caller: self.caller.identity().clone(),
            since: self.since,
            transfers: state.paths.values().map(|(path, served)| (path.clone(), served.levels())).collect(),
            bytes: state.bytes,
            rate: state.rate,
            limit: state.limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, bytes: u64, now: Instant) {
        self.measure(now);
        self.bytes += bytes;
        self.window.1 += bytes;
    }

    fn measure(&mut self, now: Instant) {
        let (since, bytes) = self.window;
        let age = now - since;
        if age >= MEASURED {
            self.rate = (bytes as f64 / age.as_secs_f64()) as u64;
            self.window = (now, 0);
        }
    }
}

impl Deref for Presence {
    type Target = Arc<Session>;

    fn deref(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.registry.lock().sessions.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Allowance;

    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 1);

    #[tokio::test(start_paused = true)]
    async fn all_sessions_of_a_caller_share_its_rate() {
        let (registry, callers) = (Arc::<Registry>::default(), Callers::default());
        let enter = |connection| {
            let caller = callers.of_address(ADDRESS.0.into());
            registry.enter((connection, ADDRESS.into()), caller, true).unwrap()
        };
        let sessions = [enter(1), enter(2)];
        let rate = NonZeroU64::new(1000);
        callers.allow(sessions[0].caller.identity(), Some(Allowance { rate, ..Allowance::default() }));
        let began = Instant::now();
        for session in sessions.iter().cycle().take(10) {
            session.pace(1000).await;
        }
        assert_eq!(began.elapsed().as_secs(), 9);
        // The slower of both limits holds. The session's own begins at the ninth second, and 1,000 bytes last for ten.
        registry.limit(2, NonZeroU64::new(100));
        sessions[1].pace(1000).await;
        sessions[1].pace(1000).await;
        assert_eq!(began.elapsed().as_secs(), 19);
    }

    #[test]
    fn the_caller_with_most_sessions_gives_one_up_to_a_caller_with_fewer() {
        let (registry, callers) = (Arc::<Registry>::default(), Callers::default());
        let address = |last: u8| [192, 0, 2, last].into();
        let enter = |connection, last, comes_back| {
            let caller = callers.of_address(address(last));
            registry.enter((connection, ADDRESS.into()), caller, comes_back).unwrap()
        };
        let make_room = |last| registry.make_room_for(&Identity::of_address(address(last)));
        let [first, second, third, fourth] =
            [(1, true), (2, true), (3, true), (4, false)].map(|(connection, back)| enter(connection, 1, back));
        assert!(!make_room(1), "the newcomer is the one with most");
        let _other = enter(5, 2, true);
        assert!(make_room(2));
        assert!(third.ending.is_cancelled(), "the youngest whose client comes back");
        assert!(!fourth.ending.is_cancelled() && !second.ending.is_cancelled());
        // Three are left of four, and the newcomer has one.
        assert!(make_room(2) && second.ending.is_cancelled());
        assert!(!make_room(2), "two beside one");
        assert!(make_room(3) && first.ending.is_cancelled(), "two beside none");
        let _plain = enter(6, 1, false);
        assert!(!make_room(3), "nobody who would come back is left");
    }

    #[test]
    fn ending_a_caller_ends_its_sessions_and_no_other() {
        let (registry, callers) = (Arc::<Registry>::default(), Callers::default());
        let enter = |connection, last| {
            let caller = callers.of_address([192, 0, 2, last].into());
            registry.enter((connection, ADDRESS.into()), caller, true).unwrap()
        };
        let [first, second, other] = [enter(1, 1), enter(2, 1), enter(3, 2)];
        let caller = first.caller.identity().clone();
        assert!(registry.end_caller(&caller));
        let is_ended = |session: &Presence| session.ending.is_cancelled();
        assert_eq!([&first, &second, &other].map(is_ended), [true, true, false]);
        drop((first, second));
        assert!(!registry.end_caller(&caller));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_sends_no_faster_than_its_limit() {
        let registry = Arc::<Registry>::default();
        let session = registry.enter((7, ADDRESS.into()), Caller::default(), true).unwrap();
        assert!(!registry.limit(8, NonZeroU64::new(1)));
        assert!(registry.limit(7, NonZeroU64::new(1000)));
        let began = Instant::now();
        for _ in 0..10 {
            session.pace(1000).await;
        }
        assert_eq!(began.elapsed().as_secs(), 9);
        let view = &registry.list()[0];
        assert_eq!((view.bytes, view.limit), (10_000, NonZeroU64::new(1000)));
        assert!((800..=1200).contains(&view.rate), "{}", view.rate);
        drop(session);
        assert!(registry.list().is_empty());
    }
}

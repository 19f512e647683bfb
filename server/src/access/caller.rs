//! A caller, and what is held for it on all its connections together.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::time::Instant;
use wstp_protocol::{ErrorCode, SharePath};
use wstp_provider::Refusal;

use super::allotment::Allotment;
use super::door::Proof;
use super::identity::Identity;
use super::rights::Rights;
use crate::accounts::changes::DAY;
use crate::accounts::now;
use crate::line::Line;
use crate::pace::Pace;

const SEATS_TAKEN: Refusal = Refusal::new(
    ErrorCode::Busy,
    "This server allows you no more connections at once. Close one, or try again shortly.",
);
const VOLUME_TAKEN: Refusal = Refusal::new(
    ErrorCode::UsedUp,
    "You have had all the bytes that this server gives you in a day. The next day begins at midnight UTC.",
);
const REQUESTS_TAKEN: Refusal =
    Refusal::new(ErrorCode::Busy, "This server allows you no more requests at once. Try again shortly.");

/// The most that a caller may hold, on all its connections together. `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Connections of the protocol, and requests of plain HTTP.
    pub seats: Option<u64>,
    /// Requests under way.
    pub requests: Option<u64>,
    /// Bytes a second.
    pub rate: Option<NonZeroU64>,
    /// Bytes a day. The days begin at midnight UTC.
    pub volume: Option<NonZeroU64>,
}

/// The one on whose behalf something is asked, with all that is held for it on any connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub(super) account: Arc<Inner>,
    pub(super) proof: Proof,
    pub(super) rights: Arc<Rights>,
    /// The folder that is the root to this caller.
    pub(super) root: SharePath,
    /// The count of its downloads, if there is one.
    pub(super) allotment: Option<Arc<Allotment>>,
}

/// State that all requests of one caller share.
#[derive(Debug, Default)]
pub(super) struct Inner {
    identity: Identity,
    /// The allowance of this caller alone.
    own: Mutex<Option<Allowance>>,
    /// The allowance of everyone who has none of their own.
    common: Arc<RwLock<Allowance>>,
    counts: Counts,
    pace: Pace,
    line: Line,
    /// A day since 1970, and the bytes of that day.
    today: Mutex<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Counts {
    seats: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// The things one caller holds at the moment, and the bytes it was sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Connections of the protocol, and requests of plain HTTP.
    pub seats: u64,
    /// Requests under way.
    pub requests: u64,
    /// Bytes of answers, since the server remembers the caller.
    pub bytes: u64,
}

/// Something that is held for a caller until this is dropped.
#[derive(Debug)]
pub struct Held {
    caller: Caller,
    count: fn(&Counts) -> &AtomicU64,
}

/// Days since 1970.
fn today() -> u64 {
    now() / DAY
}

impl Inner {
    /// Nothing is held yet.
    pub(super) fn new(identity: Identity, common: Arc<RwLock<Allowance>>) -> Self {
        Self { identity, common, ..Self::default() }
    }

    pub(super) fn own(&self) -> MutexGuard<'_, Option<Allowance>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes of a day. Returns those of that day so far.
    fn on_day(&self, day: u64, bytes: u64) -> u64 {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != day {
            *today = (day, 0);
        }
        today.1 = today.1.saturating_add(bytes);
        today.1
    }

    pub(super) fn holds(&self) -> Holdings {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { seats, requests, bytes } = &self.counts;
        Holdings { seats: load(seats), requests: load(requests), bytes: load(bytes) }
    }
}

impl Caller {
    /// The name under which it is counted.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.account.identity
    }

    /// Whether it proved nothing.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.proof == Proof::Nothing
    }

    /// The places that it may read.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The place of a path that the caller names: it begins at the folder that is the root to the caller.
    ///
    /// # Errors
    /// When the path becomes too long.
    pub fn place<'a>(&self, path: &'a SharePath) -> Result<Cow<'a, SharePath>, Refusal> {
        if self.root.is_root() {
            return Ok(Cow::Borrowed(path));
        }
        self.root.append(path).map(Cow::Owned).map_err(|_| ErrorCode::InvalidPath.into())
    }

    /// Begins a download of what the caller names so, or goes on with it.
    ///
    /// # Errors
    /// When the caller may begin none any more.
    pub(crate) async fn begin_download(&self, path: &SharePath) -> Result<(), Refusal> {
        match &self.allotment {
            Some(allotment) => allotment.begin(path).await,
            None => Ok(()),
        }
    }

    /// The same caller with these rights.
    #[must_use]
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights: Arc::new(rights), ..self }
    }

    /// The most that it may hold.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        let own = *self.account.own();
        own.unwrap_or_else(|| *self.account.common.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds a seat.
    ///
    /// # Errors
    /// When the caller has as many as it may.
    pub(crate) fn seat(&self) -> Result<Held, Refusal> {
        self.hold(|counts| &counts.seats, self.allowance().seats).ok_or(SEATS_TAKEN)
    }

    /// Holds a request.
    ///
    /// # Errors
    /// When the caller has as many as it may, or had all the bytes of the day.
    pub(crate) fn request(&self) -> Result<Held, Refusal> {
        if !self.has_volume() {
            return Err(VOLUME_TAKEN);
        }
        self.hold(|counts| &counts.requests, self.allowance().requests).ok_or(REQUESTS_TAKEN)
    }

    /// Whether the caller may have more bytes today.
    pub(crate) fn has_volume(&self) -> bool {
        self.allowance().volume.is_none_or(|volume| self.account.on_day(today(), 0) < volume.get())
    }

    /// Counts bytes of an answer.
    pub(crate) fn count(&self, bytes: u64) {
        self.account.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.on_day(today(), bytes);
    }

    /// When bytes of an answer may be sent, if that is later than now.
    pub(crate) fn pace(&self, bytes: u64, now: Instant) -> Option<Instant> {
        self.account.pace.take(bytes, self.allowance().rate?, now)
    }

    /// The way to it.
    pub(crate) fn line(&self) -> &Line {
        &self.account.line
    }

    /// The things it holds.
    #[must_use]
    pub fn holds(&self) -> Holdings {
        self.account.holds()
    }

    fn hold(&self, count: fn(&Counts) -> &AtomicU64, most: Option<u64>) -> Option<Held> {
        let one_more = |held: u64| (most.is_none_or(|most| held < most)).then_some(held + 1);
        count(&self.account.counts).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Held { caller: self.clone(), count })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.count)(&self.caller.account.counts).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::Callers;
    use super::*;

    fn of_all(common: Allowance) -> Callers {
        let callers = Callers::default();
        callers.set_common(common);
        callers
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn holdings_are_counted_over_all_connections_of_a_caller() {
        let callers = Callers::default();
        let (first, second) = (callers.of_address(address(1)), callers.of_address(address(1)));
        let held = (first.seat(), second.seat(), second.request());
        second.count(5);
        assert_eq!(first.holds(), Holdings { seats: 2, requests: 1, bytes: 5 });
        drop(held);
        assert_eq!(first.holds(), Holdings { seats: 0, requests: 0, bytes: 5 });
    }

    #[test]
    fn an_allowance_bounds_a_caller_and_no_other() {
        let callers = of_all(Allowance { seats: Some(2), ..Allowance::default() });
        let (one, other) = (callers.of_address(address(1)), callers.of_address(address(2)));
        let held = [one.seat().unwrap(), one.seat().unwrap()];
        assert_eq!(one.seat().unwrap_err().code(), ErrorCode::Busy);
        assert!(other.seat().is_ok());
        callers.allow(one.identity(), Some(Allowance { seats: Some(3), requests: Some(0), ..Allowance::default() }));
        assert!(one.seat().is_ok() && one.request().is_err() && other.request().is_ok());
        callers.set_common(Allowance { seats: Some(1), ..Allowance::default() });
        callers.allow(one.identity(), None);
        let [first, second] = held;
        drop(first);
        assert!(one.seat().is_err());
        drop(second);
        assert!(one.seat().is_ok());
    }

    #[test]
    fn a_volume_is_counted_over_all_connections_and_begins_anew_each_day() {
        let callers = of_all(Allowance { volume: NonZeroU64::new(10), ..Allowance::default() });
        let (one, again) = (callers.of_address(address(1)), callers.of_address(address(1)));
        let other = callers.of_address(address(2));
        one.count(6);
        assert!(one.request().is_ok() && again.has_volume());
        again.count(6);
        let refused = one.request().unwrap_err();
        assert!(refused.code() == ErrorCode::UsedUp && refused.text().contains("midnight"), "{refused:?}");
        assert!(other.request().is_ok());
        assert_eq!((one.account.on_day(today() + 1, 0), one.account.on_day(today() + 1, 3)), (0, 3));
    }
}

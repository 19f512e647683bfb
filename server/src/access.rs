//! Who asks, and how much they may hold. Each request has a caller, made of the first message or of the `Authorization`
//! header, and every call of a store names it.
//!
//! A caller's connections, requests and bytes are counted together, whichever way they come. One [`Allowance`] bounds
//! them all. Today everybody is let in, and counted by network address. Users and their tokens go into
//! [`Callers::admit`]. A caller's [`Rights`] bound what the stores show it.

mod rights;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::time::Instant;
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

use crate::pace::Pace;
pub use rights::{Place, Reach, Rights};

/// Callers to remember before those that hold nothing are forgotten.
const LEAST_REMEMBERED: usize = 64;

const SEATS_TAKEN: Refusal = Refusal::new(
    ErrorCode::Busy,
    "This server allows you no more connections at once. Close one, or try again shortly.",
);
const REQUESTS_TAKEN: Refusal =
    Refusal::new(ErrorCode::Busy, "This server allows you no more requests at once. Try again shortly.");

/// The name under which a caller is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Code in this process.
    #[default]
    Internal,
    /// Everyone who connects from this address. An IPv6 address stands for its network of 64 bits, because one machine
    /// has many of those.
    Address(IpAddr),
}

/// The most that a caller may hold, on all its connections together. `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Connections of the protocol, and requests of plain HTTP.
    pub seats: Option<u64>,
    /// Requests under way.
    pub requests: Option<u64>,
    /// Bytes a second.
    pub rate: Option<NonZeroU64>,
}

/// The one on whose behalf something is asked, with all that is held for it on any connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    account: Arc<Inner>,
    rights: Arc<Rights>,
}

#[derive(Debug, Default)]
struct Inner {
    identity: Identity,
    /// The allowance of this caller alone.
    own: Mutex<Option<Allowance>>,
    /// The allowance of everyone who has none of their own.
    common: Arc<RwLock<Allowance>>,
    counts: Counts,
    pace: Pace,
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

/// Everybody who may call.
#[derive(Default)]
pub struct Callers {
    common: Arc<RwLock<Allowance>>,
    known: Mutex<HashMap<Identity, Caller>>,
}

impl Identity {
    /// The identity of everyone who connects from this address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address => address,
        })
    }
}

impl Callers {
    /// Everybody, each with this allowance.
    #[must_use]
    pub fn new(common: Allowance) -> Self {
        Self { common: Arc::new(RwLock::new(common)), known: Mutex::default() }
    }

    /// The caller that a token proves; without one, everyone at this address.
    ///
    /// # Errors
    /// When the caller is not let in. Nobody is kept out today.
    pub fn admit(&self, _token: Option<&str>, address: IpAddr) -> Result<Caller, Refusal> {
        Ok(self.caller(Identity::of_address(address)))
    }

    /// The allowance of everyone who has none of their own, from now on.
    pub fn set_common(&self, allowance: Allowance) {
        *self.common.write().unwrap_or_else(PoisonError::into_inner) = allowance;
    }

    /// The allowance of one caller from now on, connected or not. `None` gives it the common one again. A caller that
    /// holds more keeps that, and gets no more.
    pub fn allow(&self, identity: Identity, allowance: Option<Allowance>) {
        *self.caller(identity).own() = allowance;
    }

    fn caller(&self, identity: Identity) -> Caller {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = known.get(&identity) {
            return caller.clone();
        }
        if known.len() >= LEAST_REMEMBERED && known.len() == known.capacity() {
            known.retain(|_, caller| !caller.is_forgettable());
        }
        let account = Arc::new(Inner { identity, common: self.common.clone(), ..Inner::default() });
        let caller = Caller { account, rights: Arc::default() };
        known.insert(identity, caller.clone());
        caller
    }
}

impl Caller {
    /// The name under which it is counted.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.account.identity
    }

    /// The places that it may read.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The same caller with these rights.
    #[must_use]
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights: Arc::new(rights), ..self }
    }

    /// The most that it may hold.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        let own = *self.own();
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
    /// When the caller has as many as it may.
    pub(crate) fn request(&self) -> Result<Held, Refusal> {
        self.hold(|counts| &counts.requests, self.allowance().requests).ok_or(REQUESTS_TAKEN)
    }

    /// Counts bytes of an answer. Returns when they may be sent, if that is later than now.
    pub(crate) fn pace(&self, bytes: u64, now: Instant) -> Option<Instant> {
        self.account.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.pace.take(bytes, self.allowance().rate?, now)
    }

    /// The things it holds.
    #[must_use]
    pub fn holds(&self) -> Holdings {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { seats, requests, bytes } = &self.account.counts;
        Holdings { seats: load(seats), requests: load(requests), bytes: load(bytes) }
    }

    fn hold(&self, count: fn(&Counts) -> &AtomicU64, most: Option<u64>) -> Option<Held> {
        let one_more = |held: u64| (most.is_none_or(|most| held < most)).then_some(held + 1);
        count(&self.account.counts).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Held { caller: self.clone(), count })
    }

    fn own(&self) -> MutexGuard<'_, Option<Allowance>> {
        self.account.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody else has it, and nobody gave it an allowance of its own.
    fn is_forgettable(&self) -> bool {
        Arc::strong_count(&self.account) == 1 && self.own().is_none()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.count)(&self.caller.account.counts).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn holdings_are_counted_over_all_connections_of_a_caller() {
        let callers = Callers::default();
        let (first, second) = (callers.admit(None, address(1)).unwrap(), callers.admit(None, address(1)).unwrap());
        let held = (first.seat(), second.seat(), second.request());
        second.pace(5, Instant::now());
        assert_eq!(first.holds(), Holdings { seats: 2, requests: 1, bytes: 5 });
        drop(held);
        assert_eq!(first.holds(), Holdings { seats: 0, requests: 0, bytes: 5 });
    }

    #[test]
    fn an_allowance_bounds_a_caller_and_no_other() {
        let callers = Callers::new(Allowance { seats: Some(2), ..Allowance::default() });
        let (one, other) = (callers.admit(None, address(1)).unwrap(), callers.admit(None, address(2)).unwrap());
        let held = [one.seat().unwrap(), one.seat().unwrap()];
        assert_eq!(one.seat().unwrap_err().code(), ErrorCode::Busy);
        assert!(other.seat().is_ok());
        callers.allow(one.identity(), Some(Allowance { seats: Some(3), requests: Some(0), rate: None }));
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
    fn a_machine_is_one_caller_whichever_of_its_addresses_it_uses() {
        let of = |text: &str| Identity::of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn callers_that_hold_nothing_are_forgotten_in_the_end() {
        let callers = Callers::default();
        let numbered = |number: u32| IpAddr::from(number.to_be_bytes());
        let kept = callers.admit(None, numbered(0)).unwrap();
        let limited = Identity::of_address(numbered(1));
        callers.allow(limited, Some(Allowance { seats: Some(1), ..Allowance::default() }));
        for number in 2..10_000 {
            callers.admit(None, numbered(number)).unwrap();
        }
        let known = callers.known.lock().unwrap();
        assert!(known.len() < 1000, "{}", known.len());
        assert!(known.contains_key(&kept.identity()) && known.contains_key(&limited));
    }
}

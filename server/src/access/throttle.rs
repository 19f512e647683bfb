//! Failed logins back off: per address and user, per user, and per address.
//!
//! Each has a bucket that every try fills a little and time empties. A full bucket refuses further tries. Several people
//! may share one address behind a proxy, and a stranger may try the name of a user from everywhere. So:
//! - a user who logged in from an address before is only bound by the tries for this name from this address;
//! - a full bucket of an address refuses only names that failed from there already.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::accounts::UserName;

/// Buckets of each kind that are remembered.
const MAX_BUCKETS: usize = 4096;

const PAIR: Size = Size { tries: 5, each: Duration::from_secs(30) };
const USER: Size = Size { tries: 20, each: Duration::from_secs(10) };
const ADDRESS: Size = Size { tries: 50, each: Duration::from_secs(1) };

/// The tries that a bucket takes, and the time that empties it by one.
#[derive(Clone, Copy)]
struct Size {
    tries: u32,
    each: Duration,
}

/// Remembers failed logins.
#[derive(Default)]
pub struct Throttle(Mutex<Tries>);

#[derive(Default)]
struct Tries {
    pairs: Buckets<(IpAddr, UserName)>,
    users: Buckets<UserName>,
    addresses: Buckets<IpAddr>,
    /// Pairs that logged in.
    known: HashSet<(IpAddr, UserName)>,
}

/// When each bucket will be empty.
struct Buckets<K>(HashMap<K, Instant>);

/// A try under way. It counts as failed unless it [succeeds](Self::succeed).
pub struct Try<'a> {
    throttle: &'a Throttle,
    pair: (IpAddr, UserName),
}

impl Throttle {
    /// Begins a try.
    ///
    /// # Errors
    /// How long to wait before the next one.
    pub fn begin(&self, address: IpAddr, name: &UserName, now: Instant) -> Result<Try<'_>, Duration> {
        let mut tries = self.lock();
        let pair = (address, name.clone());
        let mut wait = tries.pairs.wait(&pair, PAIR, now);
        if !tries.known.contains(&pair) {
            wait = wait.max(tries.users.wait(name, USER, now));
            if tries.pairs.has(&pair, now) {
                wait = wait.max(tries.addresses.wait(&address, ADDRESS, now));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        tries.pairs.fill(pair.clone(), PAIR.each, now);
        tries.users.fill(name.clone(), USER.each, now);
        tries.addresses.fill(address, ADDRESS.each, now);
        Ok(Try { throttle: self, pair })
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try<'_> {
    /// The password was right.
    pub fn succeed(self) {
        let mut tries = self.throttle.lock();
        let (address, name) = &self.pair;
        tries.pairs.0.remove(&self.pair);
        tries.users.take_back(name, USER.each);
        tries.addresses.take_back(address, ADDRESS.each);
        if tries.known.len() >= MAX_BUCKETS {
            tries.known.clear();
        }
        tries.known.insert(self.pair);
    }
}

impl<K: std::hash::Hash + Eq + Clone> Buckets<K> {
    /// How long until the bucket takes a further try.
    fn wait(&self, key: &K, size: Size, now: Instant) -> Duration {
        let fill = self.0.get(key).map_or(Duration::ZERO, |empty| empty.saturating_duration_since(now));
        (fill + size.each).saturating_sub(size.each * size.tries)
    }

    fn has(&self, key: &K, now: Instant) -> bool {
        self.0.get(key).is_some_and(|empty| *empty > now)
    }

    fn fill(&mut self, key: K, each: Duration, now: Instant) {
        if self.0.len() >= MAX_BUCKETS && !self.0.contains_key(&key) {
            self.0.retain(|_, empty| *empty > now);
            // The one that is empty soonest says least.
            while self.0.len() >= MAX_BUCKETS
                && let Some(soonest) = self.0.iter().min_by_key(|(_, empty)| **empty).map(|(key, _)| key.clone())
            {
                self.0.remove(&soonest);
            }
        }
        let empty = self.0.entry(key).or_insert(now);
        *empty = (*empty).max(now) + each;
    }

    fn take_back(&mut self, key: &K, each: Duration) {
        if let Some(empty) = self.0.get_mut(key) {
            *empty -= each;
        }
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// How many tries in a row are let through, at most 1,000.
    fn allowed(throttle: &Throttle, mut attempt: impl FnMut(u32) -> (IpAddr, UserName), now: Instant) -> u32 {
        let passes = |number: &u32| {
            let (address, name) = attempt(*number);
            throttle.begin(address, &name, now).is_ok()
        };
        (0..1000).take_while(passes).count() as u32
    }

    #[test]
    fn a_name_is_tried_a_few_times_from_one_address_and_then_slowly() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let anna = |_| (address(1), name("anna"));
        assert_eq!(allowed(&throttle, anna, now), PAIR.tries);
        let wait = throttle.begin(address(1), &name("anna"), now).err().unwrap();
        assert_eq!(wait, PAIR.each);
        assert!(throttle.begin(address(1), &name("ben"), now).is_ok());
        assert!(throttle.begin(address(2), &name("anna"), now).is_ok());
        assert_eq!(allowed(&throttle, anna, now + wait), 1);
        assert_eq!(allowed(&throttle, anna, now + Duration::from_secs(3600)), PAIR.tries);
    }

    #[test]
    fn a_name_that_is_tried_from_everywhere_still_works_at_home() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.begin(address(1), &name("anna"), now).unwrap().succeed();
        let from_everywhere = |number: u32| (IpAddr::from((number + 100_000).to_be_bytes()), name("anna"));
        assert_eq!(allowed(&throttle, from_everywhere, now), USER.tries);
        assert!(throttle.begin(address(1), &name("anna"), now).is_ok());
    }

    #[test]
    fn someone_behind_a_proxy_locks_out_nobody_else_there() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let many = allowed(&throttle, |number| (address(1), name(&format!("guess{}", number % 20))), now);
        assert_eq!(many, ADDRESS.tries);
        // Others log in there, also for the first time.
        throttle.begin(address(1), &name("anna"), now).unwrap().succeed();
        throttle.begin(address(1), &name("anna"), now).unwrap().succeed();
        assert!(throttle.begin(address(1), &name("guess1"), now).is_err());
    }

    #[test]
    fn successes_never_add_up() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..1000 {
            throttle.begin(address(1), &name("anna"), now).ok().unwrap().succeed();
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..6000_u32 {
            let _failed = throttle.begin(number.to_be_bytes().into(), &name(&number.to_string()), now);
        }
        let tries = throttle.lock();
        assert!(tries.pairs.0.len() <= MAX_BUCKETS && tries.users.0.len() <= MAX_BUCKETS);
        assert!(tries.addresses.0.len() <= MAX_BUCKETS);
    }
}

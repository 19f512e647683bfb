//! Who asks, and how much they may hold. Each request has a caller, made of the first message or of the `Authorization`
//! header, and every call of a store names it.
//!
//! A caller's connections, requests and bytes are counted together, whichever way they come. One [`Allowance`] bounds
//! them all. A user is one caller wherever it is, and everybody else is counted by network address. A caller's
//! [`Rights`] bound what the stores show it.

mod allotment;
mod door;
mod rights;
mod throttle;
mod unlocked;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::time::Instant;
use wstp_protocol::{ErrorCode, SharePath};
use wstp_provider::Refusal;

use crate::accounts::changes::DAY;
use crate::accounts::{Accounts, Book, BookError, Link, Role, Token, TokenHash, TokenId, UserName, now};
use crate::pace::Pace;
use crate::secret::Secret;
use allotment::{Allotment, Begun};
use door::Door;
pub use door::{Credential, NotAdmitted, Proof};
pub use rights::{Place, Reach, Rights};
pub use unlocked::LASTS as UNLOCKED_FOR;

/// Callers to remember before those that hold nothing are forgotten.
const LEAST_REMEMBERED: usize = 64;

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

/// The name under which a caller is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Code in this process.
    #[default]
    Internal,
    /// Everyone who connects from this address. An IPv6 address stands for its network of 64 bits, because one machine
    /// has many of those.
    Address(IpAddr),
    /// A user, at any address.
    User(UserName),
    /// A token that belongs to no user.
    Token(TokenId),
    /// Everyone who comes by a share link.
    Link(TokenId),
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
    /// Bytes a day. The days begin at midnight UTC.
    pub volume: Option<NonZeroU64>,
}

/// The one on whose behalf something is asked, with all that is held for it on any connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    account: Arc<Inner>,
    proof: Proof,
    rights: Arc<Rights>,
    /// The folder that is the root to this caller.
    root: SharePath,
    /// The count of its downloads, if there is one.
    allotment: Option<Arc<Allotment>>,
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

/// A caller's rights now, beside those it was admitted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are the same.
    Same,
    /// They are others now.
    Other,
    /// Its proof is not valid any more.
    Gone,
}

/// Something that is held for a caller until this is dropped.
#[derive(Debug)]
pub struct Held {
    caller: Caller,
    count: fn(&Counts) -> &AtomicU64,
}

/// Everybody who may call.
pub struct Callers {
    common: Arc<RwLock<Allowance>>,
    known: Mutex<HashMap<Identity, Arc<Inner>>>,
    door: Door,
    begun: Arc<Begun>,
    refused: [AtomicU64; 4],
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The proof is wrong or missing.
    Wrong,
    /// Too many wrong ones were tried.
    TriedTooOften,
    /// Too many log in.
    Busy,
    /// There is no such link.
    NoLink,
}

impl Refused {
    /// The word for it in figures.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::TriedTooOften => "tried_too_often",
            Self::Busy => "busy",
            Self::NoLink => "no_link",
        }
    }
}

impl From<&NotAdmitted> for Refused {
    fn from(reason: &NotAdmitted) -> Self {
        match reason {
            NotAdmitted::Unauthorized => Self::Wrong,
            NotAdmitted::TriedTooOften(_) => Self::TriedTooOften,
            NotAdmitted::Busy => Self::Busy,
            NotAdmitted::NoLink => Self::NoLink,
        }
    }
}

impl Identity {
    /// The identity of everyone who connects from this address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(canonical(address))
    }
}

/// Days since 1970.
fn today() -> u64 {
    now() / DAY
}

/// One machine has many IPv6 addresses, in one network of 64 bits.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal => f.write_str("this process"),
            Self::Address(address) => address.fmt(f),
            Self::User(name) => write!(f, "user {name}"),
            Self::Token(id) => write!(f, "token {}", id.as_str()),
            Self::Link(id) => write!(f, "link {}", id.as_str()),
        }
    }
}

impl Callers {
    /// Those who have these accounts, and everybody else for the public places. Each has this allowance.
    #[must_use]
    pub fn new(common: Allowance, book: Arc<Book>, public: Rights) -> Self {
        let door = Door::new(book, public);
        let common = Arc::new(RwLock::new(common));
        Self { common, known: Mutex::default(), door, begun: Arc::default(), refused: Default::default() }
    }

    /// The caller that a credential proves; without one, everyone at this address.
    ///
    /// # Errors
    /// When the caller is not let in.
    pub async fn admit(&self, credential: Option<&Credential>, address: IpAddr) -> Result<Caller, NotAdmitted> {
        let admitted = self.let_in(credential, address).await;
        admitted.inspect_err(|reason| {
            self.refused[Refused::from(reason) as usize].fetch_add(1, Ordering::Relaxed);
        })
    }

    /// How often somebody was not let in, by [`Refused`].
    #[must_use]
    pub fn refused(&self) -> [u64; 4] {
        self.refused.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    async fn let_in(&self, credential: Option<&Credential>, address: IpAddr) -> Result<Caller, NotAdmitted> {
        let proof = self.door.check(credential, canonical(address)).await?;
        let rights = self.door.rights(&proof).ok_or(NotAdmitted::Unauthorized)?;
        let identity = match (self.door.user(&proof), &proof) {
            (Some(user), _) => Identity::User(user),
            (None, Proof::Token(id)) => Identity::Token(id.clone()),
            (None, Proof::Link(id)) => Identity::Link(id.clone()),
            (None, _) => Identity::of_address(address),
        };
        let account = self.account(&identity);
        if let Identity::User(name) = &identity
            && let Some(user) = self.door.book().accounts().users.get(name)
            && (user.rate.is_some() || user.volume.is_some())
        {
            let own = *account.own();
            let allowance = own.unwrap_or_else(|| *self.common.read().unwrap_or_else(PoisonError::into_inner));
            *account.own() = Some(Allowance { rate: user.rate.or(allowance.rate), volume: user.volume, ..allowance });
        }
        let root = match &proof {
            Proof::Link(id) => self.door.link(id).and_then(|link| link.path.parent()).unwrap_or_default(),
            _ => SharePath::root(),
        };
        let allotment = Allotment::of(self.book(), &self.begun, &proof, canonical(address));
        if matches!(proof, Proof::Link(_)) && allotment.as_ref().is_some_and(|allotment| !allotment.is_open()) {
            return Err(NotAdmitted::NoLink);
        }
        Ok(Caller { account, proof, rights: Arc::new(rights), root, allotment })
    }

    /// Everyone at this address, with the rights of those who prove nothing.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Caller {
        let rights = self.door.rights(&Proof::Nothing).unwrap_or_else(|| Rights::of([]));
        let account = self.account(&Identity::of_address(address));
        Caller { account, proof: Proof::Nothing, rights: Arc::new(rights), ..Caller::default() }
    }

    /// The link by which a caller comes.
    pub(crate) fn link(&self, caller: &Caller) -> Option<Link> {
        let Proof::Link(id) = &caller.proof else { return None };
        self.door.link(id)
    }

    /// A key to the link by which a caller comes. With it the link's password need not be given again for a while.
    pub(crate) fn unlock(&self, caller: &Caller) -> Option<Secret> {
        let Proof::Link(id) = &caller.proof else { return None };
        self.door.unlock(id)
    }

    /// Gives a caller who came with a password a token in its place, which is valid for this long. Blocking. `None` for
    /// any other caller.
    ///
    /// # Errors
    /// When the token can't be kept.
    pub(crate) fn log_in(&self, caller: &Caller, seconds: u64) -> Result<Option<(Secret, u64)>, BookError> {
        let (Proof::Password(name, password), Some((id, secret))) = (&caller.proof, TokenId::random()) else {
            return Ok(None);
        };
        let (created, hash) = (now(), TokenHash::of(secret.expose()));
        let expires = created + seconds;
        self.book()
            .update(|accounts| {
                // The password may have changed meanwhile.
                if accounts.users.get(name).is_none_or(|user| user.password != *password) {
                    return Ok(None);
                }
                let (user, expires) = (Some(name.clone()), Some(expires));
                let token = Token { hash, user, only: Vec::new(), created, expires, login: true, downloads: None };
                accounts.add_login(id, token, created);
                Ok(Some(()))
            })
            .map(|kept| kept.map(|()| (secret, expires)))
    }

    /// Revokes the token with which a caller came. Blocking. Whether there was one.
    ///
    /// # Errors
    /// When that can't be kept.
    pub(crate) fn log_out(&self, caller: &Caller) -> Result<bool, BookError> {
        match &caller.proof {
            Proof::Token(id) => self.book().update(|accounts| Ok(accounts.tokens.remove(id).is_some())),
            _ => Ok(false),
        }
    }

    /// The user that a caller is, and what the user may do.
    pub(crate) fn user(&self, caller: &Caller) -> Option<(UserName, Role)> {
        let Identity::User(name) = caller.identity() else { return None };
        Some((name.clone(), self.book().accounts().users.get(name)?.role))
    }

    /// Whether a caller may still do what it could when it was admitted.
    #[must_use]
    pub fn standing(&self, caller: &Caller) -> Standing {
        match self.door.rights(&caller.proof) {
            None => Standing::Gone,
            Some(rights) if rights == *caller.rights => Standing::Same,
            Some(_) => Standing::Other,
        }
    }

    /// The accounts.
    #[must_use]
    pub fn book(&self) -> &Arc<Book> {
        self.door.book()
    }

    /// Sets the places that everybody may read while there are users.
    pub fn set_public(&self, public: Rights) {
        self.door.set_public(public);
    }

    /// The allowance of everyone who has none of their own, from now on.
    pub fn set_common(&self, allowance: Allowance) {
        *self.common.write().unwrap_or_else(PoisonError::into_inner) = allowance;
    }

    /// The allowance of everyone who has none of their own.
    #[must_use]
    pub fn common(&self) -> Allowance {
        *self.common.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The allowance of one caller from now on, connected or not. `None` gives it the common one again. A caller that
    /// holds more keeps that, and gets no more.
    pub fn allow(&self, identity: &Identity, allowance: Option<Allowance>) {
        *self.account(identity).own() = allowance;
    }

    /// The things that a caller holds.
    #[must_use]
    pub fn holds(&self, identity: &Identity) -> Holdings {
        self.account(identity).holds()
    }

    fn account(&self, identity: &Identity) -> Arc<Inner> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.get(identity) {
            return account.clone();
        }
        if known.len() >= LEAST_REMEMBERED && known.len() == known.capacity() {
            // A volume is counted for as long as the server runs.
            known.retain(|_, account| !(Arc::strong_count(account) == 1 && account.own().is_none()));
        }
        let account = Inner { identity: identity.clone(), common: self.common.clone(), ..Inner::default() };
        let account = Arc::new(account);
        known.insert(identity.clone(), account.clone());
        account
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self::new(Allowance::default(), Arc::new(Book::in_memory(Accounts::default())), Rights::of([]))
    }
}

impl Inner {
    fn own(&self) -> MutexGuard<'_, Option<Allowance>> {
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

    fn holds(&self) -> Holdings {
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
    use super::*;
    use crate::accounts::{PasswordHash, User};

    fn of_all(common: Allowance) -> Callers {
        let callers = Callers::default();
        callers.set_common(common);
        callers
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_server_does_not_open_when_its_last_user_goes() {
        let book = Arc::new(Book::in_memory(Accounts::default()));
        let callers = Callers::new(Allowance::default(), book.clone(), Rights::of([]));
        let stranger = callers.of_address(address(1));
        assert_eq!(*stranger.rights(), Rights::everything());
        let name: UserName = "anna".parse().unwrap();
        let user =
            User { role: Role::Normal, password: PasswordHash::none(), only: Vec::new(), rate: None, volume: None };
        let change = |change: &dyn Fn(&mut Accounts)| {
            book.update(|accounts| {
                change(accounts);
                Ok::<_, BookError>(())
            })
            .unwrap();
        };
        change(&|accounts| drop(accounts.users.insert(name.clone(), user.clone())));
        assert_eq!(callers.standing(&stranger), Standing::Gone);
        change(&|accounts| drop(accounts.users.remove(&name)));
        assert_eq!(callers.standing(&stranger), Standing::Gone);
        assert!(callers.of_address(address(1)).rights().is_empty());
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
        let kept = callers.of_address(numbered(0));
        let limited = Identity::of_address(numbered(1));
        callers.allow(&limited, Some(Allowance { seats: Some(1), ..Allowance::default() }));
        for number in 2..10_000 {
            let _forgettable = callers.of_address(numbered(number));
        }
        let known = callers.known.lock().unwrap();
        assert!(known.len() < 1000, "{}", known.len());
        assert!(known.contains_key(kept.identity()) && known.contains_key(&limited));
    }
}

//! Who asks, and how much they may hold. Each request has a caller, made of the first message or of the `Authorization`
//! header, and every call of a store names it.
//!
//! A caller's connections, requests and bytes are counted together, whichever way they come. One [`Allowance`] bounds
//! them all. A user is one caller wherever it is, and everybody else is counted by network address. A caller's
//! [`Rights`] bound what the stores show it.

mod allotment;
mod caller;
mod door;
mod identity;
mod rights;
mod throttle;
mod unlocked;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use wstp_protocol::SharePath;

use crate::accounts::{Accounts, Book, BookError, Link, Role, Token, TokenHash, TokenId, UserName, now};
use crate::secret::Secret;
use allotment::{Allotment, Begun};
use caller::Inner;
use door::Door;
use identity::canonical;

pub use caller::{Allowance, Caller, Held, Holdings};
pub use door::{Credential, NotAdmitted, Proof};
pub use identity::Identity;
pub use rights::{Place, Reach, Rights};
pub use unlocked::LASTS as UNLOCKED_FOR;

/// Callers to remember before those that hold nothing are forgotten.
const LEAST_REMEMBERED: usize = 64;

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
            (None, Proof::Link(id) | Proof::LinkToken(id, _)) => Identity::Link(id.clone()),
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
        let root = match proof.link() {
            Some(id) => self.door.link(id).and_then(|link| link.path.parent()).unwrap_or_default(),
            None => SharePath::root(),
        };
        let allotment = Allotment::of(self.book(), &self.begun, &proof, canonical(address));
        if proof.link().is_some() && allotment.as_ref().is_some_and(|allotment| !allotment.is_open()) {
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
        self.door.link(caller.proof.link()?)
    }

    /// A key to the link by which a caller comes. With it the link's password need not be given again for a while.
    pub(crate) fn unlock(&self, caller: &Caller) -> Option<Secret> {
        self.door.unlock(caller.proof.link()?)
    }

    /// Gives a caller who came with a password a token in its place, and says when that ends: after this long, or with
    /// the link whose password it was. Blocking. `None` for any other caller.
    ///
    /// # Errors
    /// When the token can't be kept.
    pub(crate) fn log_in(&self, caller: &Caller, seconds: u64) -> Result<Option<(Secret, u64)>, BookError> {
        let Some((id, secret)) = TokenId::random() else { return Ok(None) };
        let (created, hash) = (now(), TokenHash::of(secret.expose()));
        let (name, password) = match &caller.proof {
            Proof::Password(name, password) => (name, password),
            Proof::Link(link) => {
                let kept = self.book().update(|accounts| Ok::<_, BookError>(accounts.add_link_token(link, hash)));
                return kept.map(|expires| expires.map(|expires| (secret, expires)));
            }
            _ => return Ok(None),
        };
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
            Proof::LinkToken(link, token) => self.book().update(|accounts| Ok(accounts.remove_link_token(link, token))),
            _ => Ok(false),
        }
    }

    /// The user that a caller is, and what the user may do.
    pub(crate) fn user(&self, caller: &Caller) -> Option<(UserName, Role)> {
        let Identity::User(name) = caller.identity() else { return None };
        Some((name.clone(), self.book().accounts().users.get(name)?.role))
    }

    /// The user as whom a caller makes share links; `None` if it may make none.
    pub(crate) fn link_maker(&self, caller: &Caller) -> Option<UserName> {
        self.door.link_maker(&caller.proof)
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
        let account = Arc::new(Inner::new(identity.clone(), self.common.clone()));
        known.insert(identity.clone(), account.clone());
        account
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self::new(Allowance::default(), Arc::new(Book::in_memory(Accounts::default())), Rights::of([]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{PasswordHash, User};

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
        let user = User::new(Role::Normal, PasswordHash::none());
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

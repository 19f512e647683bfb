//! Who is let in, on which proof, and what it may read.
//!
//! A server without users is open: its address decides who can reach it. With users, everybody else sees public shares
//! only. A proof is checked again while its session lasts, so a right that was taken away is gone.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

use super::Rights;
use super::throttle::Throttle;
use super::unlocked::Unlocked;
use crate::accounts::{Book, Link, PasswordHash, Passwords, TokenHash, TokenId, UserName, is_token, now};
use crate::secret::Secret;

/// How long a password that was right is known without the slow check. Plain HTTP sends it with each request.
const KNOWN_FOR: Duration = Duration::from_secs(600);

const TRIED_TOO_OFTEN: Refusal =
    Refusal::new(ErrorCode::Busy, "Too many wrong passwords were tried. Wait a little before the next try.");

const NO_LINK: Refusal = Refusal::new(ErrorCode::UsedUp, "This link has ended, or there never was one.");

/// A secret that somebody gives to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token.
    Token(Secret),
    /// A user's name and password.
    Password(String, Secret),
    /// The name of a user, from a trusted proxy that logged the user in.
    Forwarded(String),
    /// A share link.
    Link {
        /// The code in its address.
        code: Secret,
        /// The key that its page gave for the password.
        key: Option<Secret>,
        /// The password itself, or a token that it gave.
        password: Option<Secret>,
    },
}

/// The proof of who a caller is. It is checked again while the caller is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Code of this process.
    #[default]
    Internal,
    /// Nothing.
    Nothing,
    /// A user's password, which had this hash then.
    Password(UserName, PasswordHash),
    /// A token.
    Token(TokenId),
    /// A trusted proxy, which logged this user in.
    Forwarded(UserName),
    /// A share link, and its password if it has one.
    Link(TokenId),
    /// A share link, and a token that its password gave.
    LinkToken(TokenId, TokenHash),
}

impl Proof {
    /// The number of the share link.
    pub fn link(&self) -> Option<&TokenId> {
        match self {
            Self::Link(id) | Self::LinkToken(id, _) => Some(id),
            _ => None,
        }
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The proof is missing or wrong. It is not told which.
    Unauthorized,
    /// Too many wrong passwords came before. Wait this long.
    TriedTooOften(Duration),
    /// Too many passwords are being checked.
    Busy,
    /// There is no such share link, or it has ended.
    NoLink,
}

/// Decides who is let in.
pub struct Door {
    book: Arc<Book>,
    /// The places that everybody may read.
    public: RwLock<Rights>,
    passwords: Passwords,
    throttle: Throttle,
    unlocked: Unlocked,
    known: Mutex<HashMap<UserName, Known>>,
    /// Hashes known passwords, in this process only. Without randomness none are known.
    key: Option<[u8; 32]>,
}

/// A password that was right.
struct Known {
    hash: PasswordHash,
    password: blake3::Hash,
    until: Instant,
}

impl Door {
    /// The door of a server with these accounts.
    pub fn new(book: Arc<Book>, public: Rights) -> Self {
        let mut key = [0; 32];
        let key = getrandom::fill(&mut key).ok().map(|()| key);
        let (passwords, throttle, unlocked) = (Passwords::default(), Throttle::default(), Unlocked::default());
        Self { book, public: RwLock::new(public), passwords, throttle, unlocked, known: Mutex::default(), key }
    }

    /// The accounts.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Sets the places that everybody may read.
    pub fn set_public(&self, public: Rights) {
        *self.public.write().unwrap_or_else(PoisonError::into_inner) = public;
    }

    /// Checks a credential.
    ///
    /// # Errors
    /// When it proves nothing.
    pub async fn check(&self, credential: Option<&Credential>, address: IpAddr) -> Result<Proof, NotAdmitted> {
        let accounts = self.book.accounts();
        match credential {
            None => Ok(Proof::Nothing),
            Some(Credential::Link { code, key, password }) => {
                self.check_link(code, key.as_ref(), password.as_ref(), address).await
            }
            Some(_) if self.is_open() => Ok(Proof::Nothing),
            Some(Credential::Forwarded(name)) => {
                let name: UserName = name.parse().map_err(|_| NotAdmitted::Unauthorized)?;
                accounts.users.contains_key(&name).then_some(Proof::Forwarded(name)).ok_or(NotAdmitted::Unauthorized)
            }
            Some(Credential::Token(token)) => {
                let found = accounts.token(&TokenHash::of(token.expose()));
                found.map(|(id, _)| Proof::Token(id.clone())).ok_or(NotAdmitted::Unauthorized)
            }
            Some(Credential::Password(name, password)) => {
                let name: UserName = name.parse().map_err(|_| NotAdmitted::Unauthorized)?;
                let hash = accounts.users.get(&name).map(|user| user.password.clone());
                let hash = self.check_password(name.clone(), hash, password, address).await?;
                Ok(Proof::Password(name, hash))
            }
        }
    }

    /// The rights that a proof gives now; `None` if it is not valid any more.
    pub fn rights(&self, proof: &Proof) -> Option<Rights> {
        let accounts = self.book.accounts();
        let public = || self.public.read().unwrap_or_else(PoisonError::into_inner).clone();
        match proof {
            Proof::Internal => Some(Rights::everything()),
            Proof::Nothing if self.is_open() => Some(Rights::everything()),
            Proof::Nothing => Some(public()).filter(|rights| !rights.is_empty()),
            Proof::Password(name, hash) => {
                let user = accounts.users.get(name).filter(|user| user.password == *hash);
                user.and_then(|_| accounts.user_rights(name)).map(|rights| rights.or(&public()))
            }
            Proof::Token(id) => {
                let rights = accounts.token_rights(id, now())?;
                let has_scope = accounts.tokens.get(id).is_some_and(|token| !token.only.is_empty());
                Some(if has_scope { rights } else { rights.or(&public()) })
            }
            Proof::Forwarded(name) => accounts.user_rights(name).map(|rights| rights.or(&public())),
            Proof::Link(id) => accounts.link_rights(id, now()),
            Proof::LinkToken(id, token) => {
                accounts.links.get(id).filter(|link| link.tokens.contains(token))?;
                accounts.link_rights(id, now())
            }
        }
    }

    /// The user on whose behalf a proof is given, if there is one.
    pub fn user(&self, proof: &Proof) -> Option<UserName> {
        match proof {
            Proof::Internal | Proof::Nothing | Proof::Link(_) | Proof::LinkToken(..) => None,
            Proof::Password(name, _) | Proof::Forwarded(name) => Some(name.clone()),
            Proof::Token(id) => self.book.accounts().tokens.get(id)?.user.clone(),
        }
    }

    /// The user who makes share links with this proof. A token that opens less than its user may, or not for ever as
    /// often, makes none: a link could outlive its bounds.
    pub fn link_maker(&self, proof: &Proof) -> Option<UserName> {
        let accounts = self.book.accounts();
        if let Proof::Token(id) = proof {
            accounts.tokens.get(id).filter(|token| token.only.is_empty() && token.downloads.is_none())?;
        }
        self.user(proof).filter(|name| accounts.may_link(name))
    }

    /// A share link.
    pub fn link(&self, id: &TokenId) -> Option<Link> {
        self.book.accounts().links.get(id).cloned()
    }

    /// A key to a link whose password was given.
    pub fn unlock(&self, id: &TokenId) -> Option<Secret> {
        self.unlocked.unlock(id)
    }

    /// Checks the code of a link, and the key, the token or the password if it has one.
    async fn check_link(
        &self,
        code: &Secret,
        key: Option<&Secret>,
        password: Option<&Secret>,
        address: IpAddr,
    ) -> Result<Proof, NotAdmitted> {
        let accounts = self.book.accounts();
        let (id, link) = accounts.link(&TokenHash::of(code.expose())).ok_or(NotAdmitted::NoLink)?;
        // The one that has ended is refused before a password is asked for.
        accounts.link_rights(id, now()).ok_or(NotAdmitted::NoLink)?;
        let Some(hash) = &link.password else { return Ok(Proof::Link(id.clone())) };
        if key.is_some_and(|key| self.unlocked.opens(id, key)) {
            return Ok(Proof::Link(id.clone()));
        }
        let password = password.ok_or(NotAdmitted::Unauthorized)?;
        // A token that has ended is no guess of a password, so it makes nobody wait.
        if is_token(password.expose()) {
            let token = TokenHash::of(password.expose());
            let is_known = link.tokens.contains(&token);
            return is_known.then(|| Proof::LinkToken(id.clone(), token)).ok_or(NotAdmitted::Unauthorized);
        }
        self.check_password(UserName::of_link(id), Some(hash.clone()), password, address).await?;
        Ok(Proof::Link(id.clone()))
    }

    /// Checks a password against the hash of who has this name, if there is one. Returns the hash.
    async fn check_password(
        &self,
        name: UserName,
        hash: Option<PasswordHash>,
        password: &Secret,
        address: IpAddr,
    ) -> Result<PasswordHash, NotAdmitted> {
        if let Some(hash) = &hash
            && self.is_known(&name, hash, password)
        {
            return Ok(hash.clone());
        }
        let attempt = self.throttle.begin(address, &name, Instant::now()).map_err(NotAdmitted::TriedTooOften)?;
        let is_right = self.passwords.check(password.clone(), hash.clone()).await.map_err(|_| NotAdmitted::Busy)?;
        match hash.filter(|_| is_right) {
            Some(hash) => {
                attempt.succeed();
                self.remember(&name, &hash, password);
                Ok(hash)
            }
            None => {
                tracing::warn!(%address, user = %name, "a login failed");
                Err(NotAdmitted::Unauthorized)
            }
        }
    }

    /// Without users, everybody who reaches the server may read everything. A server that had users does not open when
    /// the last one goes, or when the file of the accounts is lost: its address was allowed because of them.
    fn is_open(&self) -> bool {
        !self.book.had_users()
    }

    fn is_known(&self, name: &UserName, hash: &PasswordHash, password: &Secret) -> bool {
        let Some(key) = &self.key else { return false };
        let password = blake3::keyed_hash(key, password.expose().as_bytes());
        let known = self.known();
        known
            .get(name)
            .is_some_and(|known| known.hash == *hash && known.until > Instant::now() && known.password == password)
    }

    fn remember(&self, name: &UserName, hash: &PasswordHash, password: &Secret) {
        if let Some(key) = &self.key {
            let password = blake3::keyed_hash(key, password.expose().as_bytes());
            let known = Known { hash: hash.clone(), password, until: Instant::now() + KNOWN_FOR };
            self.known().insert(name.clone(), known);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<NotAdmitted> for Refusal {
    fn from(reason: NotAdmitted) -> Self {
        match reason {
            NotAdmitted::Unauthorized => ErrorCode::Unauthorized.into(),
            NotAdmitted::TriedTooOften(_) => TRIED_TOO_OFTEN,
            NotAdmitted::Busy => ErrorCode::Busy.into(),
            NotAdmitted::NoLink => NO_LINK,
        }
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Refusal::from(*self).text())
    }
}

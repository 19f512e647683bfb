//! Users, tokens and share links, and the file that keeps them.
//!
//! Passwords are kept as Argon2id hashes, tokens as BLAKE3 hashes. A token has 256 random bits, so a fast hash is
//! enough, and looking it up by its hash tells nobody anything.

mod book;
pub mod changes;
mod link;
mod password;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};
use wstp_protocol::SharePath;

use crate::access::Rights;
pub use book::{Book, BookError};
pub use link::{Downloads, Link, NewLink};
pub use password::{PasswordHash, Passwords};
pub use token::{TokenHash, TokenId, is_token};

/// Longest name of a user, in bytes.
const MAX_NAME: usize = 64;
/// Tokens that one user can have from logging in. The oldest gives way to a new one.
const MAX_LOGINS: usize = 32;

/// All users, tokens and share links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// The users by name.
    pub users: BTreeMap<UserName, User>,
    /// The tokens by their public number.
    pub tokens: BTreeMap<TokenId, Token>,
    /// The share links by their public number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<TokenId, Link>,
}

/// The name of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UserName(String);

/// The role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, and to manage the server.
    Admin,
    /// Everything that a normal user may, and to upload once the server can take uploads.
    Upload,
    /// To read every share.
    Normal,
    /// To read the places that it was given, and no others.
    Limited,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The role, which says what the user may do.
    pub role: Role,
    /// Proves the password.
    pub password: PasswordHash,
    /// The only places that the user may read. Without any, a limited user may read nothing, and others everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<SharePath>,
    /// The most bytes a second that the user gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU64>,
    /// The most bytes a day that the user gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<NonZeroU64>,
    /// Whether the user may make share links. An administrator always may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub links: bool,
}

impl User {
    /// A user with nothing but a role.
    #[must_use]
    pub fn new(role: Role, password: PasswordHash) -> Self {
        Self { role, password, only: Vec::new(), rate: None, volume: None, links: false }
    }
}

/// A token. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Proves the token.
    pub hash: TokenHash,
    /// The user on whose behalf it is used. It may never do more than this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The only places that it opens. Without any, it opens what its user may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<SharePath>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Whether a user got it by logging in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub login: bool,
    /// How many downloads may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloads: Option<Downloads>,
}

impl Accounts {
    /// The rights of a user; `None` if there is no such user.
    #[must_use]
    pub fn user_rights(&self, name: &UserName) -> Option<Rights> {
        let user = self.users.get(name)?;
        Some(match (user.role, &user.only[..]) {
            (Role::Admin | Role::Upload | Role::Normal, []) => Rights::everything(),
            (_, only) => Rights::of(only.iter().cloned()),
        })
    }

    /// Whether a user may make share links.
    #[must_use]
    pub fn may_link(&self, name: &UserName) -> bool {
        self.users.get(name).is_some_and(|user| user.links || user.role == Role::Admin)
    }

    /// The rights that a token gives at this time; `None` if it is not valid any more.
    #[must_use]
    pub fn token_rights(&self, id: &TokenId, now: u64) -> Option<Rights> {
        let token = self.tokens.get(id)?;
        if token.expires.is_some_and(|expires| now >= expires) {
            return None;
        }
        let of_user =
            token.user.as_ref().map(|user| self.user_rights(user)).map_or(Some(None), |found| found.map(Some))?;
        let own = (!token.only.is_empty()).then(|| Rights::of(token.only.iter().cloned()));
        match (of_user, own) {
            (Some(user), Some(own)) => Some(user.and(&own)),
            (Some(rights), None) | (None, Some(rights)) => Some(rights),
            (None, None) => Some(Rights::of([])),
        }
    }

    /// The token with this hash.
    #[must_use]
    pub fn token(&self, hash: &TokenHash) -> Option<(&TokenId, &Token)> {
        self.tokens.iter().find(|(_, token)| token.hash == *hash)
    }

    /// Adds a token of a user who logged in. Those that have ended go, and so does the oldest of too many.
    pub fn add_login(&mut self, id: TokenId, token: Token, now: u64) {
        self.tokens.retain(|_, token| !token.login || token.expires.is_none_or(|expires| now < expires));
        let of_user = self.tokens.iter().filter(|(_, other)| other.login && other.user == token.user);
        if of_user.clone().count() >= MAX_LOGINS
            && let Some(oldest) = of_user.min_by_key(|(_, token)| token.created).map(|(id, _)| id.clone())
        {
            self.tokens.remove(&oldest);
        }
        self.tokens.insert(id, token);
    }

    /// Removes the tokens of a user: those from logging in, or all of them.
    pub fn remove_tokens_of(&mut self, name: &UserName, only_logins: bool) {
        self.tokens.retain(|_, token| token.user.as_ref() != Some(name) || (only_logins && !token.login));
    }

    /// Removes the links that a user made.
    pub fn remove_links_of(&mut self, name: &UserName) {
        self.links.retain(|_, link| link.user.as_ref() != Some(name));
    }
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl UserName {
    /// The name under which the tries for a link's password are counted. No user has such a name.
    pub(crate) fn of_link(id: &TokenId) -> Self {
        Self(format!("link:{}", id.as_str()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// HTTP's `Basic` authentication ends a name at a colon, and a control character could forge a line of the log.
impl FromStr for UserName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fine = |character: char| !character.is_control() && !character.is_whitespace() && character != ':';
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(is_fine) {
            return Err("a user's name has 1 to 64 bytes, without spaces and colons");
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Upload => "upload",
            Self::Normal => "normal",
            Self::Limited => "limited",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Reach;

    fn at(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn user(role: Role, only: &[&str]) -> User {
        User {
            role,
            password: PasswordHash::none(),
            only: only.iter().map(|path| at(path)).collect(),
            rate: None,
            volume: None,
            links: false,
        }
    }

    fn token(user: Option<&str>, only: &[&str]) -> Token {
        Token {
            hash: TokenHash::of("secret"),
            user: user.map(|name| name.parse().unwrap()),
            only: only.iter().map(|path| at(path)).collect(),
            created: 0,
            expires: Some(100),
            login: true,
            downloads: None,
        }
    }

    fn id(number: u8) -> TokenId {
        format!("{number:08x}").parse().unwrap()
    }

    #[test]
    fn a_token_does_no_more_than_its_user_and_ends_in_time() {
        let mut accounts = Accounts::default();
        accounts.users.insert("anna".parse().unwrap(), user(Role::Limited, &["films"]));
        accounts.tokens.insert(id(1), token(Some("anna"), &["films/new", "music"]));
        accounts.tokens.insert(id(2), token(None, &["music"]));
        accounts.tokens.insert(id(3), token(Some("nobody"), &["music"]));
        accounts.tokens.insert(id(4), token(Some("anna"), &[]));
        let reads = |number: u8, path: &str| {
            let rights = accounts.token_rights(&id(number), 99)?;
            Some(matches!(rights.reach(&at(path)), Reach::Within(_)))
        };
        assert_eq!(
            (reads(1, "films/new/x"), reads(1, "films/old"), reads(1, "music/x")),
            (Some(true), Some(false), Some(false))
        );
        assert_eq!((reads(2, "music/x"), reads(2, "films")), (Some(true), Some(false)));
        assert_eq!((reads(3, "music/x"), reads(4, "films/old"), reads(5, "films")), (None, Some(true), None));
        assert_eq!(accounts.token_rights(&id(4), 100), None);
        // A token goes when its maker has lost the right.
        accounts.users.remove(&"anna".parse().unwrap());
        assert_eq!(accounts.token_rights(&id(4), 99), None);
        assert_eq!(accounts.user_rights(&"anna".parse().unwrap()), None);
    }

    #[test]
    fn a_user_has_a_bounded_number_of_logins() {
        let mut accounts = Accounts::default();
        for number in 0..100 {
            let token = Token { created: u64::from(number), expires: None, ..token(Some("anna"), &[]) };
            accounts.add_login(id(number), token, 50);
        }
        assert_eq!(accounts.tokens.len(), MAX_LOGINS);
        assert!(accounts.tokens.contains_key(&id(99)) && !accounts.tokens.contains_key(&id(0)));
        accounts.add_login(id(200), token(Some("ben"), &[]), 50);
        accounts.add_login(id(201), token(Some("anna"), &[]), 100);
        assert!(!accounts.tokens.contains_key(&id(200)), "its time is over");
        accounts.remove_tokens_of(&"anna".parse().unwrap(), true);
        assert!(accounts.tokens.is_empty());
    }

    #[test]
    fn names_of_users_fit_a_header_and_a_line() {
        for name in ["", "a:b", "a b", "a\nb", "a\u{0}", &"a".repeat(65)] {
            assert!(name.parse::<UserName>().is_err(), "{name:?}");
        }
        assert_eq!("späß@home".parse::<UserName>().unwrap().as_str(), "späß@home");
    }
}

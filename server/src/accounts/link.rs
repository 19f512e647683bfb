//! Share links: addresses that open one file or one folder to whoever has them.

use serde::{Deserialize, Serialize};
use wstp_protocol::SharePath;

use super::changes::{DAY, Wrong};
use super::{Accounts, PasswordHash, Role, TokenHash, TokenId, UserName, now};
use crate::access::{Reach, Rights};
use crate::secret::Secret;

/// Links at once.
const MOST: usize = 10_000;
/// Tokens of a link at once.
const MOST_TOKENS: usize = 100;
/// Links of one user at once.
const MOST_OF_A_USER: usize = 1_000;

/// A share link. Its code is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Proves the code.
    pub hash: TokenHash,
    /// The user who made it. It never opens what this user may not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The file or the folder that it opens.
    pub path: SharePath,
    /// Proves the password, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Prove the tokens that programs got for the password, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenHash>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// How many downloads may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloads: Option<Downloads>,
}

/// A number of downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Downloads {
    /// How many may begin.
    pub most: u64,
    /// How many have begun.
    #[serde(default)]
    pub begun: u64,
}

/// The wishes for a new link.
#[derive(Debug)]
pub struct NewLink {
    /// The user who makes it.
    pub user: Option<UserName>,
    /// The file or the folder.
    pub path: SharePath,
    /// The hash of its password.
    pub password: Option<PasswordHash>,
    /// Days until it ends.
    pub days: u32,
    /// How many downloads may begin.
    pub downloads: Option<u64>,
}

impl Downloads {
    /// None has begun yet.
    #[must_use]
    pub fn at_most(most: u64) -> Self {
        Self { most, begun: 0 }
    }

    /// How many may still begin.
    #[must_use]
    pub fn left(self) -> u64 {
        self.most.saturating_sub(self.begun)
    }

    /// Begins one. Whether there was one left.
    #[must_use]
    pub fn begin(&mut self) -> bool {
        let is_left = self.left() > 0;
        self.begun = self.begun.saturating_add(u64::from(is_left));
        is_left
    }
}

impl Accounts {
    /// The link with this hash.
    #[must_use]
    pub fn link(&self, hash: &TokenHash) -> Option<(&TokenId, &Link)> {
        self.links.iter().find(|(_, link)| link.hash == *hash)
    }

    /// The rights that a link gives at this time; `None` if it has ended. It opens all of its path or nothing.
    #[must_use]
    pub fn link_rights(&self, id: &TokenId, now: u64) -> Option<Rights> {
        let link = self.links.get(id).filter(|link| now < link.expires)?;
        let own = Rights::of([link.path.clone()]);
        let rights = match &link.user {
            Some(user) => self.user_rights(user).filter(|_| self.may_link(user))?.and(&own),
            None => own,
        };
        matches!(rights.reach(&link.path), Reach::Within(_)).then_some(rights)
    }

    /// Adds a link. Returns its number and its code.
    ///
    /// # Errors
    /// When its maker may not make links or read the path, there are too many links, or the system has no randomness.
    pub fn add_link(&mut self, wanted: NewLink) -> Result<(TokenId, Secret), Wrong> {
        let created = now();
        self.links.retain(|_, link| created < link.expires);
        let of_user = |maker: &UserName| self.links.values().filter(|link| link.user.as_ref() == Some(maker)).count();
        let has_too_many = wanted.user.as_ref().is_some_and(|maker| of_user(maker) >= MOST_OF_A_USER);
        if self.links.len() >= MOST || has_too_many {
            return Err(Wrong::TooManyLinks);
        }
        let (id, code) = TokenId::random_code().ok_or(Wrong::NoRandomness)?;
        let NewLink { user, path, password, days, downloads } = wanted;
        let expires = created + u64::from(days) * DAY;
        let (hash, downloads) = (TokenHash::of(code.expose()), downloads.map(Downloads::at_most));
        if let Some(user) = user.as_ref().filter(|user| !self.users.contains_key(user)) {
            return Err(Wrong::Nobody(user.clone()));
        }
        if let Some(user) = user.as_ref().filter(|user| !self.may_link(user)) {
            return Err(Wrong::MayNotLink(user.clone()));
        }
        self.links
            .insert(id.clone(), Link { hash, user, path, password, tokens: Vec::new(), created, expires, downloads });
        if self.link_rights(&id, created).is_none() {
            self.links.remove(&id);
            return Err(Wrong::NotTheirs);
        }
        Ok((id, code))
    }

    /// Has a token open a link in place of its password. When there are too many, the oldest goes. Returns when the link
    /// ends; `None` if there is none with a password.
    pub fn add_link_token(&mut self, id: &TokenId, token: TokenHash) -> Option<u64> {
        let link = self.links.get_mut(id).filter(|link| link.password.is_some())?;
        if link.tokens.len() >= MOST_TOKENS {
            link.tokens.remove(0);
        }
        link.tokens.push(token);
        Some(link.expires)
    }

    /// Revokes a token of a link. Whether there was one.
    pub fn remove_link_token(&mut self, id: &TokenId, token: &TokenHash) -> bool {
        let Some(link) = self.links.get_mut(id) else { return false };
        let before = link.tokens.len();
        link.tokens.retain(|other| other != token);
        link.tokens.len() < before
    }

    /// Removes a link of this user.
    ///
    /// # Errors
    /// When there is no such link, or it is another user's. Both are the same error.
    pub fn remove_own_link(&mut self, id: &TokenId, maker: &UserName) -> Result<(), Wrong> {
        if self.links.get(id).is_none_or(|link| link.user.as_ref() != Some(maker)) {
            return Err(Wrong::NoLink(id.clone()));
        }
        self.links.remove(id);
        Ok(())
    }

    /// Removes a link, on behalf of a user or of the server's owner. A user may remove own links, and an administrator
    /// all.
    ///
    /// # Errors
    /// When there is no such link, or it is another user's. Both are the same error.
    pub fn remove_link(&mut self, id: &TokenId, by: Option<&UserName>) -> Result<(), Wrong> {
        let is_admin = |name: &UserName| self.users.get(name).is_some_and(|user| user.role == Role::Admin);
        let may = |link: &&Link| by.is_none_or(|by| link.user.as_ref() == Some(by) || is_admin(by));
        if self.links.get(id).filter(may).is_none() {
            return Err(Wrong::NoLink(id.clone()));
        }
        self.links.remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::User;

    fn at(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn user(role: Role, only: &[&str]) -> User {
        let only = only.iter().map(|path| at(path)).collect();
        User { role, password: PasswordHash::none(), only, rate: None, volume: None, links: false }
    }

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    fn wanted(user: Option<&str>, path: &str) -> NewLink {
        NewLink { user: user.map(name), path: at(path), password: None, days: 1, downloads: None }
    }

    fn accounts() -> Accounts {
        let mut accounts = Accounts::default();
        accounts.users.insert(name("root"), user(Role::Admin, &[]));
        accounts.users.insert(name("kid"), User { links: true, ..user(Role::Limited, &["films/new"]) });
        accounts
    }

    #[test]
    fn a_link_opens_its_path_while_its_maker_may_read_all_of_it() {
        let mut accounts = accounts();
        let (id, _) = accounts.add_link(wanted(Some("kid"), "films/new/x")).unwrap();
        for path in ["films", "films/newer", "music"] {
            assert!(matches!(accounts.add_link(wanted(Some("kid"), path)), Err(Wrong::NotTheirs)), "{path}");
        }
        assert!(matches!(accounts.add_link(wanted(Some("ben"), "films")), Err(Wrong::Nobody(_))));
        let reads = |accounts: &Accounts, path: &str| {
            let rights = accounts.link_rights(&id, now())?;
            Some(matches!(rights.reach(&at(path)), Reach::Within(_)))
        };
        assert_eq!((reads(&accounts, "films/new/x"), reads(&accounts, "films/new/xy")), (Some(true), Some(false)));
        assert_eq!(accounts.link_rights(&id, now() + DAY), None, "it has ended");
        accounts.users.get_mut(&name("kid")).unwrap().only = vec![at("films/new/x/deeper")];
        assert_eq!(reads(&accounts, "films/new/x"), None, "its maker lost a part of it");
        accounts.users.get_mut(&name("kid")).unwrap().only = vec![at("films")];
        assert_eq!(reads(&accounts, "films/new/x"), Some(true));
        accounts.remove_user(&name("kid")).unwrap();
        accounts.users.insert(name("kid"), User { links: true, ..user(Role::Normal, &[]) });
        assert_eq!(reads(&accounts, "films/new/x"), None, "another user of that name did not make it");
    }

    #[test]
    fn only_who_has_the_right_makes_links_and_they_end_with_it() {
        let mut accounts = accounts();
        accounts.users.insert(name("anna"), user(Role::Normal, &[]));
        let refused = accounts.add_link(wanted(Some("anna"), "films"));
        assert!(matches!(refused, Err(Wrong::MayNotLink(_))) && accounts.links.is_empty(), "{refused:?}");
        accounts.allow_links(&name("anna"), true).unwrap();
        let (id, _) = accounts.add_link(wanted(Some("anna"), "films")).unwrap();
        let (by_admin, _) = accounts.add_link(wanted(Some("root"), "films")).unwrap();
        assert!(accounts.link_rights(&id, now()).is_some());
        accounts.allow_links(&name("anna"), false).unwrap();
        assert_eq!(accounts.link_rights(&id, now()), None);
        accounts.allow_links(&name("root"), false).unwrap();
        assert!(accounts.link_rights(&by_admin, now()).is_some(), "an administrator always may");
        accounts.users.get_mut(&name("root")).unwrap().role = Role::Normal;
        assert_eq!(accounts.link_rights(&by_admin, now()), None);
        assert!(matches!(accounts.allow_links(&name("ben"), true), Err(Wrong::Nobody(_))));
    }

    #[test]
    fn a_user_has_a_bounded_number_of_links_and_leaves_room_for_others() {
        let mut accounts = accounts();
        for _ in 0..MOST_OF_A_USER {
            accounts.add_link(wanted(Some("kid"), "films/new")).unwrap();
        }
        assert!(matches!(accounts.add_link(wanted(Some("kid"), "films/new")), Err(Wrong::TooManyLinks)));
        assert!(accounts.add_link(wanted(Some("root"), "films")).is_ok());
    }

    #[test]
    fn a_user_removes_own_links_and_an_administrator_all() {
        let mut accounts = accounts();
        accounts.users.insert(name("anna"), User { links: true, ..user(Role::Normal, &[]) });
        let (annas, _) = accounts.add_link(wanted(Some("anna"), "films")).unwrap();
        let (owners, _) = accounts.add_link(wanted(None, "films")).unwrap();
        for id in [&annas, &owners] {
            assert!(matches!(accounts.remove_link(id, Some(&name("kid"))), Err(Wrong::NoLink(_))));
        }
        let (kids, _) = accounts.add_link(wanted(Some("kid"), "films/new")).unwrap();
        for (id, other) in [(&annas, "kid"), (&annas, "root"), (&owners, "root"), (&kids, "anna")] {
            assert!(matches!(accounts.remove_own_link(id, &name(other)), Err(Wrong::NoLink(_))), "{other}");
        }
        assert!(accounts.remove_own_link(&kids, &name("kid")).is_ok());
        assert!(accounts.remove_link(&annas, Some(&name("anna"))).is_ok());
        assert!(matches!(accounts.remove_link(&owners, Some(&name("anna"))), Err(Wrong::NoLink(_))));
        assert!(accounts.remove_link(&owners, Some(&name("root"))).is_ok());
        let (again, _) = accounts.add_link(wanted(None, "films")).unwrap();
        assert!(accounts.remove_link(&again, None).is_ok() && accounts.links.is_empty());
    }

    #[test]
    fn a_link_with_a_password_has_a_bounded_number_of_tokens() {
        let mut accounts = accounts();
        let (open, _) = accounts.add_link(wanted(None, "films")).unwrap();
        let locked = NewLink { password: Some(PasswordHash::none()), ..wanted(None, "films") };
        let (locked, _) = accounts.add_link(locked).unwrap();
        let token = |number: usize| TokenHash::of(&number.to_string());
        assert_eq!(accounts.add_link_token(&open, token(0)), None);
        for number in 0..=MOST_TOKENS {
            assert_eq!(accounts.add_link_token(&locked, token(number)), Some(accounts.links[&locked].expires));
        }
        assert_eq!(accounts.links[&locked].tokens.len(), MOST_TOKENS);
        assert!(!accounts.remove_link_token(&locked, &token(0)), "the oldest went");
        assert!(
            accounts.remove_link_token(&locked, &token(MOST_TOKENS)) && !accounts.remove_link_token(&open, &token(1))
        );
    }

    #[test]
    fn downloads_are_counted_to_their_end() {
        let mut downloads = Downloads::at_most(2);
        assert_eq!([downloads.begin(), downloads.begin(), downloads.begin()], [true, true, false]);
        assert_eq!(downloads, Downloads { most: 2, begun: 2 });
    }
}

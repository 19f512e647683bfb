//! Changes of users and tokens, for the command line and for the administration page. Each refuses before it changes
//! anything.

use wstp_protocol::SharePath;

use super::{
    Accounts, BookError, Downloads, PasswordHash, Role, Token, TokenHash, TokenId, User, UserName, is_token, now,
};
use crate::secret::Secret;

/// Fewest characters in a password.
const SHORTEST: usize = 8;
/// Most bytes in a password.
pub const LONGEST_PASSWORD: usize = 1024;
/// Seconds in a day.
pub const DAY: u64 = 86_400;

/// Why a change was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The name is taken.
    #[error("there is a user {0} already")]
    Taken(UserName),
    /// Nobody has the name.
    #[error("there is no user {0}")]
    Nobody(UserName),
    /// No token has the number.
    #[error("there is no token {}", .0.as_str())]
    NoToken(TokenId),
    /// No link has the number.
    #[error("there is no link {}", .0.as_str())]
    NoLink(TokenId),
    /// There are too many links.
    #[error("there are too many links: remove some first")]
    TooManyLinks,
    /// The user may not make links.
    #[error("{0} may not make links")]
    MayNotLink(UserName),
    /// The maker of a link may not read what it would open.
    #[error("a link can't open what its maker may not read")]
    NotTheirs,
    /// The user could read nothing.
    #[error("a limited user may read nothing without a place that is named")]
    NoPlace,
    /// The token would open nothing.
    #[error("a token needs a user, or places that it opens")]
    OpensNothing,
    /// The password is too short or too long.
    #[error("a password has {SHORTEST} characters at least, and {LONGEST_PASSWORD} bytes at most")]
    Length,
    /// The password would be taken for a token.
    #[error("a password can't have the form of a token")]
    LikeToken,
    /// A place is no path.
    #[error("{0}")]
    Place(String),
    /// Nobody could administer the server any more.
    #[error("{0} is the last administrator: make another one first")]
    LastAdmin(UserName),
    /// There is an administrator already.
    #[error("there is an administrator already")]
    HasAdmin,
    /// The system has no randomness.
    #[error("the system has no randomness")]
    NoRandomness,
    /// The password can't be hashed.
    #[error("{0}")]
    Hash(String),
    /// The accounts can't be kept.
    #[error(transparent)]
    Book(#[from] BookError),
}

/// The hash of a new password. Blocking, and slow on purpose.
///
/// # Errors
/// When the password is too short or too long, or can't be hashed.
pub fn new_password(password: &Secret) -> Result<PasswordHash, Wrong> {
    let text = password.expose();
    if text.chars().count() < SHORTEST || text.len() > LONGEST_PASSWORD {
        return Err(Wrong::Length);
    }
    if is_token(text) {
        return Err(Wrong::LikeToken);
    }
    PasswordHash::of(password).map_err(Wrong::Hash)
}

/// A place as people write it: a share, or a path in one.
///
/// # Errors
/// In words, when it is neither.
pub fn place(text: &str) -> Result<SharePath, String> {
    let path = SharePath::parse(text.trim_matches('/')).map_err(|error| error.to_string())?;
    if path.is_root() { Err("a share or a path in one is needed".to_owned()) } else { Ok(path) }
}

impl Accounts {
    /// Adds a user. Whether it is the first one.
    ///
    /// # Errors
    /// When the name is taken, or the user could read nothing.
    pub fn add_user(&mut self, name: UserName, user: User) -> Result<bool, Wrong> {
        if user.role == Role::Limited && user.only.is_empty() {
            return Err(Wrong::NoPlace);
        }
        if self.users.contains_key(&name) {
            return Err(Wrong::Taken(name));
        }
        self.users.insert(name, user);
        Ok(self.users.len() == 1)
    }

    /// Adds the first administrator.
    ///
    /// # Errors
    /// When there is one, or the name is taken.
    pub fn add_first_admin(&mut self, name: UserName, password: PasswordHash) -> Result<(), Wrong> {
        if self.has_admin() {
            return Err(Wrong::HasAdmin);
        }
        self.add_user(name, User::new(Role::Admin, password)).map(drop)
    }

    /// Whether somebody may administer the server.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.role == Role::Admin)
    }

    /// Changes a user's password, and ends all its logins.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn set_password(&mut self, name: &UserName, password: PasswordHash) -> Result<(), Wrong> {
        self.users.get_mut(name).ok_or_else(|| Wrong::Nobody(name.clone()))?.password = password;
        self.remove_tokens_of(name, true);
        Ok(())
    }

    /// Gives a user the right to make share links, or takes it. Without it the user's links end.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn allow_links(&mut self, name: &UserName, may: bool) -> Result<(), Wrong> {
        self.users.get_mut(name).ok_or_else(|| Wrong::Nobody(name.clone()))?.links = may;
        Ok(())
    }

    /// Removes a user with all tokens and links. Whether users are left.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn remove_user(&mut self, name: &UserName) -> Result<bool, Wrong> {
        self.users.remove(name).ok_or_else(|| Wrong::Nobody(name.clone()))?;
        self.remove_tokens_of(name, false);
        self.remove_links_of(name);
        Ok(!self.users.is_empty())
    }

    /// Refuses to remove the last administrator.
    ///
    /// # Errors
    /// When `name` is that.
    pub fn keep_an_admin(&self, name: &UserName) -> Result<(), Wrong> {
        let is_admin = |user: &User| user.role == Role::Admin;
        let others = self.users.iter().any(|(other, user)| other != name && is_admin(user));
        match self.users.get(name) {
            Some(user) if is_admin(user) && !others => Err(Wrong::LastAdmin(name.clone())),
            _ => Ok(()),
        }
    }

    /// Adds a token, which ends after some days, and after some downloads if that is wanted. Returns its number and its secret.
    ///
    /// # Errors
    /// When there is no such user, the token would open nothing, or the system has no randomness.
    pub fn add_token(
        &mut self,
        user: Option<UserName>,
        only: Vec<SharePath>,
        days: u32,
        downloads: Option<u64>,
    ) -> Result<(TokenId, Secret), Wrong> {
        if let Some(user) = user.as_ref().filter(|user| !self.users.contains_key(user)) {
            return Err(Wrong::Nobody(user.clone()));
        }
        if user.is_none() && only.is_empty() {
            return Err(Wrong::OpensNothing);
        }
        let (id, secret) = TokenId::random().ok_or(Wrong::NoRandomness)?;
        let (created, hash) = (now(), TokenHash::of(secret.expose()));
        let expires = Some(created + u64::from(days) * DAY);
        let downloads = downloads.map(Downloads::at_most);
        self.tokens.insert(id.clone(), Token { hash, user, only, created, expires, login: false, downloads });
        Ok((id, secret))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is none with this number.
    pub fn revoke_token(&mut self, id: &TokenId) -> Result<(), Wrong> {
        self.tokens.remove(id).map(drop).ok_or_else(|| Wrong::NoToken(id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(role: Role) -> User {
        User::new(role, PasswordHash::none())
    }

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut accounts = Accounts::default();
        assert!(accounts.add_user(name("anna"), user(Role::Normal)).unwrap());
        let before = accounts.clone();
        let refused = [
            accounts.add_user(name("anna"), user(Role::Admin)).map(drop),
            accounts.add_user(name("kid"), user(Role::Limited)).map(drop),
            accounts.set_password(&name("ben"), PasswordHash::none()),
            accounts.remove_user(&name("ben")).map(drop),
            accounts.add_token(Some(name("ben")), Vec::new(), 1, None).map(drop),
            accounts.add_token(None, Vec::new(), 1, None).map(drop),
            accounts.revoke_token(&"00000000".parse().unwrap()),
        ];
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
        assert_eq!(accounts, before);
    }

    #[test]
    fn there_is_one_first_administrator_and_a_last_one() {
        let mut accounts = Accounts::default();
        accounts.add_user(name("anna"), user(Role::Normal)).unwrap();
        accounts.add_first_admin(name("root"), PasswordHash::none()).unwrap();
        assert!(matches!(accounts.add_first_admin(name("eve"), PasswordHash::none()), Err(Wrong::HasAdmin)));
        assert!(matches!(accounts.keep_an_admin(&name("root")), Err(Wrong::LastAdmin(_))));
        assert!(accounts.keep_an_admin(&name("anna")).is_ok());
        accounts.add_user(name("second"), user(Role::Admin)).unwrap();
        assert!(accounts.keep_an_admin(&name("root")).is_ok());
    }

    #[test]
    fn a_password_is_neither_too_short_nor_too_long() {
        for wrong in ["", "1234567", "ééééééé"] {
            assert!(matches!(new_password(&Secret::new(wrong)), Err(Wrong::Length)), "{wrong}");
        }
        assert!(matches!(new_password(&Secret::new("x".repeat(LONGEST_PASSWORD + 1))), Err(Wrong::Length)));
        let password = Secret::new("éééééééé");
        assert!(new_password(&password).unwrap().is_of(&password));
    }
}

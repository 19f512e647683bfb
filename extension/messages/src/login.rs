//! Who the user is at a server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret that proves who the user is. Its `Debug` form hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential(pub String);

/// The path of share links, `wstp_protocol::LINK_PATH`. The messages do not know the protocol, so the core compares both.
const LINK_PATH: &str = "/s/";

/// Whether a server's address is that of a share link, which has a password and no users.
#[must_use]
pub fn is_link(address: &str) -> bool {
    address.contains(LINK_PATH)
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential(..)")
    }
}

/// A login, as the browser keeps it. Views get no more of it than its [`LoginView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Who it is.
    pub view: LoginView,
    /// The token.
    pub token: Credential,
    /// Whether the user brought the token. Logging out does not revoke it, because others may use it too.
    pub is_brought: bool,
}

/// Who the user is at a server, and what the user may do there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginView {
    /// [`crate::ServerView::address`].
    pub address: String,
    /// The user's name; `None` for a token without a user, and for a share link.
    pub user: Option<String>,
    /// The role, as the server calls it; empty without a user.
    pub role: String,
    /// The places that may be read; `None` for all.
    pub only: Option<Vec<String>>,
}

/// The thing that the user has to do before a server can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Need {
    /// Log in.
    Login,
    /// Look at the server's certificate, on this page.
    Trust(String),
}

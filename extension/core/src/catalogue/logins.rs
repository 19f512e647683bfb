//! The tokens that prove to servers who the user is. Each goes to the server that gave it and to no other.

use std::collections::BTreeMap;

use wstp_client::address::{Rules, Source, WebSocketPath};
use wstp_messages::{Credential, Login, LoginView, NamedBy, SourceKind, SourceTask};

/// The logins, by [`LoginView::address`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins(BTreeMap<String, Login>);

impl Logins {
    /// These logins.
    pub fn new(logins: Vec<Login>) -> Self {
        Self(logins.into_iter().map(|login| (login.view.address.clone(), login)).collect())
    }

    /// All of them, as they are kept.
    pub fn all(&self) -> Vec<Login> {
        self.0.values().cloned().collect()
    }

    /// The part that views may see.
    pub fn views(&self) -> Vec<LoginView> {
        self.0.values().map(|login| login.view.clone()).collect()
    }

    /// The login at a server.
    pub fn at(&self, address: &str) -> Option<&Login> {
        self.0.get(address)
    }

    /// Adds a login, in place of one at the same server.
    pub fn add(&mut self, login: Login) {
        self.0.insert(login.view.address.clone(), login);
    }

    /// Forgets the login at a server.
    pub fn remove(&mut self, address: &str) -> Option<Login> {
        self.0.remove(address)
    }

    /// The proof to a source of who the user is. A source that a server named gets none.
    pub fn credential(&self, source: &SourceTask) -> Option<Credential> {
        if source.named_by == NamedBy::Server {
            return None;
        }
        let login = match source.kind {
            SourceKind::Wstp => self.at(&source.address),
            SourceKind::Http => self.at(&server_of(&source.address)?),
        };
        Some(login?.token.clone())
    }
}

/// The address of the server that serves a link of plain HTTP, if it is one of the protocol too.
fn server_of(url: &str) -> Option<String> {
    let rules = Rules { web_socket_path: WebSocketPath::Endpoint };
    Some(Source::parse(url, &rules).ok()?.address.to_string())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn login(address: &str) -> Login {
        let view = LoginView { address: address.to_owned(), user: None, role: String::new(), only: None };
        Login { view, token: Credential(format!("token of {address}")), is_brought: false }
    }

    #[test]
    fn a_token_goes_to_its_own_server_and_to_no_other() {
        let (plain, secure) = ("ws://nas:3000/ws", "wss://nas.example:443/sub/ws");
        let logins = Logins::new(vec![login(plain), login(secure)]);
        for (kind, named_by, address, expected) in [
            (SourceKind::Wstp, NamedBy::User, plain, Some(plain)),
            (SourceKind::Wstp, NamedBy::User, secure, Some(secure)),
            (SourceKind::Wstp, NamedBy::User, "wss://nas:3000/ws", None),
            (SourceKind::Wstp, NamedBy::User, "ws://nas:3001/ws", None),
            (SourceKind::Wstp, NamedBy::User, "ws://nas.example:443/sub/ws", None),
            (SourceKind::Wstp, NamedBy::Server, plain, None),
            (SourceKind::Http, NamedBy::User, "http://nas:3000/files/a%20b", Some(plain)),
            (SourceKind::Http, NamedBy::User, "http://NAS:3000/files/a?x=1", Some(plain)),
            (SourceKind::Http, NamedBy::User, "https://nas.example/sub/files/a", Some(secure)),
            (SourceKind::Http, NamedBy::User, "https://nas.example/files/a", None),
            (SourceKind::Http, NamedBy::User, "http://nas.example/sub/files/a", None),
            (SourceKind::Http, NamedBy::User, "http://nas:3000.evil.example/files/a", None),
            (SourceKind::Http, NamedBy::User, "http://nas:80/files/a", None),
            (SourceKind::Http, NamedBy::Server, "http://nas:3000/files/a", None),
        ] {
            let source = SourceTask { kind, named_by, ..SourceTask::origin(address.to_owned(), "a".to_owned()) };
            let expected = expected.map(|address| Credential(format!("token of {address}")));
            assert_eq!(logins.credential(&source), expected, "{source:?}");
        }
    }

    #[test]
    fn no_token_is_shown() {
        let logins = Logins::new(vec![login("ws://nas:3000/ws")]);
        assert!(!format!("{logins:?}").contains("token of"));
    }
}

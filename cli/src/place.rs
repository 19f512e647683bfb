//! The place of a file: on a server of the protocol, or at an HTTP server under a URL.
//!
//! A URL is what a browser shows: percent-encoded, with a query perhaps, and a fragment that is of no meaning to a
//! server. On a WSTP server, the URL of its pages and files names what the protocol calls by its path.

use reqwest::Url;
use wstp_client::address::AddressError;
use wstp_engine::http_source::file_url;
use wstp_protocol::{MirrorUrl, SharePath};

use crate::address::{self, Address, RULES, Source, no_password};
use crate::diagnosis;
use crate::exit::{Code, Failure};

/// The place of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A server of the protocol.
    Wstp(Source),
    /// Plain HTTP.
    Http(FileUrl),
}

impl Place {
    /// Understands what was typed.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Result<Self, Failure> {
        match FileUrl::is_meant_by(typed) {
            true => FileUrl::parse(typed).map(Self::Http),
            false => address::parse(typed).map(Self::Wstp),
        }
    }

    /// Understands what was typed to name something on a server of the protocol.
    ///
    /// # Errors
    ///
    /// As [`Place::parse`], and when no server can have such a path.
    pub fn parse_on_server(typed: &str) -> Result<Self, Failure> {
        let place = Self::parse(typed)?;
        place.on_server().map(|_| place)
    }

    /// The source on a server of the protocol.
    ///
    /// # Errors
    ///
    /// When no server can have such a path.
    pub fn on_server(&self) -> Result<Source, Failure> {
        match self {
            Self::Wstp(source) => Ok(source.clone()),
            Self::Http(url) => url.on_server(),
        }
    }

    /// Asks where the server begins, if the place is a URL that may have a prefix in front of its path. Whether the
    /// place is now one on such a server.
    pub async fn find_prefix(&mut self) -> bool {
        let Self::Http(url) = self else { return false };
        let Some(source) = diagnosis::below_prefix(url).await else { return false };
        *self = Self::Wstp(source);
        true
    }

    /// The label to show: `host:port`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Wstp(source) => source.address.host_and_port(),
            Self::Http(url) => url.label(),
        }
    }

    /// The place, on a mirror that the server at `from` offers, of the file that this server has at `path`.
    /// `None` if the client must not follow the mirror.
    #[must_use]
    pub fn offered(mirror: &MirrorUrl, from: &Address, path: &SharePath) -> Option<Self> {
        if !mirror.may_be_followed_from(&from.to_string()) {
            return None;
        }
        if !mirror.is_wstp() {
            return FileUrl::parse(&file_url(mirror, path)).ok().map(Self::Http);
        }
        let address = Address::parse(mirror.as_str()).ok()?;
        Some(Self::Wstp(Source { address, path: path.clone() }))
    }
}

/// The URL of a file at an HTTP server, or of something at the pages of a WSTP server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileUrl(Url);

impl FileUrl {
    /// Whether what was typed begins as such a URL does.
    #[must_use]
    pub fn is_meant_by(typed: &str) -> bool {
        let scheme = typed.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        matches!(scheme.as_deref(), Some("http" | "https"))
    }

    /// Understands what was typed.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Result<Self, Failure> {
        let has_user = |rest: &str| rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'));
        if typed.split_once("://").is_some_and(|(_, rest)| has_user(rest)) {
            return Err(no_password());
        }
        let mut url = Url::parse(typed).map_err(|error| not_a_link(typed, &error.to_string()))?;
        url.set_fragment(None);
        if address::of_web(&url).is_none() {
            return Err(not_a_link(typed, "its host can't be one"));
        }
        Ok(Self(url))
    }

    /// The source that the URL names on a server of the protocol, if one answers there. The path lies beneath its
    /// files, or starts at the root. A query concerns only the server's pages.
    ///
    /// # Errors
    ///
    /// When no server can have such a path.
    pub fn on_server(&self) -> Result<Source, Failure> {
        let url = self.0.as_str();
        Source::parse(url, &RULES).map_err(|error| match error {
            AddressError::Path(_) | AddressError::Encoding => not_a_link(url, "no server can have this path"),
            _ => not_a_link(url, "its host can't be one"),
        })
    }

    /// Whether it can be of a file at an ordinary web server: its root is none.
    #[must_use]
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }

    /// The label to show: `host` or `host:port`.
    #[must_use]
    pub fn label(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// The link is repeated without its query, which may be a secret.
fn not_a_link(typed: &str, why: &str) -> Failure {
    let shown = typed.split(['?', '#']).next().unwrap_or_default();
    let advice = "Copy the link from where the file can be downloaded.";
    Failure::new(Code::Usage, format!("\"{shown}\" is no link to a file: {why}."), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_page_or_a_file_names_it_on_the_server() {
        for (typed, address, path) in [
            ("http://host:3000", "ws://host:3000/ws", ""),
            ("http://host:3000/ws", "ws://host:3000/ws", ""),
            ("http://host:3000/files", "ws://host:3000/ws", ""),
            ("http://host:3000/files/sub dir/a.mkv?x=y#z", "ws://host:3000/ws", "sub dir/a.mkv"),
            ("http://host:3000/files/files/x", "ws://host:3000/ws", "files/x"),
            ("http://host:3000/films/%2520", "ws://host:3000/ws", "films/%20"),
            ("http://host:3000/files/a/../späß", "ws://host:3000/ws", "späß"),
            ("HTTPS://HOST/nas/files/sp%C3%A4%c3%9f", "wss://host:443/nas/ws", "späß"),
            ("http://[::1]:4000/files/a", "ws://[::1]:4000/ws", "a"),
            ("http://host:3000/files/caf%E9", "ws://host:3000/ws", "caf\u{efe9}"),
        ] {
            let source = FileUrl::parse(typed).unwrap().on_server().unwrap();
            assert_eq!((source.address.to_string().as_str(), source.path.as_str()), (address, path), "{typed}");
        }
        for typed in
            ["http://host/files/a%2fb", "http://host/files/a%00", "http://host/files/a//b", "http://host/files/%4"]
        {
            let refused = FileUrl::parse(typed).unwrap().on_server().unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{typed}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        for typed in [
            "http://user:secret@host/file",
            "HTTPS://secret@host",
            "http://user:secret@/",
            "ws://user:secret@host/file",
            "user:secret@host:3000/file",
            "http://ho st/file?token=secret",
        ] {
            let refused = Place::parse(typed).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{typed}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }
}

//! The address of a server, and the one parser of what a person types or pastes to name a server and something on it.

mod host;
mod source;

use std::fmt;
use std::net::IpAddr;

use wstp_protocol::{ENDPOINT_PATH, LINK_PATH, PathError};

pub use source::{Rules, Source, WebSocketPath, may_have_prefix};

const DEFAULT_PORT: u16 = 3000;
const DEFAULT_INSECURE_PORT: u16 = 80;
const DEFAULT_SECURE_PORT: u16 = 443;
/// Longest address of a server alone, in bytes.
const MAX_LEN: usize = 512;

/// The address of a server, in one spelling: two that lead to the same place are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// A name in lower case, or an IP address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The path of the endpoint.
    endpoint: String,
}

/// Why a text is no address of a server, or of something on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing was typed.
    Empty,
    /// It is longer than any address.
    TooLong,
    /// It begins with this scheme, which is none of `ws`, `wss`, `http` and `https`.
    Scheme(String),
    /// It has a user's name or a password.
    Credentials,
    /// No port stands behind the colon.
    Port,
    /// It has no host, or the path of a URL has characters that no endpoint has.
    Host,
    /// The path behind the server is none that a share can have.
    Path(PathError),
    /// The path behind the server is percent-encoded in a wrong way, or one of its names has a slash.
    Encoding,
}

impl Address {
    /// Parses `host`, `host:port`, `ws://…`, `wss://…`, `http://…` or `https://…`. The path of a WebSocket URL is the
    /// endpoint's, any other is dropped.
    ///
    /// # Errors
    ///
    /// When it is no address.
    pub fn parse(typed: &str) -> Result<Self, AddressError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(AddressError::Empty);
        }
        if typed.len() > MAX_LEN {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = Scheme::split(typed)?;
        let (authority, path) = split_at_any(rest, &['/', '?', '#']);
        Self::new(&scheme, authority, if scheme.is_web_socket { path } else { "" })
    }

    /// Combines the parts of an address; an empty path is that of the usual endpoint.
    fn new(scheme: &Scheme, authority: &str, endpoint: &str) -> Result<Self, AddressError> {
        if authority.contains('@') {
            return Err(AddressError::Credentials);
        }
        if authority.len() > MAX_LEN {
            return Err(AddressError::TooLong);
        }
        let (host, port) = host::split_port(authority)?;
        let host = host::parse(host).ok_or(AddressError::Host)?;
        Ok(Self { secure: scheme.secure, host, port: port.unwrap_or(scheme.port), endpoint: parse_endpoint(endpoint)? })
    }

    /// `host:port`.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.url_host(), self.port)
    }

    /// The label of the server, as short as it can be typed again: `host:port`, unless it is encrypted or has an
    /// endpoint of its own.
    #[must_use]
    pub fn short(&self) -> String {
        match (self.secure, self.endpoint == ENDPOINT_PATH) {
            (false, true) => self.host_and_port(),
            (true, true) if self.port == DEFAULT_SECURE_PORT => format!("wss://{}", self.url_host()),
            (true, true) => format!("wss://{}", self.host_and_port()),
            (_, false) => self.to_string(),
        }
    }

    /// The URL of the endpoint for a request of plain HTTP.
    #[must_use]
    pub fn http_url(&self) -> String {
        self.page(ENDPOINT_PATH)
    }

    /// The URL of one of the server's plain pages, which lie beside the endpoint.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        match self.endpoint.strip_suffix(ENDPOINT_PATH) {
            Some(base) => format!("{scheme}://{}{base}{path}", self.host_and_port()),
            None if path == ENDPOINT_PATH => format!("{scheme}://{}{}", self.host_and_port(), self.endpoint),
            None => format!("{scheme}://{}{path}", self.host_and_port()),
        }
    }

    /// Whether the server is on this machine, so that nobody on the way can read what is not encrypted.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The same place, encrypted or not.
    #[must_use]
    pub fn with_encryption(&self, secure: bool) -> Self {
        Self { secure, ..self.clone() }
    }

    /// This server, with the endpoint where another one has it.
    #[must_use]
    pub fn with_endpoint_of(self, other: &Self) -> Self {
        Self { endpoint: other.endpoint.clone(), ..self }
    }

    /// Whether it is that of a share link, which shows one entry alone.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.endpoint.contains(LINK_PATH)
    }

    /// This server, below the prefix that it names in an answer ([`wstp_protocol::probe::BASE_FIELD`]). `None` if it is
    /// no prefix, or the address has it already.
    #[must_use]
    pub fn below(&self, base: &str) -> Option<Self> {
        let base = base.strip_suffix('/').filter(|base| base.starts_with('/') && base.len() <= MAX_LEN)?;
        let endpoint = parse_endpoint(&format!("{base}{ENDPOINT_PATH}")).ok()?;
        (endpoint != self.endpoint).then(|| Self { endpoint, ..self.clone() })
    }

    /// The host as a URL has it: an IPv6 address in brackets.
    fn url_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// The WebSocket URL of the endpoint.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_and_port(), self.endpoint)
    }
}

struct Scheme {
    secure: bool,
    /// The port where none is typed.
    port: u16,
    is_web_socket: bool,
    is_web: bool,
}

impl Scheme {
    /// Splits the scheme off, if there is one.
    fn split(typed: &str) -> Result<(Self, &str), AddressError> {
        let Some((scheme, rest)) = typed.split_once("://") else {
            return Ok((Self { secure: false, port: DEFAULT_PORT, is_web_socket: false, is_web: false }, typed));
        };
        let scheme = scheme.to_ascii_lowercase();
        let secure = match scheme.as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => {
                return Err(AddressError::Scheme(scheme));
            }
            _ => return Err(AddressError::Host),
        };
        let port = if secure { DEFAULT_SECURE_PORT } else { DEFAULT_INSECURE_PORT };
        let is_web_socket = scheme.starts_with("ws");
        Ok((Self { secure, port, is_web_socket, is_web: !is_web_socket }, rest))
    }
}

fn split_at_any<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.find(ends).map_or((text, ""), |at| text.split_at(at))
}

fn parse_endpoint(path: &str) -> Result<String, AddressError> {
    match path {
        "" | "/" => Ok(ENDPOINT_PATH.to_owned()),
        _ if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte)) => Ok(path.to_owned()),
        _ => Err(AddressError::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_server_becomes_one() {
        for (typed, address) in [
            ("localhost", "ws://localhost:3000/ws"),
            ("  127.0.0.1:4000 ", "ws://127.0.0.1:4000/ws"),
            ("Files.Example.ORG.", "ws://files.example.org:3000/ws"),
            ("ws://host:3000", "ws://host:3000/ws"),
            ("ws://host:3000/", "ws://host:3000/ws"),
            ("ws://host:3000/ws", "ws://host:3000/ws"),
            ("wss://host", "wss://host:443/ws"),
            ("WSS://host/deep/ws", "wss://host:443/deep/ws"),
            ("http://host:3000/files/a%20b?x", "ws://host:3000/ws"),
            ("https://host/", "wss://host:443/ws"),
            ("::1", "ws://[::1]:3000/ws"),
            ("[::1]:4000", "ws://[::1]:4000/ws"),
            ("ws://[0:0:0:0:0:0:0:1]", "ws://[::1]:80/ws"),
            ("host/", "ws://host:3000/ws"),
            ("my_nas-2.local", "ws://my_nas-2.local:3000/ws"),
            ("bücher.example", "ws://bücher.example:3000/ws"),
        ] {
            assert_eq!(Address::parse(typed).map(|address| address.to_string()).as_deref(), Ok(address), "{typed}");
        }
        assert_eq!(Address::parse("[::1]").unwrap().host, "::1");
    }

    #[test]
    fn what_is_shown_is_short() {
        for (typed, short) in [
            ("nas", "nas:3000"),
            ("https://nas.example", "wss://nas.example"),
            ("wss://nas:8443/ws", "wss://nas:8443"),
            ("wss://nas/deep/ws", "wss://nas:443/deep/ws"),
            ("ws://nas/deep", "ws://nas:80/deep"),
            ("wss://[::1]", "wss://[::1]"),
        ] {
            assert_eq!(Address::parse(typed).unwrap().short(), short);
        }
    }

    #[test]
    fn the_pages_of_a_server_lie_beside_its_endpoint() {
        for (typed, endpoint, page) in [
            ("nas", "http://nas:3000/ws", "http://nas:3000/login"),
            ("wss://nas/a/b/ws", "https://nas:443/a/b/ws", "https://nas:443/a/b/login"),
            ("ws://nas/odd", "http://nas:80/odd", "http://nas:80/login"),
        ] {
            let address = Address::parse(typed).unwrap();
            assert_eq!((&*address.http_url(), &*address.page("/login")), (endpoint, page));
        }
    }

    #[test]
    fn a_server_is_found_below_the_prefix_that_it_names() {
        let below = |typed: &str, base| Some(Address::parse(typed).unwrap().below(base)?.to_string());
        assert_eq!(below("nas", "/a/b/").as_deref(), Some("ws://nas:3000/a/b/ws"));
        let long = format!("/{}/", "a".repeat(600));
        for base in ["", "/", "a/", "/a", "/a b/", "//evil.example?/", "/a?b/", &long] {
            assert_eq!(below("nas", base), None, "{base}");
        }
        assert_eq!(below("ws://nas/a/ws", "/a/"), None, "it has it already");
    }

    #[test]
    fn a_server_on_this_machine_is_known() {
        let here = ["localhost", "127.0.0.1", "127.9.9.9:80", "[::1]:3000", "[::ffff:127.0.0.1]", "a.localhost"];
        assert!(here.iter().all(|typed| Address::parse(typed).unwrap().is_here()));
        let elsewhere = ["nas", "192.168.1.5", "127.0.0.1.example", "localhost.example", "[::2]"];
        assert!(!elsewhere.iter().any(|typed| Address::parse(typed).unwrap().is_here()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (typed, error) in [
            ("", AddressError::Empty),
            ("   ", AddressError::Empty),
            ("two words", AddressError::Host),
            ("ftp://host", AddressError::Scheme("ftp".to_owned())),
            ("a secret://host", AddressError::Host),
            ("host:", AddressError::Port),
            ("host:0", AddressError::Port),
            ("host:+80", AddressError::Port),
            ("host:70000", AddressError::Port),
            ("host:80:90", AddressError::Host),
            ("user@host", AddressError::Credentials),
            ("ws://", AddressError::Host),
            ("/etc/passwd", AddressError::Host),
            ("<img src=x>", AddressError::Host),
            ("999.1.1.1", AddressError::Host),
            ("1.2.3", AddressError::Host),
            ("a..b", AddressError::Host),
            ("-o", AddressError::Host),
            ("[::1", AddressError::Host),
            ("ws://host/a?b=c", AddressError::Host),
            (&"x".repeat(600), AddressError::TooLong),
        ] {
            assert_eq!(Address::parse(typed), Err(error), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_and_what_is_shown_mean_the_same_address(typed in "(ws://|wss://|http://)?[a-z0-9.\\-\\[\\]:]{1,20}(/[a-z]{0,3})?") {
            if let Ok(address) = Address::parse(&typed) {
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()));
                prop_assert_eq!(Address::parse(&address.short()), Ok(address));
            }
        }
    }
}

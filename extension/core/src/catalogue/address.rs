//! The address of a server: what a user types to name one, and the one spelling in which it is kept.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use wstp_messages::Problem;
use wstp_protocol::{ENDPOINT_PATH, MirrorUrl};

use crate::words::problem;

const DEFAULT_PORT: u16 = 3000;
/// Of `wss:` and `https:`.
const DEFAULT_SECURE_PORT: u16 = 443;
const MAX_LEN: usize = 512;

/// The address of a server: always with scheme, port and path, so that two spellings of one server are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    secure: bool,
    /// As in a URL: an IPv6 address in brackets.
    host: String,
    port: u16,
    path: String,
}

impl Address {
    /// Understands `host`, `host:port`, `ws://…`, `wss://…`, `http://…` and `https://…`.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Result<Self, Problem> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(problem("No address was typed.", "Type one like 192.168.1.5:3000 or files.example.org."));
        }
        if typed.len() > MAX_LEN || typed.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(not_an_address());
        }
        let (scheme, rest) = split_scheme(typed)?;
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = split_port(authority)?;
        Ok(Self {
            secure: scheme.secure,
            host: parse_host(host)?,
            port: port.unwrap_or(scheme.port),
            path: if scheme.keeps_path { parse_path(path)? } else { ENDPOINT_PATH.to_owned() },
        })
    }

    /// What to show: as short as it can be typed again, which is `host:port` unless it is encrypted or has a path of its own.
    pub fn label(&self) -> String {
        let Self { secure, host, port, path } = self;
        let scheme = if *secure { "wss" } else { "ws" };
        match (secure, path == ENDPOINT_PATH) {
            (false, true) => self.host_and_port(),
            (true, true) if *port == DEFAULT_SECURE_PORT => format!("{scheme}://{host}"),
            (true, true) => format!("{scheme}://{host}:{port}"),
            (_, false) => format!("{scheme}://{host}:{port}{path}"),
        }
    }

    /// Host and port alone.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The address of the server's plain pages, to find out what answers there.
    pub fn page(&self, path: &str) -> String {
        format!("{}://{}:{}{path}", if self.secure { "https" } else { "http" }, self.host, self.port)
    }

    /// The endpoint as a request of plain HTTP finds it.
    pub fn http_url(&self) -> String {
        self.page(&self.path)
    }

    /// The same place, encrypted.
    pub fn secured(&self) -> Self {
        Self { secure: true, ..self.clone() }
    }

    /// The same place, not encrypted.
    pub fn insecure(&self) -> Self {
        Self { secure: false, ..self.clone() }
    }

    /// This server, with the endpoint where another one has it.
    pub fn with_path_of(self, other: &Self) -> Self {
        Self { path: other.path.clone(), ..self }
    }

    /// Whether two addresses differ in nothing but port, path and encryption.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

/// The WebSocket URL.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", if self.secure { "wss" } else { "ws" }, self.host, self.port, self.path)
    }
}

/// The URL of a file on a server of plain HTTP: what a link to it says, less a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUrl(String);

impl FileUrl {
    /// `None` for what is no such link but may be the address of a server: another scheme, or no path.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Option<Result<Self, Problem>> {
        let (scheme, rest) = typed.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let has_path = place.split_once('/').is_some_and(|(_, path)| !path.is_empty());
        if !["http", "https"].contains(&scheme.as_str()) || !has_path {
            return None;
        }
        let is_url = MirrorUrl::parse(format!("{scheme}://{place}")).is_ok()
            && query.len() <= MAX_LEN
            && query.bytes().all(|byte| byte.is_ascii_graphic());
        let advice = "Copy the link from where the file can be downloaded.";
        Some(match is_url {
            true => Ok(Self(format!("{scheme}://{rest}"))),
            false => Err(problem("That is not a link to a file.", advice)),
        })
    }
}

impl fmt::Display for FileUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Scheme {
    secure: bool,
    port: u16,
    keeps_path: bool,
}

fn split_scheme(typed: &str) -> Result<(Scheme, &str), Problem> {
    let Some((scheme, rest)) = typed.split_once("://") else {
        return Ok((Scheme { secure: false, port: DEFAULT_PORT, keeps_path: false }, typed));
    };
    let (secure, port, keeps_path) = match scheme.to_ascii_lowercase().as_str() {
        "ws" => (false, 80, true),
        "wss" => (true, DEFAULT_SECURE_PORT, true),
        "http" => (false, 80, false),
        "https" => (true, DEFAULT_SECURE_PORT, false),
        _ => {
            return Err(problem(
                format!("An address can't begin with {scheme}://."),
                "Type one like 192.168.1.5:3000, ws://192.168.1.5:3000 or wss://files.example.org.",
            ));
        }
    };
    Ok((Scheme { secure, port, keeps_path }, rest))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Problem> {
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    let after_host = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority[after_host..].rfind(':').map(|at| at + after_host) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(problem("That is not a port.", "After the colon comes a number from 1 to 65535, for example 3000.")),
    }
}

fn parse_host(host: &str) -> Result<String, Problem> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|digit| digit.is_ascii_digit()));
    if !host.split('.').all(is_label) || (numeric && host.parse::<Ipv4Addr>().is_err()) {
        return Err(not_an_address());
    }
    Ok(host)
}

fn parse_path(path: &str) -> Result<String, Problem> {
    match path {
        "" | "/" => Ok(ENDPOINT_PATH.to_owned()),
        _ if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte)) => Ok(path.to_owned()),
        _ => Err(not_an_address()),
    }
}

fn not_an_address() -> Problem {
    problem("That is not an address.", "Type one like 192.168.1.5:3000 or files.example.org.")
}

#[cfg(all(test, not(target_arch = "wasm32")))]
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
            ("http://host:3000/files/a b?x".replace(' ', "%20").as_str(), "ws://host:3000/ws"),
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
    }

    #[test]
    fn what_is_shown_is_short() {
        for (typed, label) in [
            ("nas", "nas:3000"),
            ("https://nas.example", "wss://nas.example"),
            ("wss://nas:8443/ws", "wss://nas:8443"),
            ("wss://nas/deep/ws", "wss://nas:443/deep/ws"),
            ("ws://nas/deep", "ws://nas:80/deep"),
        ] {
            assert_eq!(Address::parse(typed).unwrap().label(), label);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        for typed in [
            "",
            "   ",
            "two words",
            "ftp://host",
            "host:",
            "host:0",
            "host:+80",
            "host:70000",
            "host:80:90",
            "user@host",
            "ws://",
            "/etc/passwd",
            "<img src=x>",
            "999.1.1.1",
            "1.2.3",
            "a..b",
            "[::1",
            "ws://host/a?b=c",
        ] {
            let refused = Address::parse(typed).unwrap_err();
            assert!(refused.what.ends_with('.') && !refused.advice.is_empty(), "{typed:?}");
        }
    }

    #[test]
    fn a_link_to_a_file_is_told_from_the_address_of_a_server() {
        for (typed, url) in [
            ("http://host/a.iso", Some("http://host/a.iso")),
            ("HTTPS://host:8080/files/a%20b.iso?token=1&x#part", Some("https://host:8080/files/a%20b.iso?token=1&x")),
            ("http://host", None),
            ("http://host:3000/", None),
            ("ws://host/ws", None),
            ("host/a.iso", None),
        ] {
            let parsed = FileUrl::parse(typed).map(|url| url.unwrap().to_string());
            assert_eq!(parsed.as_deref(), url, "{typed}");
        }
        for typed in ["http://host/a b", "http://user@host/a", "https:///a", "http://host/a?b c", "http://host:0/a"] {
            assert!(FileUrl::parse(typed).unwrap().is_err(), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_and_what_is_shown_mean_the_same_address(typed in "(ws://|wss://|http://)?[a-z0-9.\\-\\[\\]:]{1,20}(/[a-z]{0,3})?") {
            if let Ok(address) = Address::parse(&typed) {
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()));
                prop_assert_eq!(Address::parse(&address.label()), Ok(address));
            }
        }

        #[test]
        fn anything_typed_is_either_an_address_or_words(typed in "\\PC{0,60}") {
            let _ = Address::parse(&typed);
        }
    }
}

//! What a person types to name a server, and something on it.
//!
//! `host`, `host:port`, `ws://…` and `wss://…`, each with a path behind it. The path is the one that `wstp ls` shows: nothing in it is decoded, `%20`
//! is three characters. A URL that ends in `/ws`, as servers print it, is the server itself. `http://…` and `https://…` are what a browser shows,
//! and percent-encoded (`place`).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use wstp_protocol::{ENDPOINT_PATH, SharePath};

use crate::exit::{Code, Failure};
use crate::place::FileUrl;

const DEFAULT_PORT: u16 = 3000;
const MAX_AUTHORITY: usize = 512;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// What to show: `host:port`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The WebSocket URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{ENDPOINT_PATH}", if self.secure { "wss" } else { "ws" }, self.label())
    }

    /// The same for a request of plain HTTP.
    #[must_use]
    pub fn web_url(&self) -> String {
        format!("{}://{}{ENDPOINT_PATH}", if self.secure { "https" } else { "http" }, self.label())
    }

    /// The server that an `http://` or `https://` URL leads to.
    #[must_use]
    pub fn of_web(url: &Url) -> Option<Self> {
        let host = parse_host(url.host_str()?)?;
        Some(Self { secure: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }
}

/// Something on a server: a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The server.
    pub address: Address,
    /// Where on it.
    pub path: SharePath,
}

impl Source {
    /// Understands what was typed.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Result<Self, Failure> {
        if FileUrl::is_meant_by(typed) {
            return FileUrl::parse(typed)?.on_server();
        }
        let (secure, port, rest) = split_scheme(typed)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(no_password());
        }
        if authority.len() > MAX_AUTHORITY {
            return Err(not_an_address(typed));
        }
        let (host, typed_port) = split_port(authority).ok_or_else(|| not_an_address(typed))?;
        let host = parse_host(host).ok_or_else(|| not_an_address(typed))?;
        let is_endpoint = typed.contains("://") && ENDPOINT_PATH.strip_prefix('/') == Some(path);
        let path = if is_endpoint { "" } else { path.trim_end_matches('/') };
        let path = SharePath::parse(path).map_err(|error| {
            let advice = "A path is names joined by single slashes, as `wstp ls` shows them.";
            Failure::new(Code::Usage, format!("In \"{typed}\", {error}."), advice)
        })?;
        Ok(Self { address: Address { secure, host, port: typed_port.unwrap_or(port) }, path })
    }
}

/// As it can be typed.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.address.secure { "wss" } else { "ws" };
        // Without a slash behind it, the endpoint's own name would be the server.
        let slash = if ENDPOINT_PATH.strip_prefix('/') == Some(self.path.as_str()) { "/" } else { "" };
        write!(f, "{scheme}://{}/{}{slash}", self.address.label(), self.path)
    }
}

fn split_scheme(typed: &str) -> Result<(bool, u16, &str), Failure> {
    let Some((scheme, rest)) = typed.split_once("://") else { return Ok((false, DEFAULT_PORT, typed)) };
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => Ok((false, 80, rest)),
        "wss" => Ok((true, 443, rest)),
        _ => Err(not_an_address(typed)),
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Some((authority, None));
    }
    let after_host = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority[after_host..].rfind(':').map(|at| at + after_host) else {
        return Some((authority, None));
    };
    let digits = Some(&authority[colon + 1..]).filter(|port| port.bytes().all(|digit| digit.is_ascii_digit()))?;
    let port = digits.parse().ok().filter(|port| *port > 0)?;
    Some((&authority[..colon], Some(port)))
}

fn parse_host(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(address.to_string());
    }
    if !host.is_ascii() {
        // A name of another script, in the spelling that the domain name system has for it.
        return parse_host(Url::parse(&format!("http://{host}/")).ok()?.host_str().filter(|host| host.is_ascii())?);
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && plain
    };
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|digit| digit.is_ascii_digit()));
    let good = host.split('.').all(is_label) && (!numeric || host.parse::<Ipv4Addr>().is_ok());
    good.then_some(host)
}

fn not_an_address(typed: &str) -> Failure {
    let advice = "Type one like 192.168.1.5:3000/path/to/file or wss://files.example.org/path.";
    Failure::new(Code::Usage, format!("\"{typed}\" is not the address of something on a server."), advice)
}

/// The address is not repeated, for it may have a password in it.
pub(crate) fn no_password() -> Failure {
    let advice = "Leave out what stands before the @: wstp can't give a name and a password yet.";
    Failure::new(Code::Usage, "A name and a password don't belong into an address.", advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_source_is_a_server_and_a_path() {
        for (typed, source) in [
            ("localhost", "ws://localhost:3000/"),
            ("localhost/", "ws://localhost:3000/"),
            ("127.0.0.1:4000/a/b c.txt", "ws://127.0.0.1:4000/a/b c.txt"),
            ("Files.Example.ORG./X", "ws://files.example.org:3000/X"),
            ("ws://host:3000/path/to/file", "ws://host:3000/path/to/file"),
            ("ws://host/folder/", "ws://host:80/folder"),
            ("wss://host/a%20b?c#d", "wss://host:443/a%20b?c#d"),
            ("host/odd:name", "ws://host:3000/odd:name"),
            ("[::1]:4000/x", "ws://[::1]:4000/x"),
            ("::1/x", "ws://[::1]:3000/x"),
            ("ws://127.0.0.1:3000/ws", "ws://127.0.0.1:3000/"),
            ("wss://host/ws", "wss://host:443/"),
            ("ws://host:3000/ws/", "ws://host:3000/ws/"),
            ("ws://host:3000/ws/x", "ws://host:3000/ws/x"),
            ("host/ws", "ws://host:3000/ws/"),
            ("WS://host/a@b", "ws://host:80/a@b"),
            ("b\u{fc}cher.example/x", "ws://xn--bcher-kva.example:3000/x"),
            ("http://host:3000/files/sub%20dir/", "ws://host:3000/sub dir"),
            ("HTTPS://Host/files/50%25", "wss://host:443/50%"),
            ("http://[::1]:3000", "ws://[::1]:3000/"),
        ] {
            assert_eq!(Source::parse(typed).map(|source| source.to_string()).as_deref(), Ok(source), "{typed}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused_in_words() {
        for typed in [
            "",
            "/etc/passwd",
            "ftp://host/x",
            "host:",
            "host:0",
            "host:+80",
            "host:70000",
            "user@host",
            "ws://",
            "a b/c",
            "999.1.1.1",
            "a..b",
            "[::1",
            "host/a//b",
            "host/../x",
            "host/a/./b",
            "-o",
        ] {
            let refused = Source::parse(typed).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{typed:?}");
            assert!(refused.what.ends_with('.') && refused.advice.ends_with('.'), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_means_the_same(typed in "(ws://|wss://)?[a-z0-9.\\-\\[\\]:]{1,20}(/[a-z:./]{0,9})?") {
            if let Ok(source) = Source::parse(&typed) {
                prop_assert_eq!(Source::parse(&source.to_string()), Ok(source));
            }
        }

        #[test]
        fn anything_typed_is_either_a_source_or_words(typed in "\\PC{0,60}") {
            let _either_way = Source::parse(&typed);
        }
    }
}

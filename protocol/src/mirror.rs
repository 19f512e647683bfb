//! Addresses under which the folder of a server is served too.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::MAX_MIRROR_URL;

/// The schemes a mirror's address may have.
const SCHEMES: [&str; 4] = ["ws", "wss", "http", "https"];

/// The address of a mirror: a URL (RFC 3986) of plain ASCII, of scheme `ws`, `wss`, `http` or `https`, with a host and perhaps a port and a
/// path; never with a user, a query or a fragment, and never longer than [`MAX_MIRROR_URL`].
///
/// With `ws` and `wss` it is the address of a server's endpoint; with `http` and `https` it is a folder, and a file's path, percent-encoded name
/// by name, stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MirrorUrl(String);

/// Why a text is not a [`MirrorUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorUrlError {
    /// Longer than [`MAX_MIRROR_URL`].
    #[error("the address is longer than {MAX_MIRROR_URL} bytes")]
    TooLong,
    /// Not one of the four schemes.
    #[error("the address does not begin with ws://, wss://, http:// or https://")]
    Scheme,
    /// No host, a user, or a port that is none.
    #[error("the address has no proper host and port")]
    Host,
    /// A query, a fragment, or a character that a URL has only percent-encoded.
    #[error("the address has a character that may only stand there percent-encoded, a query or a fragment")]
    Character,
}

impl MirrorUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// When `text` breaks one of the rules of the type.
    pub fn parse(text: impl Into<String>) -> Result<Self, MirrorUrlError> {
        let text = text.into();
        if text.len() > MAX_MIRROR_URL {
            return Err(MirrorUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(MirrorUrlError::Scheme)?;
        if !SCHEMES.contains(&scheme) {
            return Err(MirrorUrlError::Scheme);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !path.bytes().all(is_of_a_path) {
            return Err(MirrorUrlError::Character);
        }
        if !is_authority(authority) {
            return Err(MirrorUrlError::Host);
        }
        Ok(Self(text))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the mirror speaks this protocol; else it is a folder over plain HTTP.
    #[must_use]
    pub fn is_wstp(&self) -> bool {
        self.0.starts_with("ws")
    }
}

/// The characters of RFC 3986, section 3.3, and the slash.
fn is_of_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte)
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => return address.parse::<std::net::Ipv6Addr>().is_ok() && is_port_suffix(rest),
            None => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    !host.is_empty() && host.bytes().all(is_of_a_name) && is_port_suffix(port)
}

/// Nothing, or a colon and a port.
fn is_port_suffix(text: &str) -> bool {
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    text.is_empty() || text.strip_prefix(':').is_some_and(is_port)
}

impl FromStr for MirrorUrl {
    type Err = MirrorUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for MirrorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MirrorUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_of_folders_and_endpoints() {
        for (text, is_wstp) in [
            ("ws://127.0.0.1:3000/ws", true),
            ("wss://mirror.example/ws", true),
            ("http://mirror.example", false),
            ("https://mirror.example:8443/pub/a%20folder/", false),
            ("http://[::1]:3000/files/", false),
            ("http://host/(a)+b,c;d=e:f@g!h$i&j'k*l~m_n-o.p", false),
        ] {
            assert_eq!(MirrorUrl::parse(text).map(|url| url.is_wstp()), Ok(is_wstp), "{text}");
        }
        let longest = format!("http://h/{}", "p".repeat(MAX_MIRROR_URL - 9));
        assert!(MirrorUrl::parse(longest.clone()).is_ok());
        assert_eq!(MirrorUrl::parse(longest + "p"), Err(MirrorUrlError::TooLong));
    }

    #[test]
    fn refuses_everything_else() {
        for (text, error) in [
            ("", MirrorUrlError::Scheme),
            ("mirror.example", MirrorUrlError::Scheme),
            ("ftp://mirror.example", MirrorUrlError::Scheme),
            ("javascript:alert(1)//://", MirrorUrlError::Scheme),
            ("HTTP://mirror.example", MirrorUrlError::Scheme),
            ("file:///etc/passwd", MirrorUrlError::Scheme),
            ("http://", MirrorUrlError::Host),
            ("http:///folder", MirrorUrlError::Host),
            ("http://user:word@host/", MirrorUrlError::Host),
            ("http://user@host/", MirrorUrlError::Host),
            ("http://host:/", MirrorUrlError::Host),
            ("http://host:0/", MirrorUrlError::Host),
            ("http://host:65536/", MirrorUrlError::Host),
            ("http://host:+1/", MirrorUrlError::Host),
            ("http://[::1", MirrorUrlError::Host),
            ("http://[zz]/", MirrorUrlError::Host),
            ("http://höst/", MirrorUrlError::Host),
            ("http://host?q", MirrorUrlError::Host),
            ("http://host/a b", MirrorUrlError::Character),
            ("http://host/a?b", MirrorUrlError::Character),
            ("http://host/a#b", MirrorUrlError::Character),
            ("http://host/<b>", MirrorUrlError::Character),
            ("http://host/sp\u{e4}\u{df}", MirrorUrlError::Character),
            ("http://host/a\r\nb", MirrorUrlError::Character),
        ] {
            assert_eq!(MirrorUrl::parse(text), Err(error), "{text:?}");
        }
    }
}

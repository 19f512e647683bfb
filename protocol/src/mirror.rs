//! Other addresses of a server's shared folder.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::MAX_MIRROR_URL;

/// The schemes a mirror's address may have.
const SCHEMES: [&str; 4] = ["ws", "wss", "http", "https"];

/// The address of a mirror: a URL (RFC 3986) of plain ASCII, of at most [`MAX_MIRROR_URL`] bytes. Its scheme is `ws`,
/// `wss`, `http` or `https`. It has a host and perhaps a port and a path, but never a user, a query or a fragment.
///
/// With `ws` and `wss` it is the address of a server's endpoint. With `http` and `https` it is a folder; the path of a
/// file follows it, percent-encoded name by name.
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
    /// No host, a user, or an invalid port.
    #[error("the address has no proper host and port")]
    Host,
    /// A query, a fragment, or a character that a URL must percent-encode.
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

    /// Whether a client of the server at the URL `server` may follow its suggestion without asking the user. It may not
    /// go from an encrypted connection to one in the clear. It may not go from elsewhere into the user's own network
    /// (`docs/protocol.md`, section 15).
    #[must_use]
    pub fn may_be_followed_from(&self, server: &str) -> bool {
        let is_secure = |url: &str| url.starts_with("wss://") || url.starts_with("https://");
        let is_neighbour = || Self::parse(server).is_ok_and(|server| server.is_private());
        (is_secure(&self.0) || !is_secure(server)) && (!self.is_private() || is_neighbour())
    }

    /// Whether the host is this computer or in a network of the user's own (RFC 1918, 4193, 6761, 6762).
    #[must_use]
    pub fn is_private(&self) -> bool {
        let authority = self.0.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        match host.parse() {
            Ok(IpAddr::V4(ip)) => is_private_v4(ip),
            Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => is_private_v4(ip),
                None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified(),
            },
            Err(_) => is_private_name(host),
        }
    }

    /// Whether the mirror speaks this protocol. Otherwise it is a folder over plain HTTP.
    #[must_use]
    pub fn is_wstp(&self) -> bool {
        self.0.starts_with("ws")
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()
}

/// A name without a dot, or in a domain that is never resolved outside. Also a text that a resolver may read as an
/// address, such as `127.1` or `0x7f.1`.
fn is_private_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.contains('.')
        || ["localhost", "local", "internal"].contains(&last)
        || last.starts_with(|first: char| first.is_ascii_digit())
        || host.contains('%')
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

/// Empty, or a colon and a port.
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
            let url = MirrorUrl::parse(text).unwrap();
            assert_eq!((url.is_wstp(), url.to_string()), (is_wstp, text.to_owned()));
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

    #[test]
    fn what_lies_in_the_users_own_network_is_known() {
        for (host, private) in [
            ("localhost", true),
            ("x.localhost:3000", true),
            ("nas", true),
            ("NAS.local.", true),
            ("127.0.0.1", true),
            ("127.1", true),
            ("10.1.2.3", true),
            ("192.168.1.5:80", true),
            ("169.254.0.1", true),
            ("0.0.0.0", true),
            ("[::1]", true),
            ("[fd00::1]:80", true),
            ("[fe80::1]", true),
            ("[::ffff:10.0.0.1]", true),
            ("files.example.org", false),
            ("notlocalhost.example", false),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("[2001:db8::1]", false),
        ] {
            for (scheme, path) in [("ws", "/ws"), ("https", "")] {
                let url = MirrorUrl::parse(format!("{scheme}://{host}{path}")).unwrap();
                assert_eq!(url.is_private(), private, "{url}");
            }
        }
    }

    #[test]
    fn a_stranger_leads_nobody_into_the_users_network_or_into_the_open() {
        for (server, mirror, may) in [
            ("ws://files.example:3000/ws", "ws://mirror.example/ws", true),
            ("ws://files.example:3000/ws", "http://192.168.1.1/", false),
            ("ws://192.168.1.5:3000/ws", "http://192.168.1.1/", true),
            ("ws://192.168.1.5:3000/ws", "http://mirror.example/", true),
            ("wss://files.example/ws", "https://mirror.example/", true),
            ("wss://files.example/ws", "http://mirror.example/", false),
            ("wss://127.0.0.1/ws", "ws://127.0.0.1/ws", false),
            ("ws://b\u{fc}cher.example:3000/ws", "ws://localhost/ws", false),
        ] {
            let url = MirrorUrl::parse(mirror).unwrap();
            assert_eq!(url.may_be_followed_from(server), may, "{server} to {mirror}");
        }
    }
}

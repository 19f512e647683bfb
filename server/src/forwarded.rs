//! The client's address behind a proxy: `Forwarded` (RFC 7239) or `X-Forwarded-For`. Only a proxy that the configuration
//! trusts is believed, and only in the field that it sets. Many proxies pass on the other one as the client made it up.
//!
//! Each proxy adds the address of its own peer at the end. So the list is read from its end, and the first address that
//! belongs to no trusted proxy is the client's. Whatever stands before it, the client may have made up.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies in front of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// The field in which they name the client.
    pub field: Field,
    /// The field in which they name the user who is logged in there.
    pub identity: Option<HeaderName>,
}

impl Proxies {
    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address.to_canonical()))
    }
}

/// The field in which a proxy names its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// The facts that a trusted proxy adds to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The user who is logged in at the proxy.
    pub user: Option<String>,
    /// Whether the client's connection to the proxy is encrypted.
    pub is_encrypted: bool,
}

/// The facts that the proxy at `peer` adds to a request. Nobody else is believed.
pub fn told(peer: SocketAddr, headers: &HeaderMap, proxies: &Proxies) -> Told {
    if !proxies.is_trusted(peer.ip()) {
        return Told::default();
    }
    // A proxy that sets the field replaces the client's. Two of them come from one that adds.
    let only = |field: &HeaderName| {
        let mut values = headers.get_all(field).iter();
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    };
    let user = proxies.identity.as_ref().and_then(only).filter(|name| !name.is_empty()).map(str::to_owned);
    let is_encrypted = match proxies.field {
        Field::XForwardedFor => only(&X_FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        Field::Forwarded => {
            only(&header::FORWARDED).is_some_and(|line| line.to_ascii_lowercase().contains("proto=https"))
        }
    };
    Told { user, is_encrypted }
}

/// The address of the client that sent a request, whose connection comes from `peer`. The port is the peer's.
pub fn client(peer: SocketAddr, headers: &HeaderMap, proxies: &Proxies) -> SocketAddr {
    let is_trusted = |address: IpAddr| proxies.is_trusted(address);
    if !is_trusted(peer.ip()) {
        return peer;
    }
    let field = match proxies.field {
        Field::XForwardedFor => X_FORWARDED_FOR,
        Field::Forwarded => header::FORWARDED,
    };
    let lines: Vec<_> = headers.get_all(&field).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let mut client = peer.ip();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let named = if proxies.field == Field::Forwarded { forwarded_for(hop) } else { address(hop) };
        let Some(address) = named else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    SocketAddr::new(client, peer.port())
}

/// Whether a client is on this machine. A proxy on this machine that is not trusted makes every client look so.
pub fn is_here(client: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> bool {
    let is_forwarded = ["forwarded", "x-forwarded-for", "via"].iter().any(|field| headers.contains_key(*field));
    client.to_canonical().is_loopback() && !(proxies.trusted.is_empty() && is_forwarded)
}

/// The address in `for=` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, maybe with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, field: Field, lines: &[&'static str]) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        let (named, other) = match field {
            Field::XForwardedFor => ("x-forwarded-for", "forwarded"),
            Field::Forwarded => ("forwarded", "x-forwarded-for"),
        };
        // The client made up the other one.
        headers.append(other, "for=198.51.100.1, 198.51.100.1".parse().unwrap());
        for line in lines {
            headers.append(named, line.parse().unwrap());
        }
        client(format!("{peer}:7").parse().unwrap(), &headers, &Proxies { trusted, field, identity: None })
            .ip()
            .to_string()
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_nobody_else_does() {
        for (peer, field, lines, expected) in [
            ("10.0.0.1", Field::XForwardedFor, &["192.0.2.1"][..], "192.0.2.1"),
            ("[::ffff:10.0.0.1]", Field::XForwardedFor, &["192.0.2.1"], "192.0.2.1"),
            ("[::1]", Field::XForwardedFor, &["192.0.2.1:80"], "192.0.2.1"),
            ("[::1]", Field::XForwardedFor, &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", Field::XForwardedFor, &["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", Field::XForwardedFor, &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", Field::Forwarded, &["for=203.0.113.9, for=\"[2001:db8::1]:80\";proto=https"], "2001:db8::1"),
            ("10.0.0.1", Field::Forwarded, &["proto=https;For=192.0.2.1;by=10.0.0.1"], "192.0.2.1"),
            // Spoofed: not from a trusted proxy, or behind what a proxy can't have said.
            ("192.0.2.7", Field::XForwardedFor, &["203.0.113.9"], "192.0.2.7"),
            ("192.0.2.7", Field::Forwarded, &["for=203.0.113.9"], "192.0.2.7"),
            ("10.0.0.1", Field::XForwardedFor, &["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", Field::Forwarded, &["for=unknown"], "10.0.0.1"),
            ("10.0.0.1", Field::XForwardedFor, &[], "10.0.0.1"),
        ] {
            assert_eq!(seen(peer, field, lines), expected, "{peer} {field:?} {lines:?}");
        }
    }
}

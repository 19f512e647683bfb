//! The values of single settings: each type holds only what a server can use, and its error says what to write.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderName, header};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wstp_protocol::limits::MAX_MIRRORS;
use wstp_protocol::{MirrorUrl, SharePath};

/// Most clients that can be allowed at once.
const MAX_CONNECTIONS: u32 = 65_536;

/// An address and a port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// The certificate that encrypts connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// A certificate that the server makes for itself.
    SelfSigned,
    /// A certificate that an authority gives by ACME.
    Acme,
    /// The certificate in this file.
    File(PathBuf),
}

/// The name of a field of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub(super) HeaderName);

/// A name of this server, alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostName(pub(super) String);

/// The name of a share: the first name of each path in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ShareName(pub(super) String);

/// Other places of the same files, as many as the protocol can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(pub Vec<MirrorUrl>);

/// Most clients at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MaxConnections(pub u32);

/// `ADDRESS:PORT`, `localhost:PORT`, `:PORT` for every address of the machine, or `PORT` for this machine alone.
impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WORDS: &str = "write ADDRESS:PORT, such as 0.0.0.0:3000, :3000 for every address of this machine, or \
                             3000 or localhost:3000 for this machine alone";
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        if let Ok(port) = text.parse() {
            return Ok(Self((here, port).into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(WORDS)?;
        let port: u16 = port.parse().map_err(|_| WORDS)?;
        match host {
            "" => Ok(Self((Ipv4Addr::UNSPECIFIED, port).into())),
            host if host.eq_ignore_ascii_case("localhost") => Ok(Self((here, port).into())),
            _ => Err(WORDS),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl FromStr for TlsSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("write acme, self-signed, or the name of a file with a certificate"),
            "self-signed" => Ok(Self::SelfSigned),
            "acme" => Ok(Self::Acme),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Serialize for TlsSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::SelfSigned => serializer.serialize_str("self-signed"),
            Self::Acme => serializer.serialize_str("acme"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TlsSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// With anything around it, a name would never match a client's name for the server.
impl FromStr for HostName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = Authority::try_from(text).ok().filter(|authority| authority.host() == text);
        let name = authority.ok_or("a name alone is needed, without scheme, port and path, such as nas.example")?;
        Ok(Self(name.host().to_owned()))
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// A field that has another meaning would let everybody pass as a user.
impl FromStr for FieldName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WORDS: &str = "write the name of a field that the proxy sets, such as Remote-User or X-Forwarded-User";
        let name: HeaderName = text.parse().map_err(|_| WORDS)?;
        let has_other_meaning =
            [header::HOST, header::ORIGIN, header::AUTHORIZATION, header::COOKIE, header::USER_AGENT];
        if has_other_meaning.contains(&name) { Err(WORDS) } else { Ok(Self(name)) }
    }
}

impl Serialize for FieldName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl FromStr for ShareName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('.') {
            return Err("the name of a share can't begin with a dot".to_owned());
        }
        SharePath::root().join(text).map_err(|error| format!("{text:?} can't name a share: {error}"))?;
        Ok(Self(text.to_owned()))
    }
}

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ShareName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ShareName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Mirrors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.len() > MAX_MIRRORS {
            return Err(serde::de::Error::custom(format!("there can't be more than {MAX_MIRRORS} mirrors")));
        }
        let urls: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
        urls.map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Mirrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(MirrorUrl::to_string))
    }
}

impl<'de> Deserialize<'de> for MaxConnections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            number @ 1..=MAX_CONNECTIONS => Ok(Self(number)),
            _ => Err(serde::de::Error::custom(format!("a number from 1 to {MAX_CONNECTIONS} is needed"))),
        }
    }
}

/// A value that is written as text.
pub(super) fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_short_forms() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), address, "{text}");
        }
        for text in ["", ":", "99999", ":99999", "nas.example:80", "0.0.0.0", "::1", "8080:", "-1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}

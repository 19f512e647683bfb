//! The settings of ACME, below `[acme]`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Deserializer, Serialize};

use super::values::{HostName, from_text};

/// The authority when nobody names one: Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How a certificate is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSettings {
    /// The names of the certificate.
    pub domains: Vec<Domain>,
    /// The address that the authority may write to.
    pub contact: Vec<Contact>,
    /// The authority.
    pub directory: DirectoryUrl,
    /// The certificate that the authority's own server is trusted by, in PEM; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The folder for account and certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// Whether the user agrees to the authority's terms of service.
    pub terms_agreed: bool,
}

/// A name that an authority can verify by TLS-ALPN-01: of DNS, and one alone (RFC 8737, section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Domain(String);

/// An address for the authority's messages (RFC 8555, section 7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contact(String);

/// The directory of an authority (RFC 8555, section 7.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectoryUrl(String);

impl Domain {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Contact {
    /// The address, with `mailto:`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DirectoryUrl {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DirectoryUrl {
    fn default() -> Self {
        Self(LETS_ENCRYPT.to_owned())
    }
}

impl FromStr for Domain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WORDS: &str =
            "write a name that DNS knows, such as nas.example; wildcards and IP addresses can't be verified";
        let name = text.parse::<HostName>().map_err(|_| WORDS)?.as_str().to_ascii_lowercase();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if !is_plain || name.parse::<IpAddr>().is_ok() { Err(WORDS) } else { Ok(Self(name)) }
    }
}

impl FromStr for Contact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.strip_prefix("mailto:").unwrap_or(text);
        let is_address = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        if !is_address || address.contains(|char: char| char.is_whitespace() || ",?".contains(char)) {
            return Err("write an e-mail address, such as admin@nas.example");
        }
        Ok(Self(format!("mailto:{address}")))
    }
}

impl FromStr for DirectoryUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.parse::<Uri>().is_ok_and(|url| url.scheme_str() == Some("https") && url.host().is_some());
        if is_url { Ok(Self(text.to_owned())) } else { Err("write the https:// address of an ACME directory") }
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Contact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for DirectoryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_that_can_be_verified() {
        assert_eq!("NAS.example".parse::<Domain>().unwrap().as_str(), "nas.example");
        for wrong in
            ["", "*.example", "192.0.2.1", "[::1]", "https://nas.example", "nas.example:443", "b\u{fc}cher.example"]
        {
            assert!(wrong.parse::<Domain>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_contact_is_an_address_with_its_scheme() {
        for text in ["a@nas.example", "mailto:a@nas.example"] {
            assert_eq!(text.parse::<Contact>().unwrap().as_str(), "mailto:a@nas.example");
        }
        for wrong in ["", "anna", "@", "a@", "a@b, c@d", "a b@c", "a@b?subject=c"] {
            assert!(wrong.parse::<Contact>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_authority_is_asked_over_tls_alone() {
        assert!("https://localhost:14000/dir".parse::<DirectoryUrl>().is_ok());
        for wrong in ["", "ca.example", "http://ca.example/directory", "https://"] {
            assert!(wrong.parse::<DirectoryUrl>().is_err(), "{wrong}");
        }
    }
}

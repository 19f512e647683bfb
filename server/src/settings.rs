//! The settings of a server as people write them: in `wstp.toml`, or on the command line.
//!
//! Each value is checked where it is read, so an error names its line. A key that is not known is an error too: a typing
//! mistake must not open a share.

mod acme;
mod values;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::access::Allowance;
use crate::base::Base;
use crate::config::{Audience, Config, Share};
use crate::congestion::Congestion;
use crate::forwarded::{Field, Proxies};

pub use acme::{AcmeSettings, Contact, DirectoryUrl, Domain};
pub use values::{FieldName, HostName, Listen, MaxConnections, Mirrors, ShareName, TlsSource};

/// A file with every key, its meaning and its default, for `wstp-server config init`.
pub const TEMPLATE: &str = include_str!("../wstp.toml");

/// The settings. Paths are absolute once they were read from a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on.
    pub listen: Listen,
    /// The prefix of every path.
    pub base: Base,
    /// The certificate that encrypts connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSource>,
    /// The key of the certificate, if it is not in the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// The addresses of proxies that name the real clients.
    pub trusted_proxies: Vec<IpNet>,
    /// The field in which they do.
    pub proxy_field: Field,
    /// The field in which a trusted proxy names the user who is logged in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_header: Option<FieldName>,
    /// The places from which the administration page answers.
    pub admin: Audience,
    /// The places from which the figures at `/metrics` can be read without logging in.
    pub metrics: Audience,
    /// Whether everybody may read every share, without logging in.
    pub public: bool,
    /// Whether names that begin with a dot are served.
    pub hidden: bool,
    /// Further names of this server.
    pub allow_hosts: Vec<HostName>,
    /// Other places of the same files.
    pub mirrors: Mirrors,
    /// Most clients at once.
    pub max_connections: MaxConnections,
    /// KiB a second that all clients together get at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU64>,
    /// KiB a second that each client gets at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_rate: Option<NonZeroU64>,
    /// The folder for users and tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// The folder for computed hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// Most space the kept hashes may take, in MiB.
    pub cache_limit: u64,
    /// The congestion control to ask the system for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion: Option<String>,
    /// How a certificate is asked for, if it comes by ACME.
    #[serde(skip_serializing_if = "is_default")]
    pub acme: AcmeSettings,
    /// The shared folders by name.
    pub shares: BTreeMap<ShareName, ShareSettings>,
}

fn is_default(settings: &AcmeSettings) -> bool {
    settings == &AcmeSettings::default()
}

/// The settings of one share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSettings {
    /// The folder.
    pub path: PathBuf,
    /// Whether everybody may read it, without logging in.
    #[serde(default)]
    pub public: bool,
    /// Whether its names that begin with a dot are served; as for the whole server by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// KiB a second that all clients together get of it at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU64>,
    /// Whether it is shared at the moment.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub on: bool,
}

const fn yes() -> bool {
    true
}

/// Why settings can't be used, in words that name the file, the line and the reason.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read.
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file has a mistake.
    #[error("{path:?}, line {line}: {reason}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, beginning at 1.
        line: usize,
        /// The mistake, in words.
        reason: String,
    },
}

impl Settings {
    /// The settings in a file. Relative paths are relative to the file's folder.
    ///
    /// # Errors
    /// When the file can't be read, or has a mistake.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut settings = Self::parse(&text).map_err(|(line, reason)| SettingsError::Wrong {
            path: path.to_owned(),
            line,
            reason,
        })?;
        let folder = std::path::absolute(path).map_err(unreadable)?;
        let folder = folder.parent().unwrap_or(Path::new("/"));
        let certificate = match &mut settings.tls {
            Some(TlsSource::File(path)) => Some(path),
            _ => None,
        };
        let acme = [&mut settings.acme.ca, &mut settings.acme.cache_dir];
        let others = [&mut settings.cache_dir, &mut settings.state_dir, &mut settings.tls_key];
        let others = others.into_iter().chain(acme).flatten().chain(certificate);
        for path in settings.shares.values_mut().map(|share| &mut share.path).chain(others) {
            *path = folder.join(&*path);
        }
        Ok(settings)
    }

    /// The settings in a text.
    ///
    /// # Errors
    /// The line with the mistake, and the reason.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            (line, error.message().to_owned())
        })
    }

    /// The names of this server besides the machine's own.
    fn names(&self) -> Vec<String> {
        let certified = self.acme.domains.iter().filter(|_| self.tls == Some(TlsSource::Acme)).map(Domain::as_str);
        self.allow_hosts.iter().map(HostName::as_str).chain(certified).map(str::to_owned).collect()
    }

    /// The configuration of a server with these settings. A folder `alone` is the one share in place of all others, and
    /// lies at the root.
    #[must_use]
    pub fn config(self, alone: Option<PathBuf>) -> Config {
        let rates = self.shares.iter().filter(|_| alone.is_none());
        let allowed_hosts = self.names();
        let share_rates =
            rates.filter_map(|(ShareName(name), share)| Some((name.clone(), bytes(share.rate?)))).collect();
        let shares = match alone {
            Some(path) => vec![Share { name: None, path, public: self.public, hidden: self.hidden, on: true }],
            None => self.shares.into_iter().map(|(name, share)| share.config(name, self.public, self.hidden)).collect(),
        };
        Config {
            shares,
            base: self.base,
            admin: self.admin,
            metrics: self.metrics,
            proxies: Proxies {
                trusted: self.trusted_proxies,
                field: self.proxy_field,
                identity: self.identity_header.map(|FieldName(name)| name),
            },
            cache_dir: self.cache_dir,
            cache_limit: self.cache_limit.saturating_mul(1 << 20),
            max_connections: self.max_connections.0 as usize,
            per_caller: Allowance { rate: self.client_rate.map(bytes), ..Allowance::default() },
            rate: self.rate.map(bytes),
            share_rates,
            allowed_hosts,
            mirrors: self.mirrors.0,
            congestion: self.congestion.map_or_else(Congestion::default, Congestion::named),
            ..Config::default()
        }
    }
}

/// Bytes of so many KiB.
fn bytes(kib: NonZeroU64) -> NonZeroU64 {
    kib.saturating_mul(NonZeroU64::new(1024).expect("1024 is not 0"))
}

impl ShareSettings {
    fn config(self, ShareName(name): ShareName, public: bool, hidden: bool) -> Share {
        let (public, hidden) = (public || self.public, self.hidden.unwrap_or(hidden));
        Share { name: Some(name), path: self.path, public, hidden, on: self.on }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen((Ipv4Addr::LOCALHOST, 3000).into()),
            base: Base::default(),
            tls: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            proxy_field: Field::default(),
            identity_header: None,
            admin: Audience::default(),
            metrics: Audience::default(),
            public: false,
            hidden: false,
            allow_hosts: Vec::new(),
            mirrors: Mirrors::default(),
            max_connections: MaxConnections(256),
            rate: None,
            client_rate: None,
            state_dir: None,
            cache_dir: None,
            cache_limit: 4096,
            congestion: None,
            acme: AcmeSettings::default(),
            shares: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_every_key_with_its_default() {
        assert_eq!(Settings::parse(TEMPLATE), Ok(Settings::default()));
        let keys = TEMPLATE.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')));
        let text: String = keys.map(|line| format!("{line}\n")).collect();
        let all = Settings::parse(&text).unwrap();
        // Those that depend on the machine are examples, and the defaults of the rest are true.
        let Settings { tls, tls_key, acme, identity_header, cache_dir, state_dir, .. } = all.clone();
        let Settings { congestion, shares, rate, client_rate, .. } = all.clone();
        assert!(tls.is_some() && tls_key.is_some() && cache_dir.is_some() && state_dir.is_some(), "{text}");
        assert!(identity_header.is_some() && congestion.is_some() && !shares.is_empty(), "{text}");
        assert!(rate.is_some() && client_rate.is_some(), "{text}");
        let AcmeSettings { domains, contact, ca, cache_dir: acme_dir, .. } = acme;
        assert!(!domains.is_empty() && !contact.is_empty() && ca.is_some() && acme_dir.is_some(), "{text}");
        let acme = AcmeSettings { domains, contact, ca, cache_dir: acme_dir, ..AcmeSettings::default() };
        let defaults = Settings { tls, tls_key, acme, identity_header, cache_dir, state_dir, ..Settings::default() };
        let examples = Settings { congestion, shares, rate, client_rate, ..defaults };
        assert_eq!(all.clone(), examples);
        let written = toml::to_string(&all).unwrap();
        for key in written.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
            assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is not in the template");
        }
        assert_eq!(Settings::parse(&written), Ok(all));
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, line, reason) in [
            ("public = true\nlisen = \"3000\"", 2, "unknown field `lisen`"),
            ("\n\nlisten = \"nas:x\"", 3, "ADDRESS:PORT"),
            ("[shares.films]\npath = \"/a\"\npubic = true", 3, "unknown field `pubic`"),
            ("[shares.films]\npublic = true", 1, "missing field `path`"),
            ("[shares.\"a/b\"]\npath = \"/a\"", 1, "can't name a share"),
            ("[shares.\"..\"]\npath = \"/a\"", 1, "can't begin with a dot"),
            ("max_connections = 0", 1, "from 1 to 65536"),
            ("allow_hosts = [\"http://nas\"]", 1, "a name alone"),
            ("[acme]\ndomains = [\"*.example\"]", 2, "wildcards"),
            ("mirrors = [\"gopher://nas/\"]", 1, ""),
            ("public = yes", 1, ""),
            ("public = true\npublic = false", 2, "duplicate"),
        ] {
            let (found, words) = Settings::parse(text).unwrap_err();
            assert!(found == line && words.contains(reason), "{text}: line {found}: {words}");
        }
    }
}

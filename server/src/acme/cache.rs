//! The files that outlive the server: the account at an authority, and the certificate with its key. Only the owner can read them.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use instant_acme::AccountCredentials;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::kept_file;

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.pem";

/// The folder of one authority. Its methods are blocking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache(PathBuf);

/// The facts that a certificate tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The names that it is for.
    pub names: BTreeSet<String>,
    /// Its beginning, in seconds since 1970.
    pub begins: u64,
    /// Its end, in seconds since 1970.
    pub ends: u64,
}

impl Cache {
    /// The folder of the authority at this URL. Nothing is made yet.
    pub fn new(folder: &Path, directory: &str) -> Self {
        let name = directory.trim_start_matches("https://");
        let name: String = name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
        Self(folder.join(name))
    }

    /// The file with the certificate, those that lead from it to the authority, and the key.
    pub fn certificate_file(&self) -> PathBuf {
        self.0.join(CERTIFICATE)
    }

    /// The account; `None` if there is none yet. One that can't be read is none: another account costs nothing.
    pub fn account(&self) -> io::Result<Option<AccountCredentials>> {
        match std::fs::read(self.0.join(ACCOUNT)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the ACME account can't be read: a new one is made"))
                .ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the account.
    pub fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        self.keep(ACCOUNT, &serde_json::to_vec(account)?)
    }

    /// Forgets the account, which the authority does not know any more.
    pub fn forget_account(&self) -> io::Result<()> {
        std::fs::remove_file(self.0.join(ACCOUNT))
    }

    /// The certificate; `None` if there is none, or none that can be read.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::read(CertificateDer::from_pem_file(self.certificate_file()).ok()?.as_ref())
    }

    /// Keeps a certificate and its key, in PEM.
    pub fn keep_certificate(&self, pem: &str) -> io::Result<()> {
        self.keep(CERTIFICATE, pem.as_bytes())
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        kept_file::make_folder(&self.0)?;
        kept_file::replace(&self.0.join(name), bytes)
    }
}

impl Certificate {
    /// The facts in a certificate in DER; `None` if it can't be read.
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()??.value.general_names.iter();
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        let validity = certificate.validity();
        let seconds = |time: i64| u64::try_from(time).ok();
        Some(Self {
            names: names.collect(),
            begins: seconds(validity.not_before.timestamp())?,
            ends: seconds(validity.not_after.timestamp())?,
        })
    }

    /// How long it can stay: until a third of its life is left. One for other names is due at once. `now` is in seconds
    /// since 1970.
    pub fn rest(&self, domains: &[String], now: u64) -> Duration {
        if self.names != domains.iter().cloned().collect() {
            return Duration::ZERO;
        }
        let due = self.ends - self.ends.saturating_sub(self.begins) / 3;
        Duration::from_secs(due.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left_or_names_changed() {
        let domains = ["a.example".to_owned(), "b.example".to_owned()];
        let certificate = Certificate { names: domains.iter().cloned().collect(), begins: 100 * DAY, ends: 190 * DAY };
        let rest = |domains: &[String], day| certificate.rest(domains, day * DAY).as_secs() / DAY;
        assert_eq!([100, 159, 160, 200].map(|day| rest(&domains, day)), [60, 1, 0, 0]);
        assert_eq!(rest(&domains[..1], 100), 0);
        assert_eq!(rest(&["b.example".to_owned(), "a.example".to_owned()], 100), 60);
    }

    #[test]
    fn a_certificate_says_for_what_it_is_and_how_long() {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2026, 4, 1));
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let read = Certificate::read(made.der()).unwrap();
        let expected = (["a.example".to_owned()].into(), 1_767_225_600, 1_775_001_600);
        assert_eq!((read.names, read.begins, read.ends), expected);
        assert_eq!(Certificate::read(b"nonsense"), None);
    }

    #[test]
    fn what_is_kept_is_its_owners_alone_and_each_authority_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("acme"), "https://ca.example/a/directory");
        assert!(cache.account().unwrap().is_none() && cache.certificate().is_none());
        cache.keep_certificate("text").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = cache.certificate_file();
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        assert!(cache.certificate().is_none());
        let other = Cache::new(&folder.path().join("acme"), "https://ca.example/b/directory");
        assert_ne!(other.certificate_file(), file);
        std::fs::write(file.with_file_name(ACCOUNT), "{").unwrap();
        assert!(cache.account().unwrap().is_none());
    }
}

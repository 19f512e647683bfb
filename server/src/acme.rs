//! Certificates by ACME (RFC 8555). The server proves its names at its own port, by TLS-ALPN-01 (RFC 8737).
//!
//! The certificate is a file of the cache, and `tls` shows it like any other. An order that fails changes nothing: the
//! certificate before stays, the log and the events say why, and each further try comes later.

mod cache;
mod order;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::accounts::now;
use crate::events::{Events, date};
use crate::settings::AcmeSettings;
use crate::tls::{Files, Tls};
use cache::{Cache, Certificate};

/// How often the server looks whether the certificate is due. Clocks change, and machines sleep.
const LOOK: Duration = Duration::from_secs(3600);
/// Longest time that an order may take.
const ORDER: Duration = Duration::from_secs(600);
/// Seconds of the pauses after failures. Let's Encrypt bears five an hour.
const PAUSES: [u64; 5] = [60, 300, 1500, 7500, 6 * 3600];

/// How certificates are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    domains: Vec<String>,
    contact: Vec<String>,
    directory: String,
    ca: Option<PathBuf>,
    cache: Cache,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The settings name no domain.
    #[error(
        "name the domains of the certificate: domains = [\"nas.example\"] below [acme], or --acme-domain nas.example"
    )]
    NoDomain,
    /// The user did not agree to the terms.
    #[error(
        "the authority at {0} has terms of service. Read them. If you agree to them, write terms_agreed = true below \
         [acme], or add --acme-agree-terms"
    )]
    TermsNotAgreed(String),
    /// No folder for account and certificate.
    #[error("there is no folder for the certificate: name one with --acme-cache DIR or --state-dir DIR")]
    NoFolder,
    /// The cache fails.
    #[error("the cache of ACME: {0}")]
    Cache(#[from] std::io::Error),
    /// The authority does not prove names at the server's port.
    #[error("the authority does not offer TLS-ALPN-01 for {0}")]
    NoChallenge(String),
    /// The authority looked for the server and did not find it.
    #[error("the authority could not verify {name}: {reason}. Port 443 of {name} has to lead to this server")]
    NotProved {
        /// The domain.
        name: String,
        /// The authority's reason.
        reason: String,
    },
    /// The authority forgot the account.
    #[error("the authority does not know the account of this server")]
    NoAccount,
    /// The authority refuses.
    #[error("the authority refuses: {0}")]
    Refused(String),
    /// The authority can't be reached, or says what nobody understands.
    #[error("cannot talk to the authority: {0}")]
    Failed(String),
    /// No key or certificate can be made.
    #[error("cannot make a key: {0}")]
    Key(#[from] rcgen::Error),
    /// The authority takes too long.
    #[error("the authority did not finish within {} minutes", ORDER.as_secs() / 60)]
    TooLong,
}

impl Acme {
    /// The certificate that the settings ask for. The state folder is that of the server.
    ///
    /// # Errors
    /// When something is missing.
    pub fn new(settings: &AcmeSettings, state_dir: Option<&Path>) -> Result<Self, AcmeError> {
        let directory = settings.directory.as_str().to_owned();
        if settings.domains.is_empty() {
            return Err(AcmeError::NoDomain);
        }
        if !settings.terms_agreed {
            return Err(AcmeError::TermsNotAgreed(directory));
        }
        let beside = || state_dir.map(|folder| folder.join("acme"));
        let folder = settings.cache_dir.clone().or_else(beside).ok_or(AcmeError::NoFolder)?;
        Ok(Self {
            domains: settings.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
            contact: settings.contact.iter().map(|contact| contact.as_str().to_owned()).collect(),
            cache: Cache::new(&folder, &directory),
            ca: settings.ca.clone(),
            directory,
        })
    }

    /// The names of the certificate.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// The file that has the certificate, once there is one.
    #[must_use]
    pub fn files(&self) -> Files {
        let file = self.cache.certificate_file();
        Files { certificate: file.clone(), key: file }
    }

    /// Keeps a certificate in the cache for as long as this is polled. Orders one when none is there, when a third of its
    /// life is left, or when the names changed. Polling it may block on the disk of the cache.
    pub(crate) async fn keep(&self, tls: &Tls, events: &Events) {
        let mut failures = 0;
        loop {
            let read = self.cache.certificate();
            let rest = read.as_ref().map_or(Duration::ZERO, |certificate| certificate.rest(&self.domains, now()));
            if rest > Duration::ZERO {
                tokio::time::sleep(rest.min(LOOK)).await;
                continue;
            }
            let pause = match self.renew(tls).await {
                Ok(ends) => {
                    failures = 0;
                    let words = format!("new certificate for {}, until {}", self.domains.join(", "), date(ends));
                    tracing::info!("{words}");
                    events.note(words);
                    // However short its life is, and whatever the clocks say: no authority is asked all the time.
                    LOOK
                }
                Err(error) => {
                    let pause = Duration::from_secs(PAUSES[failures.min(PAUSES.len() - 1)]);
                    failures += 1;
                    let words = self.failure(&error, read, pause);
                    tracing::error!("{words}");
                    events.note(words);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn failure(&self, error: &AcmeError, before: Option<Certificate>, pause: Duration) -> String {
        let before = before
            .map_or("There is none yet".to_owned(), |before| format!("The present one ends at {}", date(before.ends)));
        let domains = self.domains.join(", ");
        let wait = match pause.as_secs() / 60 {
            1 => "a minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        };
        format!("no new certificate for {domains}: {error}. {before}. The next try is in {wait}")
    }

    /// Orders a certificate and shows it. Returns its end, in seconds since 1970.
    async fn renew(&self, tls: &Tls) -> Result<u64, AcmeError> {
        tracing::info!(domains = ?self.domains, directory = self.directory, "asking for a certificate");
        let ordered = tokio::time::timeout(ORDER, order::certificate(self, tls.challenges())).await;
        let pem = ordered.map_err(|_| AcmeError::TooLong)??;
        self.cache.keep_certificate(&pem)?;
        tls.refresh();
        let unreadable = || AcmeError::Failed("its certificate can't be read".to_owned());
        Ok(self.cache.certificate().ok_or_else(unreadable)?.ends)
    }
}

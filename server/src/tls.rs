//! Encryption: rustls with ring. The certificate is read again when its file changes, so a renewed one needs no restart.
//!
//! A connection that begins as plain HTTP is told where to go. One of an authority that looks for the proof of a name
//! (`acme-tls/1`, RFC 8737) gets that proof and nothing else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use sha2::Digest;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, version};

use crate::kept_file;

/// The first byte of a TLS connection.
pub const FIRST_BYTE: u8 = 0x16;

/// The protocol of everybody else.
const HTTP: &[u8] = b"http/1.1";
/// The protocol of an authority that looks for a proof (RFC 8737, section 6.2).
pub const PROOF_PROTOCOL: &[u8] = b"acme-tls/1";

/// The files of a self-signed certificate, in the state folder.
const OWN_CERTIFICATE: &str = "self-signed.pem";
const OWN_KEY: &str = "self-signed.key.pem";

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those that lead from it to an authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM. It may be in the same file.
    pub key: PathBuf,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read, or has no such thing in PEM.
    #[error("cannot read a {what} in {path:?}: {reason}")]
    Unreadable {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate and key don't belong together, or the key is of no use.
    #[error("cannot use the certificate in {path:?}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No certificate can be made.
    #[error("cannot make a certificate: {0}")]
    NotMade(String),
}

/// The encrypting side of the server.
pub struct Tls {
    files: Files,
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
    seen: Mutex<[Option<SystemTime>; 2]>,
}

/// The certificates that are shown now.
#[derive(Debug)]
struct Shown {
    certificate: RwLock<Arc<CertifiedKey>>,
    challenges: Challenges,
}

/// The proofs of names that an authority is about to look for (RFC 8737, section 3).
#[derive(Debug, Default)]
pub struct Challenges(Mutex<HashMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    /// Shows a proof to the authority that looks for this name.
    pub fn answer(&self, name: String, proof: Arc<CertifiedKey>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, proof);
    }

    /// Forgets all proofs.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn proof(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Tls {
    /// Reads a certificate and its key. Blocking.
    ///
    /// # Errors
    /// When they can't be used.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let certificate = read(&files, &ring::default_provider())?;
        Self::showing(certificate, files, vec![HTTP.to_vec()])
    }

    /// The same for files that ACME writes. Until they are there, a self-signed certificate for these names is shown.
    /// Blocking.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn of_acme(files: Files, names: &[String]) -> Result<Self, TlsError> {
        let certificate = match read(&files, &ring::default_provider()) {
            Ok(certificate) => certificate,
            Err(error) => {
                if files.certificate.exists() {
                    tracing::error!(%error, "the certificate in the cache is not used: a new one is asked for");
                }
                placeholder(names)?
            }
        };
        Self::showing(certificate, files, vec![HTTP.to_vec(), PROOF_PROTOCOL.to_vec()])
    }

    fn showing(certificate: CertifiedKey, files: Files, protocols: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let seen = Mutex::new(stamps(&files));
        let certificate = RwLock::new(Arc::new(certificate));
        let shown = Arc::new(Shown { certificate, challenges: Challenges::default() });
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsError::NotMade(error.to_string()))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = protocols;
        Ok(Self { files, shown, acceptor: TlsAcceptor::from(Arc::new(config)), seen })
    }

    /// The proofs that an authority may look for.
    pub fn challenges(&self) -> &Challenges {
        &self.shown.challenges
    }

    /// Encrypts accepted connections.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again if they changed. Blocking. When they can't be used, the certificate before stays.
    pub fn refresh(&self) {
        let now = stamps(&self.files);
        if std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now) == now {
            return;
        }
        match read(&self.files, &ring::default_provider()) {
            Ok(certificate) => {
                *self.shown.certificate.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
                tracing::info!(file = ?self.files.certificate, "the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the changed certificate is not used: the one before stays"),
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_authority = hello.alpn().is_some_and(|mut protocols| protocols.any(|name| name == PROOF_PROTOCOL));
        if is_authority {
            return self.challenges.proof(hello.server_name()?);
        }
        Some(self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A certificate that nobody trusts: connections are encrypted until there is a better one.
fn placeholder(names: &[String]) -> Result<CertifiedKey, TlsError> {
    let not_made = |error: String| TlsError::NotMade(error);
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| not_made(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    CertifiedKey::from_der(vec![made.cert.der().clone()], key, &ring::default_provider())
        .map_err(|error| not_made(error.to_string()))
}

fn read(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let unreadable = |what, path: &Path, reason: String| TlsError::Unreadable { what, path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", &files.certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable("certificate", &files.certificate, "there is none in it".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable("key", &files.key, error.to_string()))?;
    CertifiedKey::from_der(certificates, key, provider)
        .map_err(|error| TlsError::Unusable { path: files.certificate.clone(), reason: error.to_string() })
}

fn stamps(files: &Files) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| std::fs::metadata(path).ok()?.modified().ok())
}

/// The self-signed certificate in a folder. It is made at the first time, for these names, and then stays, so that
/// clients need to trust it once. Blocking.
///
/// # Errors
/// When it can't be made or kept.
pub fn self_signed(folder: &Path, names: Vec<String>) -> Result<Files, TlsError> {
    let files = Files { certificate: folder.join(OWN_CERTIFICATE), key: folder.join(OWN_KEY) };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| TlsError::NotMade(error.to_string()))?;
    let write = |path: &Path, text: &str| {
        kept_file::replace(path, text.as_bytes())
            .map_err(|error| TlsError::NotMade(format!("cannot write {path:?}: {error}")))
    };
    kept_file::make_folder(folder).map_err(|error| TlsError::NotMade(format!("cannot make {folder:?}: {error}")))?;
    write(&files.key, &made.signing_key.serialize_pem())?;
    write(&files.certificate, &made.cert.pem())?;
    Ok(files)
}

/// The SHA-256 of the first certificate in a file, as browsers show it.
///
/// # Errors
/// When there is none.
pub fn fingerprint(file: &Path) -> Result<String, TlsError> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| TlsError::Unreadable {
        what: "certificate",
        path: file.to_owned(),
        reason: error.to_string(),
    })?;
    let digest = sha2::Sha256::digest(&certificate);
    Ok(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
}

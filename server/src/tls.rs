//! Encryption: rustls with ring. The certificate is read again when its file changes, so a renewed one needs no restart.
//!
//! A connection that begins as plain HTTP is told where to go.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
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

/// The first byte of a TLS connection.
pub const FIRST_BYTE: u8 = 0x16;

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
    certificate: Arc<Certificate>,
    acceptor: TlsAcceptor,
    seen: Mutex<[Option<SystemTime>; 2]>,
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Reads a certificate and its key. Blocking.
    ///
    /// # Errors
    /// When they can't be used.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let seen = Mutex::new(stamps(&files));
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(read(&files, &provider)?))));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsError::NotMade(error.to_string()))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files, certificate, acceptor: TlsAcceptor::from(Arc::new(config)), seen })
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
                *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
                tracing::info!(file = ?self.files.certificate, "the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the changed certificate is not used: the one before stays"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
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
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|error| TlsError::NotMade(format!("cannot write {path:?}: {error}")))
    };
    std::fs::create_dir_all(folder).map_err(|error| TlsError::NotMade(format!("cannot make {folder:?}: {error}")))?;
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

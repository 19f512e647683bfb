//! Encryption: rustls with ring. The trusted certificates are those of the system and those that the user names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, client::verify_server_name,
};

use crate::dial::Line;
use crate::exit::{Code, Failure};
use crate::partial::shown;

/// Certificates that the user trusts, beside those that the system trusts.
static NAMED: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

/// Trusts the certificates in these files too, in all connections from now on.
///
/// # Errors
///
/// When one can't be read, or has no certificate in it.
pub fn trust(files: &[PathBuf]) -> Result<(), Failure> {
    let mut certificates = Vec::new();
    for file in files {
        certificates.extend(certificates_in(file)?);
    }
    let _is_called_once = NAMED.set(certificates);
    Ok(())
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = std::fs::read(file).map_err(|error| {
        let what = format!("The file of --ca, {}, can't be read: {error}.", shown(file));
        Failure::new(Code::Usage, what, "Check its name and who may read it.")
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let usable = |found: &Vec<CertificateDer<'_>>| {
        found.iter().all(|found| RootCertStore::empty().add(found.clone().into_owned()).is_ok())
    };
    found.ok().filter(|found| !found.is_empty() && usable(found)).ok_or_else(|| {
        let what = format!("The file of --ca, {}, has no certificates in PEM in it.", shown(file));
        let advice =
            "PEM begins with -----BEGIN CERTIFICATE-----. From DER: openssl x509 -inform der -in FILE -out FILE.pem.";
        Failure::new(Code::Usage, what, advice)
    })
}

/// Encrypts a connection to this host.
///
/// # Errors
///
/// As for the handshake; [`error_in`] finds the reason.
pub async fn wrap(host: &str, line: Line) -> io::Result<Line> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = shared().map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, line).await?))
}

/// The configuration, for libraries that need their own copy.
///
/// # Errors
///
/// In words, when there are no certificates to trust.
pub fn config() -> Result<ClientConfig, String> {
    shared().map(|config| (*config).clone())
}

/// The TLS error inside the error of a connection, which a library may have wrapped.
#[must_use]
pub fn error_in(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| error_in(inner.downcast_ref()?))
}

/// A name in a certificate. rustls reports its kind as well: `DnsName("host")`.
#[must_use]
pub fn shown_name(told: &str) -> &str {
    told.split_once('(').map_or(told, |(_, rest)| rest.trim_end_matches(')').trim_matches('"'))
}

fn shared() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    CONFIG.get_or_init(configure).clone()
}

fn configure() -> Result<Arc<ClientConfig>, String> {
    let named = NAMED.get().map_or(&[][..], Vec::as_slice);
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs.into_iter().chain(named.iter().cloned()));
    if usable == 0 {
        let advice = "install its ca-certificates package, or name one with --ca FILE";
        return Err(format!("this system has no certificates to trust: {advice}"));
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let usual = verifier.build().map_err(|error| error.to_string())?;
    let builder = ClientConfig::builder_with_provider(provider);
    let versions = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let verifier = Arc::new(Verifier { usual, named: named.to_vec() });
    // No less than the usual verification, except for certificates that the user names.
    Ok(Arc::new(versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// The usual verification. It also accepts a server's own certificate that the user named, even if it is marked as an
/// authority's. Certificates that `openssl req -x509` makes are.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.usual.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The validity in time was checked before; the name was not.
            Err(error) if is_marked_as_authority(&error) && self.named.iter().any(|named| named == certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

fn is_marked_as_authority(error: &rustls::Error) -> bool {
    // rustls has no separate kind for it, and passes on webpki's error.
    matches!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity"))
}

//! Encryption: rustls with ring, and the certificates the system trusts.

use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_websockets::Connector;

/// What wraps connections to this kind of server.
///
/// # Errors
///
/// In words, when the system has no certificates to trust.
pub fn connector(secure: bool) -> Result<Connector, String> {
    if !secure {
        return Ok(Connector::Plain);
    }
    shared().map(|config| Connector::Rustls(TlsConnector::from(config)))
}

/// The same for libraries that want to have their own.
///
/// # Errors
///
/// As [`connector`].
pub fn config() -> Result<ClientConfig, String> {
    shared().map(|config| (*config).clone())
}

fn shared() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    CONFIG.get_or_init(configure).clone()
}

fn configure() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err("this system has no certificates to trust: install its ca-certificates package".to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(Arc::new(versions.with_root_certificates(roots).with_no_client_auth()))
}

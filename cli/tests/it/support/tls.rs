//! The work of a reverse proxy: TLS outside, the plain server inside.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use wstp_testkit::Listener;

/// The peculiarity of a self-signed certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing: it is for `localhost`.
    Usual,
    /// It is marked as an authority's.
    Authority,
    /// It is out of date.
    Expired,
    /// It is for another host.
    Elsewhere,
}

impl Certificate {
    fn parameters(self) -> CertificateParams {
        let name = if self == Self::Elsewhere { "elsewhere.example" } else { "localhost" };
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        match self {
            Self::Authority => parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Self::Expired => parameters.not_after = rcgen::date_time_ymd(2001, 2, 3),
            Self::Usual | Self::Elsewhere => {}
        }
        parameters
    }
}

/// TLS in front of a server; it ends when dropped.
pub struct Tls {
    listener: Listener,
    certificate: tempfile::NamedTempFile,
}

impl Tls {
    /// Passes everything on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::with(Certificate::Usual, upstream).await
    }

    /// The same with such a certificate.
    pub async fn with(certificate: Certificate, upstream: SocketAddr) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = certificate.parameters().self_signed(&key).unwrap();
        let certificate = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(certificate.path(), made.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = Listener::start(move |stream| carry(acceptor.clone(), stream, upstream)).await.unwrap();
        Self { listener, certificate }
    }

    /// A source behind it.
    pub fn source(&self, path: &str) -> String {
        format!("wss://localhost:{}/{path}", self.address().port())
    }

    /// The same as a link of plain HTTP.
    pub fn link(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.address().port())
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
    }
}

async fn carry(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) {
    let Ok(mut client) = acceptor.accept(stream).await else { return };
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _either_way = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

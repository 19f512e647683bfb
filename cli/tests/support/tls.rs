//! What a reverse proxy does: TLS outside, the plain server inside.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// TLS in front of a server, for `localhost`; it ends when dropped.
pub struct Tls {
    address: SocketAddr,
    certificate: tempfile::NamedTempFile,
    task: AbortHandle,
}

impl Tls {
    /// Passes everything on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(certificate.path(), made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(acceptor.clone(), stream, upstream));
            }
        };
        Self { address, certificate, task: tokio::spawn(accept).abort_handle() }
    }

    /// A source behind it.
    pub fn source(&self, path: &str) -> String {
        format!("wss://localhost:{}/{path}", self.address.port())
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) {
    let Ok(mut client) = acceptor.accept(stream).await else { return };
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _either_way = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

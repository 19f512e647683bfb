//! Encryption: a certificate, its change, and clients that speak plain HTTP to the port.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wstp_protocol::{ServerMessage, VERSIONS};

use crate::support::plain::{Reply, head, request};
use crate::support::{Folder, hello};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn trusting(certificate: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn encrypted(address: &str, certificate: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.unwrap();
    trusting(certificate).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn get(address: &str, certificate: &Path, target: &str) -> Reply {
    let mut stream = encrypted(address, certificate).await.unwrap();
    stream.write_all(head("GET", target, &[]).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Reply::parse(&bytes)
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time");
}

#[tokio::test]
async fn one_port_encrypts_and_tells_others_where_to_go_and_follows_its_certificate() {
    let folder = Folder::new();
    folder.file("share/file", b"content");
    let (state, log) = (folder.path().join("state"), folder.path().join("log"));
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_wstp-server"))
        .arg(folder.path().join("share"))
        .args(["--listen", "0", "--tls", "self-signed", "--cache-dir"])
        .arg(folder.path().join("cache"))
        .arg("--state-dir")
        .arg(&state)
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let address = first.strip_prefix("listening on wss://").unwrap().strip_suffix("/ws").unwrap();
    let second = lines.next_line().await.unwrap().unwrap();
    assert!(second.contains("SHA-256") && second.matches(':').count() == 31, "{second}");
    let certificate = state.join("self-signed.pem");

    assert_eq!(get(address, &certificate, "/files/file").await.body, b"content");
    let stream = encrypted(address, &certificate).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await.unwrap();
    socket.send(tokio_tungstenite::tungstenite::Message::Binary(hello(VERSIONS).encode().into())).await.unwrap();
    let welcome = socket.next().await.unwrap().unwrap().into_data();
    assert!(matches!(ServerMessage::decode(welcome).unwrap(), ServerMessage::Welcome(_)));

    let told = request(address, "GET", "/files/file?a=b", &[]).await;
    assert_eq!((told.status, told.header("location")), (308, Some("https://127.0.0.1/files/file?a=b")), "{told:?}");
    assert!(told.text().contains("wss://127.0.0.1"), "{told:?}");
    assert_eq!(request(address, "POST", "/ws", &[]).await.status, 400);

    // A broken file changes nothing, and a new certificate holds without a restart.
    let key = state.join("self-signed.key.pem");
    std::fs::write(&certificate, "nonsense").unwrap();
    until(async || std::fs::read_to_string(&log).unwrap().contains("the one before stays")).await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let renewed = folder.file("renewed.pem", made.cert.pem().as_bytes());
    assert!(encrypted(address, &renewed).await.is_err());
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    until(async || encrypted(address, &renewed).await.is_ok()).await;
    assert_eq!(get(address, &renewed, "/files/file").await.body, b"content");
}

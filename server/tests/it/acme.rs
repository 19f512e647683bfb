//! Certificates by ACME, from Pebble, the test authority of the makers of Let's Encrypt.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use wstp_testkit::{Authority, LONG, Service, until};

use crate::support::Folder;
use crate::support::plain::{Reply, head};
use crate::tls::trusting;

const SERVER: &str = env!("CARGO_BIN_EXE_wstp-server");
const NAME: &str = "nas.example";

/// A place for a server: its folders, and a socket that outlives it.
struct Place {
    folder: Folder,
    socket: TcpListener,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        folder.file("share/file", b"content");
        let (socket, address) = Service::socket().unwrap();
        Self { folder, socket, address }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the server, which asks the authority for these names.
    async fn start(&self, authority: &Authority, names: &[&str]) -> Service {
        let mut command = Service::handing_over(Path::new(SERVER));
        command.arg(self.folder.path().join("share")).args(["--tls", "acme", "--acme-agree-terms"]);
        command.args(["--acme-contact", "anna@nas.example", "--acme-directory", &authority.directory()]);
        command.args(names.iter().flat_map(|name| ["--acme-domain", name]));
        command.arg("--acme-ca").arg(authority.ca()).arg("--state-dir").arg(self.state());
        command.arg("--cache-dir").arg(self.folder.path().join("cache"));
        let service = Service::start(&mut command, self.socket.try_clone().unwrap(), &self.log_file()).unwrap();
        assert_eq!(service.tells().await.unwrap(), "READY=1");
        service
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    async fn logs(&self, words: &str) {
        let what = format!("{words:?} in the log");
        until(&what, LONG, async || Ok(self.log().contains(words).then_some(()))).await.unwrap();
    }

    /// The output of `wstp-server events`.
    fn events(&self) -> String {
        let output = Command::new(SERVER).args(["events", "--state-dir"]).arg(self.state()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The files of the cache with this name.
    fn cached(&self, name: &str) -> Vec<PathBuf> {
        let authorities = fs::read_dir(self.state().join("acme")).unwrap();
        authorities.map(|folder| folder.unwrap().path().join(name)).filter(|file| file.exists()).collect()
    }

    async fn connect(&self, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        connector.connect(ServerName::try_from(NAME).unwrap(), stream).await
    }

    /// The certificate that the server shows to somebody who trusts a root.
    async fn shown(&self, root: &Path) -> Option<CertificateDer<'static>> {
        let stream = self.connect(&trusting(root)).await.ok()?;
        Some(stream.get_ref().1.peer_certificates()?[0].clone().into_owned())
    }

    /// The same, once there is one.
    async fn comes(&self, root: &Path) -> CertificateDer<'static> {
        until("the certificate", LONG, async || Ok(self.shown(root).await)).await.unwrap()
    }
}

async fn ended(service: Service) {
    service.terminate().unwrap();
    assert!(service.ended().await.unwrap().success());
}

async fn content(mut stream: TlsStream<TcpStream>) -> Vec<u8> {
    stream.write_all(head("GET", "/files/file", &[]).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Reply::parse(&bytes).body
}

#[tokio::test]
async fn a_certificate_comes_by_itself_and_a_restart_asks_for_nothing() {
    let place = Place::new();
    let authority = Authority::start(place.port()).await.unwrap();
    let root = authority.root().await.unwrap();
    let service = place.start(&authority, &[NAME, "films.example"]).await;
    let first = place.comes(&root).await;
    assert_eq!(content(place.connect(&trusting(&root)).await.unwrap()).await, b"content");
    place.logs("new certificate for nas.example, films.example").await;
    assert!(place.log().contains("listening on wss://"));
    for name in ["account.json", "certificate.pem"] {
        let file = &place.cached(name)[0];
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700), "{name}");
    }
    ended(service).await;
    assert!(place.events().contains("new certificate for nas.example, films.example"), "{}", place.events());
    assert!(!place.log().contains("PRIVATE") && !place.events().contains("PRIVATE"));

    let (directory, log) = (authority.directory(), place.log());
    fs::remove_file(place.log_file()).unwrap();
    assert!(log.contains(&directory));
    let service = place.start(&authority, &["films.example", NAME]).await;
    assert_eq!(place.comes(&root).await, first);
    ended(service).await;
    assert!(!place.log().contains(&directory), "nobody was asked: {}", place.log());
}

#[tokio::test]
async fn a_certificate_is_renewed_while_the_server_runs() {
    let place = Place::new();
    let authority = Authority::start(place.port()).await.unwrap();
    let root = authority.root().await.unwrap();
    let service = place.start(&authority, &[NAME]).await;
    let first = place.comes(&root).await;
    ended(service).await;
    let file = &place.cached("certificate.pem")[0];

    // All but a third of its life of an hour is over in a few seconds.
    let now = i64::try_from(wstp_server::accounts::now()).unwrap();
    let at = |seconds: i64| time::OffsetDateTime::from_unix_timestamp(now + seconds).unwrap();
    let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(-2398), at(1202));
    let key = rcgen::KeyPair::generate().unwrap();
    let old = params.self_signed(&key).unwrap();
    fs::write(file, format!("{}{}", key.serialize_pem(), old.pem())).unwrap();
    let old_root = place.folder.file("old.pem", old.pem().as_bytes());

    let service = place.start(&authority, &[NAME]).await;
    let connected = place.connect(&trusting(&old_root)).await.unwrap();
    let renewed = place.comes(&root).await;
    assert_ne!(renewed, first);
    assert_eq!(content(connected).await, b"content", "a connection outlives the certificate that it began with");
    assert!(CertificateDer::from_pem_file(file).unwrap() == renewed);
    ended(service).await;
}

#[tokio::test]
async fn a_refused_order_says_why_and_the_server_goes_on() {
    let place = Place::new();
    let authority = Authority::start(place.port()).await.unwrap();
    let root = authority.root().await.unwrap();
    // Nothing is there yet: connections are encrypted all the same.
    let service = place.start(&authority, &[authority.blocked()]).await;
    place.logs("no new certificate for blocked.example: the authority refuses: ").await;
    place.logs("There is none yet. The next try is in a minute").await;
    assert!(place.log().contains("policy"), "{}", place.log());
    assert!(place.shown(&root).await.is_none());
    let told = TcpStream::connect(place.address).await;
    drop(told.unwrap());
    ended(service).await;
    assert!(place.events().contains("no new certificate for blocked.example"), "{}", place.events());

    let service = place.start(&authority, &[NAME]).await;
    let first = place.comes(&root).await;
    ended(service).await;
    // A further name is refused, so the certificate stays as it was.
    let service = place.start(&authority, &[NAME, authority.blocked()]).await;
    place.logs("The present one ends at ").await;
    assert_eq!(place.shown(&root).await, Some(first));
    assert_eq!(content(place.connect(&trusting(&root)).await.unwrap()).await, b"content");
    ended(service).await;
}

#[tokio::test]
async fn an_authority_that_does_not_find_the_server_is_quoted_with_what_to_do() {
    let place = Place::new();
    let (closed, elsewhere) = Service::socket().unwrap();
    drop(closed);
    let authority = Authority::start(elsewhere.port()).await.unwrap();
    let service = place.start(&authority, &[NAME]).await;
    place.logs("could not verify nas.example: ").await;
    assert!(place.log().contains("Failed to connect to 127.0.0.1"), "{}", place.log());
    assert!(place.log().contains("Port 443 of nas.example has to lead to this server"), "{}", place.log());
    ended(service).await;
}

#[tokio::test]
async fn an_account_that_the_authority_forgot_is_made_anew() {
    let place = Place::new();
    let (before, after) =
        (Authority::start(place.port()).await.unwrap(), Authority::start(place.port()).await.unwrap());
    let service = place.start(&before, &[NAME]).await;
    place.comes(&before.root().await.unwrap()).await;
    ended(service).await;
    let file = &place.cached("account.json")[0];
    let (old, new) = (before.address().port().to_string(), after.address().port().to_string());
    let account = fs::read_to_string(file).unwrap().replace(&old, &new);
    let folder = file.parent().unwrap().to_str().unwrap().replace(&old, &new);
    fs::create_dir(&folder).unwrap();
    fs::write(Path::new(&folder).join("account.json"), &account).unwrap();

    let service = place.start(&after, &[NAME]).await;
    place.comes(&after.root().await.unwrap()).await;
    place.logs("does not know the account any more").await;
    assert_ne!(fs::read_to_string(Path::new(&folder).join("account.json")).unwrap(), account);
    ended(service).await;
}

#[tokio::test]
async fn nobody_gets_a_proof_that_no_authority_is_about_to_look_for() {
    let place = Place::new();
    let authority = Authority::start(place.port()).await.unwrap();
    let root = authority.root().await.unwrap();
    let service = place.start(&authority, &[NAME]).await;
    place.comes(&root).await;
    let mut config = trusting(&root).config().as_ref().clone();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    assert!(place.connect(&TlsConnector::from(Arc::new(config))).await.is_err());
    ended(service).await;
}

#[test]
fn acme_is_refused_in_words_until_all_it_needs_is_said() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(SERVER);
        command.arg(folder.path()).args(["--listen", "0", "--tls", "acme"]).args(arguments);
        command.env("STATE_DIRECTORY", folder.path().join("state"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, words) in [
        (&["--acme-agree-terms"][..], "name the domains"),
        (&["--acme-domain", NAME], "has terms of service. Read them."),
        (&["--acme-domain", "*.example"], "wildcards and IP addresses can't be verified"),
        (&["--acme-domain", NAME, "--acme-directory", "http://ca.example/"], "https:// address of an ACME directory"),
        (&["--acme-domain", NAME, "--acme-contact", "anna"], "write an e-mail address"),
    ] {
        let (code, said) = run(arguments);
        assert!(code == Some(2) && said.contains(words), "{arguments:?}: {code:?} {said}");
    }
    let file = folder.file("wstp.toml", b"tls = \"acme\"\n[acme]\ndomains = [\"nas.example\"]\n");
    let output = Command::new(SERVER).args(["config", "check"]).arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("terms_agreed = true"));
}

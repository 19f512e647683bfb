//! Servers that want to know who the user is: logging in and out, and tokens given for one run.

use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wstp_protocol::SharePath;
use wstp_server::accounts::{Accounts, Book, BookError, PasswordHash, Role, Token, TokenHash, User};
use wstp_server::secret::Secret;
use wstp_server::store::{Layout, LocalStore, Shares};
use wstp_server::{Config, Control, tls};
use wstp_testkit::{Ended, Proxy, Wstp, on_record};

use crate::support::{HELD, MIB, RECORDED, SIZE, command, sample, write, wstp_in};

pub const PASSWORD: &str = "correct horse battery";

/// A server with one user and one token, and its address.
pub async fn server(dir: &Path) -> (Arc<Control>, String) {
    server_with(dir, Config::default()).await
}

async fn server_with(dir: &Path, config: Config) -> (Arc<Control>, String) {
    let password = PasswordHash::of(&Secret::new(PASSWORD)).unwrap();
    let user = User { role: Role::Normal, password, only: Vec::new(), rate: None, volume: None, links: true };
    let only = vec![SharePath::parse("given").unwrap()];
    let hash = TokenHash::of("wstp_given");
    let token = Token { hash, user: None, only, created: 0, expires: None, login: false, downloads: None };
    let mut accounts = Accounts::default();
    accounts.users.insert("anna".parse().unwrap(), user);
    accounts.tokens.insert("00000001".parse().unwrap(), token);
    let control = Arc::new(Control::with_accounts(config, Arc::new(Book::in_memory(accounts))));
    let store = Arc::new(Shares::new(Layout::Root(Arc::new(LocalStore::new(dir, false).unwrap()))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(wstp_server::run_store(listener, control.clone(), store, std::future::pending()));
    (control, address)
}

pub async fn log_in(home: &Path, address: &str, lines: &str) -> Ended {
    log_in_with(home, &[address], lines).await
}

async fn log_in_with(home: &Path, args: &[&str], lines: &str) -> Ended {
    let mut command = command(home, &[&["login"], args].concat());
    command.env("XDG_CONFIG_HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_kept_and_a_logout_ends_it() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(shared.path().join("given")).unwrap();
    std::fs::write(shared.path().join("file"), "content").unwrap();
    std::fs::write(shared.path().join("given/file"), "given").unwrap();
    let (control, address) = server(shared.path()).await;
    let home = here.path().to_str().unwrap().to_owned();
    let run = async |args: &[&str]| wstp_in(here.path(), &[("XDG_CONFIG_HOME", &home)], args).await;
    let (all, file) = (address.clone(), format!("{address}/file"));

    let refused = run(&["ls", &all]).await;
    assert!(refused.code == Some(3) && refused.stderr.contains("wstp login"), "{refused:?}");
    let wrong = log_in(here.path(), &address, "anna\nwrong horse battery\n").await;
    assert!(wrong.code == Some(3) && !wrong.stderr.contains("wrong horse"), "{wrong:?}");
    let done = log_in(here.path(), &address, &format!("anna\n{PASSWORD}\n")).await;
    assert!(done.code == Some(0) && done.stdout.contains("anna (normal)"), "{done:?}");
    let kept = here.path().join("wstp/logins.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&kept).unwrap().contains(PASSWORD));

    for carrier in ["ws", "http"] {
        let listed = run(&["ls", &all, "--carrier", carrier]).await;
        assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 2), "{listed:?}");
    }
    for (source, name) in [(&file, "file"), (&format!("{address}/given"), "given")] {
        let got = run(&["get", source, "-o", &format!("got-{name}"), "--quiet"]).await;
        assert_eq!(got.code, Some(0), "{got:?}");
    }
    assert_eq!(std::fs::read(here.path().join("got-file")).unwrap(), b"content");
    assert_eq!(std::fs::read(here.path().join("got-given/file")).unwrap(), b"given");

    assert_eq!(run(&["logout", &all]).await.code, Some(0));
    assert_eq!(control.callers().book().accounts().tokens.len(), 1, "the login's token is revoked");
    assert_eq!(run(&["ls", &all]).await.code, Some(3));
    assert_eq!(run(&["logout", &all]).await.code, Some(3));

    // Tokens for one run, of which one comes from a file.
    let given =
        |value: &str| [("XDG_CONFIG_HOME".to_owned(), home.clone()), ("WSTP_TOKEN".to_owned(), value.to_owned())];
    let with = async |value: &str, args: &[&str]| {
        let environment = given(value);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        wstp_in(here.path(), &environment, args).await
    };
    assert_eq!(with("wstp_given", &["ls", &all]).await.stdout.trim(), "given/");
    assert_eq!(with("wstp_other", &["ls", &all]).await.code, Some(3));
    std::fs::write(here.path().join("token"), "wstp_given\n").unwrap();
    assert_eq!(run(&["ls", &format!("{address}/given"), "--token-file", "token"]).await.stdout.trim(), "file");
    let outside = run(&["get", &file, "--token-file", "token"]).await;
    assert_eq!(outside.code, Some(3), "{outside:?}");
    let missing = run(&["ls", &all, "--token-file", "nothing"]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_certificate_is_trusted_by_its_file_and_no_other_is() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(shared.path().join("file"), "content").unwrap();
    let made = |folder: &str| tls::self_signed(&here.path().join(folder), vec!["localhost".to_owned()]).unwrap();
    let (own, other) = (made("own"), made("other"));
    let config = Config { tls: Some(own.clone()), ..Config::default() };
    let (_, address) = server_with(shared.path(), config).await;
    let server = format!("wss://localhost:{}", address.rsplit_once(':').unwrap().1);
    let home = here.path().to_str().unwrap();
    let lines = format!("anna\n{PASSWORD}\n");
    for ca in [None, Some(&other)] {
        let ca: Vec<_> = ca.into_iter().flat_map(|files| ["--ca", files.certificate.to_str().unwrap()]).collect();
        let refused = log_in_with(here.path(), &[&[&*server], &*ca].concat(), &lines).await;
        assert!(refused.code != Some(0) && !here.path().join("wstp/logins.json").exists(), "{refused:?}");
        assert!(refused.stderr.contains("certificate"), "{refused:?}");
    }
    let ca = own.certificate.to_str().unwrap();
    let done = log_in_with(here.path(), &[&server, "--ca", ca], &lines).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let file = format!("{server}/file");
    let got = wstp_in(here.path(), &[("XDG_CONFIG_HOME", home)], &["get", &file, "--ca", ca, "--quiet"]).await;
    assert_eq!(got.code, Some(0), "{got:?}");
    assert_eq!(std::fs::read(here.path().join("file")).unwrap(), b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_large_file_stops_with_its_login_and_resumes_with_the_next() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = sample(SIZE, 1);
    write(shared.path(), "album/large", &bytes);
    write(shared.path(), "album/small", b"small");
    let (control, address) = server(shared.path()).await;
    let proxy = Proxy::start(address.parse().unwrap()).await.unwrap();
    let (server, source) = (proxy.address().to_string(), proxy.source("album"));
    let home = here.path().to_str().unwrap();
    let lines = format!("anna\n{PASSWORD}\n");
    log_in(here.path(), &server, &lines).await;
    proxy.hold_after(HELD);
    let mut run = command(here.path(), &["get", &source, "--json", "--connections", "1"]);
    let mut run = Wstp::spawn(run.env("XDG_CONFIG_HOME", home));
    proxy.held().await.unwrap();
    run.recorded(&here.path().join("album/large"), RECORDED).await;

    let revoke = |accounts: &mut Accounts| -> Result<(), BookError> {
        accounts.tokens.retain(|_, token| !token.login);
        Ok(())
    };
    control.callers().book().update(revoke).unwrap();
    control.review();
    proxy.release();
    let ended = run.end().await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let failures = ended.events("failed");
    assert!(failures.len() == 1 && failures[0].to_string().contains("wstp login"), "{ended:?}");
    assert!(failures[0]["file"].is_null(), "no file is to blame: {ended:?}");
    assert!(on_record(&here.path().join("album/large")) >= RECORDED);

    log_in(here.path(), &server, &lines).await;
    let before = proxy.passed();
    let again = wstp_in(here.path(), &[("XDG_CONFIG_HOME", home)], &["get", &source, "--quiet"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(std::fs::read(here.path().join("album/large")).unwrap() == bytes);
    let sent = proxy.passed() - before;
    assert!(sent < SIZE as u64 - RECORDED + MIB as u64, "{sent} bytes were fetched again");
}

/// The program above the prefix, which may be anybody's, must not see the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_finds_the_path_of_its_server() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(shared.path().join("file"), "content").unwrap();
    let config = Config { base: "/nas/".parse().unwrap(), ..Config::default() };
    let (_control, address) = server_with(shared.path(), config).await;
    let home = here.path().to_str().unwrap();
    let run = async |args: &[&str]| wstp_in(here.path(), &[("XDG_CONFIG_HOME", home)], args).await;
    for typed in [address.clone(), format!("ws://{address}"), format!("http://{address}/nas/")] {
        let done = log_in(here.path(), &typed, &format!("anna\n{PASSWORD}\n")).await;
        assert_eq!(done.code, Some(0), "{typed}: {done:?}");
        let listed = run(&["ls", &typed]).await;
        assert_eq!(listed.stdout, "file\n", "{typed}: {listed:?}");
        assert_eq!(run(&["logout", &typed]).await.code, Some(0), "{typed}");
        assert_eq!(run(&["ls", &typed]).await.code, Some(3), "{typed}");
    }
}

/// The server, and a mirror of it by plain HTTP, each with users of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_to_plain_links_of_its_own_server_alone() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = sample(4 * MIB, 1);
    std::fs::write(shared.path().join("file"), &bytes).unwrap();
    // It alone would take two seconds, so the mirror is asked too.
    let slow = Config { rate: NonZeroU64::new(2 * MIB as u64), ..Config::default() };
    let (_origin, origin) = server_with(shared.path(), slow).await;
    let (mirrors, mirror) = server(shared.path()).await;
    let home = here.path().to_str().unwrap();
    log_in(here.path(), &origin, &format!("anna\n{PASSWORD}\n")).await;
    let (file, link) = (format!("{origin}/file"), format!("http://{mirror}/files/file"));
    let get = async || {
        let got = wstp_in(here.path(), &[("XDG_CONFIG_HOME", home)], &["get", &file, &link, "--json"]).await;
        assert_eq!(got.code, Some(0), "{got:?}");
        assert!(std::fs::read(here.path().join("file")).unwrap() == bytes);
        std::fs::remove_file(here.path().join("file")).unwrap();
        got.stdout + &got.stderr
    };
    let told = get().await;
    assert!(told.contains("asks for a name and a password"), "{told}");
    log_in(here.path(), &mirror, &format!("anna\n{PASSWORD}\n")).await;
    let told = get().await;
    assert!(!told.contains("asks for a name and a password"), "{told}");
    assert!(mirrors.sessions().sent() > 0, "the mirror sent a part");
}

//! `wstp-server user` and `wstp-server token`, and a running server that follows them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine;
use wstp_protocol::{ErrorCode, Hello, ServerMessage, VERSIONS};

use crate::support::plain::request;
use crate::support::{Client, Folder, Server};

/// How long a change may take to be noticed before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "planted password";

/// Runs a command for the accounts in a folder, with this as its standard input.
fn run(state: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstp-server"));
    command.args(args).arg("--state-dir").arg(state);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments does not read.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn basic(name: &str, password: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {text}")
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time");
}

#[test]
fn commands_say_what_they_do_and_refuse_what_makes_no_sense() {
    let folder = Folder::new();
    let state = folder.path().join("state");
    let added = run(&state, &["user", "add", "anna", "--role", "admin"], &format!("{PASSWORD}\n"));
    assert!(added.status.success() && text(&added.stdout).contains("everybody has to log in"), "{added:?}");
    let limited = ["user", "add", "kid", "--role", "limited", "--only", "films/children", "--rate", "100"];
    assert!(run(&state, &limited, "another password").status.success());
    let listed = run(&state, &["user", "list"], "");
    assert_eq!(text(&listed.stdout), "anna\tadmin\t-\nkid\tlimited\tfilms/children\t102 kB/s\n");
    for (args, input, words) in [
        (&["user", "add", "anna"][..], "other password\n", "already"),
        (&["user", "add", "ben"], "short\n", "8 characters"),
        (&["user", "add", "ben", "--role", "limited"], "long enough\n", "--only"),
        (&["user", "add", "b:n"], "long enough\n", "without spaces and colons"),
        (&["user", "add", "ben", "--only", "../x"], "long enough\n", "relative"),
        (&["user", "passwd", "ben"], "long enough\n", "no user"),
        (&["user", "rm", "ben"], "", "no user"),
        (&["user", "links", "ben", "on"], "", "no user"),
        (&["link", "add", "films/children/x", "--user", "kid"], "", "wstp-server user links kid on"),
        (&["token", "add", "--user", "ben"], "", "no user"),
        (&["token", "add"], "", "--user"),
        (&["token", "rm", "00000000"], "", "no token"),
        (&["token", "rm", "nonsense"], "", "8 hexadecimal digits"),
    ] {
        let refused = run(&state, args, input);
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{args:?}: {refused:?}");
        assert!(text(&refused.stderr).contains(words), "{args:?}: {refused:?}");
    }
    assert_eq!(run(&state, &["user", "list"], "").stdout, listed.stdout, "nothing was changed");
    assert!(text(&run(&state, &["user", "links", "kid", "on"], "").stdout).contains("may make share links"));
    assert!(
        text(&run(&state, &["user", "list"], "").stdout).contains("kid\tlimited\tfilms/children\t102 kB/s\tlinks\n")
    );
    assert!(run(&state, &["link", "add", "films/children/x", "--user", "kid"], "").status.success());
    assert!(text(&run(&state, &["user", "links", "kid", "off"], "").stdout).contains("end"));
    let file = std::fs::read_to_string(state.join("accounts.toml")).unwrap();
    assert!(file.contains("argon2id") && !file.contains(PASSWORD), "{file}");
    assert!(run(&state, &["user", "rm", "kid"], "").status.success());
    let last = run(&state, &["user", "rm", "anna"], "");
    assert!(text(&last.stdout).contains("No user is left"), "{last:?}");
}

#[tokio::test]
async fn a_running_server_follows_and_no_secret_is_logged() {
    let folder = Folder::new();
    let (state, log) = (folder.path().join("state"), folder.path().join("log"));
    folder.file("films/film", b"film");
    folder.file("wstp.toml", b"state_dir = \"state\"\n[shares.films]\npath = \"films\"\n");
    let server = Server::configured(&folder.path().join("wstp.toml"), &log).await;
    let status = async |fields: &[&str]| request(server.address(), "GET", "/files/films/film", fields).await.status;
    assert_eq!(status(&[]).await, 200, "without users it is open");
    let anna = basic("anna", PASSWORD);
    assert!(run(&state, &["user", "add", "anna"], PASSWORD).status.success());
    // A request that is under way when its rights go may be cut off, so the log is asked.
    let said = || std::fs::read_to_string(&log).unwrap();
    let read_again = async |times| until(async || said().matches("tokens were read again").count() == times).await;
    read_again(1).await;
    assert_eq!((status(&[]).await, status(&[&anna]).await), (401, 200));
    assert_eq!(status(&[&basic("anna", "planted wrong one")]).await, 401);

    let made = run(&state, &["token", "add", "--only", "films", "--days", "1"], "");
    let token = text(&made.stdout).trim().to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    read_again(2).await;
    assert_eq!(status(&[&bearer]).await, 200);
    let mut client = Client::open(server.address(), None).await.unwrap();
    let (min_version, max_version) = VERSIONS;
    let agent = "test".to_owned();
    let hello = Hello { min_version, max_version, features: 0, agent, token: Some(token.clone()) };
    client.send(&wstp_protocol::ClientMessage::Hello(hello.clone())).await;
    assert!(matches!(client.receive().await, ServerMessage::Welcome(_)));
    assert_eq!(client.fetch("films/film").await, b"film");
    let id = text(&run(&state, &["token", "list"], "").stdout).split('\t').next().unwrap().to_owned();
    assert!(run(&state, &["token", "rm", &id], "").status.success());
    let ended = client.find(|message| match message {
        ServerMessage::Failure(failure) => Some(failure.code),
        _ => None,
    });
    assert_eq!(ended.await, ErrorCode::Unauthorized);
    // A greeting where none belongs, and a path that is a secret.
    let mut client = Client::open(server.address(), None).await.unwrap();
    client.send(&wstp_protocol::ClientMessage::Hello(hello)).await;
    while client.next().await.is_some() {}

    assert!(run(&state, &["user", "passwd", "anna"], "planted new one").status.success());
    read_again(4).await;
    assert_eq!(status(&[&anna]).await, 401);
    let said = said();
    assert!(said.contains("a login failed") && said.contains("anna"), "{said}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("anna:{PASSWORD}"));
    for secret in [PASSWORD, "planted", &token, &token[5..], &encoded] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

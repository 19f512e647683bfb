//! `wstp.toml`: the commands for it, the shares in it, and changes of it while the server runs.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;
use wstp_protocol::{ErrorCode, ServerMessage};

use crate::support::plain::request;
use crate::support::{Folder, Server};

/// How long a change may take to be noticed before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(args: &[&str], file: &Path) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstp-server"));
    let output = command.arg("config").args(args).arg(file).output().unwrap();
    let words = [&output.stdout[..], &output.stderr[..]].concat();
    (output, String::from_utf8(words).unwrap())
}

#[test]
fn a_file_is_written_checked_and_printed() {
    let folder = Folder::new();
    let file = folder.path().join("wstp.toml");
    assert!(config(&["init"], &file).0.status.success());
    let written = std::fs::read_to_string(&file).unwrap();
    let (refused, words) = config(&["init"], &file);
    assert!(refused.status.code() == Some(1) && words.contains("stays as it is"), "{words}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    assert!(config(&["check"], &file).0.status.success());

    folder.file("wstp.toml", b"listen = \":8080\"\n\n[shares.films]\npath = \"f\"\n");
    let (missing, words) = config(&["check"], &file);
    assert!(missing.status.code() == Some(2) && words.contains("films"), "{words}");
    folder.file("f/file", b"");
    assert!(config(&["check"], &file).0.status.success());
    let (_, printed) = config(&["print"], &file);
    for line in ["listen = \"0.0.0.0:8080\"", "max_connections = 256", "[shares.films]", "public = false"] {
        assert!(printed.lines().any(|found| found == line), "{line}: {printed}");
    }
    folder.file("wstp.toml", b"listen = \":8080\"\nlisten_on = 3\n");
    for command in ["check", "print"] {
        let (wrong, words) = config(&[command], &file);
        assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0), "{words}");
        assert!(words.contains("line 2") && words.contains("listen_on"), "{words}");
    }
}

/// Two shares and their file, and the server that serves them.
async fn two_shares() -> (Folder, Server) {
    let folder = Folder::new();
    folder.file("one/film", b"first");
    folder.file("two/film", b"second");
    folder.file("two/.hidden", b"");
    folder.file("wstp.toml", b"[shares.films]\npath = \"one\"\n[shares.more]\npath = \"two\"\nhidden = true\n");
    let file = folder.path().join("wstp.toml");
    let log = folder.path().join("log");
    let server = Server::configured(&file, &log).await;
    (folder, server)
}

#[tokio::test]
async fn paths_begin_with_the_share() {
    let (_folder, server) = two_shares().await;
    let mut client = server.connect().await;
    let names = async |client: &mut crate::support::Client, path: &str| {
        let entries = client.list(path).await.unwrap();
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut client, "").await, ["films", "more"]);
    assert_eq!(names(&mut client, "films").await, ["film"]);
    assert_eq!(names(&mut client, "more").await, [".hidden", "film"]);
    assert_eq!(client.fetch("films/film").await, b"first");
    assert_eq!(client.fetch("more/film").await, b"second");
    assert_eq!(client.stat("films").await.unwrap().name, "films");
    for path in ["film", "more2/film", "films2", "Films/film"] {
        assert_eq!(client.stat(path).await.unwrap_err().code, ErrorCode::NotFound, "{path}");
    }
    let page = request(server.address(), "GET", "/files/", &[]).await;
    assert!(page.status == 200 && page.text().contains("href=\"films/\""), "{}", page.text());
    assert_eq!(request(server.address(), "GET", "/files/more/film", &[]).await.body, b"second");
    assert_eq!(request(server.address(), "GET", "/files/film", &[]).await.status, 404);
}

#[tokio::test]
async fn a_changed_file_holds_without_a_restart_and_a_broken_one_changes_nothing() {
    let (folder, server) = two_shares().await;
    let status = async |path: &str| request(server.address(), "GET", path, &[]).await.status;
    let mut reader = server.connect().await;
    let mut other = server.connect().await;
    let opened = reader.open_file("more/film").await.unwrap();
    let kept = other.open_file("films/film").await.unwrap();

    folder.file("wstp.toml", b"[shares.films]\npath = \"one\"\n[shares.again]\npath = \"two\"\nhiden = true\n");
    server.signal(Signal::HUP);
    let says = |words: &str| std::fs::read_to_string(folder.path().join("log")).unwrap().contains(words);
    until(async || says("hiden")).await;
    assert!(says("line 5") && says("the one before stays"));
    assert_eq!((status("/files/more/film").await, status("/files/again/film").await), (200, 404));
    assert!(reader.blocks(opened.handle, 0, 1).await.is_ok());

    // Without a signal.
    folder.file("wstp.toml", b"[shares.films]\npath = \"one\"\n[shares.again]\npath = \"two\"\n");
    until(async || status("/files/again/film").await == 200).await;
    assert_eq!((status("/files/more/film").await, status("/files/again/.hidden").await), (404, 404));
    // Those who read what is not shared any more are sent away, and nobody else is.
    reader.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    assert_eq!(other.blocks(kept.handle, 0, 1).await.unwrap(), b"first"[..]);
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time");
}

//! The standard output. Its errors are errors of every command, a closed pipe ends a command quietly, and `-o -` writes
//! a file to it.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use crate::support::{MIB, PATIENCE, Server, command, hashed, names_in, sample, write, wstp, wstp_into};
use tempfile::tempdir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::timeout;
use wstp_testkit::Proxy;

/// Every command that prints something, for files that are called `x` here and on the server.
fn commands(source: &str) -> Vec<Vec<&str>> {
    let lines = [
        vec!["ls", source],
        vec!["ls", "-l", source],
        vec!["ls", "--json", source],
        vec!["hash", "x"],
        vec!["verify", "x", source],
        vec!["verify", "x", source, "--json"],
        vec!["get", source, "-o", "new", "--json"],
        vec!["get", source, "-o", "-"],
        vec!["--help"],
        vec!["help", "get"],
        vec!["--version"],
    ];
    lines.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_takes_nothing_is_an_error() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for dir in [&share, &here] {
        write(dir.path(), "x", &sample(100_000, 1));
    }
    let server = Server::start(share.path()).await;
    for args in commands(&server.source("x")) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = wstp_into(here.path(), full, &args).await;
        assert_eq!(ended.code, Some(6), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains("The standard output can't be written: No space left"), "{args:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_went_away_ends_it_quietly() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for dir in [&share, &here] {
        write(dir.path(), "x", &sample(100_000, 1));
    }
    let server = Server::start(share.path()).await;
    for args in commands(&server.source("x")) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = wstp_into(here.path(), writer, &args).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(141), ""), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_given_out_whole_and_in_order() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(24 * MIB + 5, 1);
    write(share.path(), "x", &bytes);
    write(share.path(), "empty", b"");
    write(share.path(), "top/a", b"a");
    let server = Server::start(share.path()).await;
    for name in ["x", "empty"] {
        let out = fs::File::create(here.path().join("out")).unwrap();
        let ended = wstp_into(here.path(), out, &["get", &server.source(name), "-o", "-", "--json"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(fs::read(here.path().join("out")).unwrap() == fs::read(share.path().join(name)).unwrap());
        let mut events = ended.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let saved = events.rfind(|event| event["event"] == "saved").unwrap();
        assert_eq!((&saved["file"], &saved["already"]), (&"-".into(), &false.into()));
    }
    for (args, words) in
        [(&["top"][..], "this is a folder"), (&[""], "this is a folder"), (&["x", "--update"], "--update")]
    {
        let source = server.source(args[0]);
        let ended = wstp(here.path(), &[&["get", &source, "-o", "-"], &args[1..]].concat()).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.contains(words), "{ended:?}");
    }
    let ended = wstp(here.path(), &["get", &server.source("top/a"), "-o", "./-"]).await;
    assert_eq!((ended.code, names_in(here.path())), (Some(0), vec!["-".to_owned(), "out".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_wrong_is_given_out() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(3 * MIB, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let _hashed = hashed(server.address(), "x").await;
    let liar = Proxy::with_wrong_blocks(server.address()).await.unwrap();
    let out = fs::File::create(here.path().join("out")).unwrap();
    let ended = wstp_into(here.path(), out, &["get", &liar.source("x"), "-o", "-"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("sent bytes that do not belong to this file"), "{ended:?}");
    assert!(bytes.starts_with(&fs::read(here.path().join("out")).unwrap()));
    let out = fs::File::create(here.path().join("out")).unwrap();
    let ended = wstp_into(here.path(), out, &["get", &server.source("x"), &liar.source("x"), "-o", "-"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("out")).unwrap() == bytes);
    assert_eq!(names_in(here.path()), ["out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_network_and_is_not_given_up() {
    const SIZE: u64 = 200 << 20;
    const BYTE: u8 = 7;
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    fs::write(share.path().join("x"), vec![BYTE; SIZE as usize]).unwrap();
    let server = Server::start(share.path()).await;
    let _hashed = hashed(server.address(), "x").await;
    let mut command = command(here.path(), &["get", &server.source("x"), "-o", "-", "--json", "--timeout", "1"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(run.stderr.take().unwrap()).lines();
    let mut seen = (0, 0);
    // It reports its progress four times a second.
    while seen.1 < 8 {
        let line = timeout(PATIENCE, told.next_line()).await.expect("it tells in time").unwrap().expect("it goes on");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let here = event["verified"].as_u64().unwrap_or(0) + event["received"].as_u64().unwrap_or(0);
        seen = if here > 0 && here == seen.0 { (here, seen.1 + 1) } else { (here, 0) };
    }
    // It stores 64 MiB ahead, and as many may be in flight.
    assert!(seen.0 <= 130 << 20, "{} bytes are stored for a reader that reads nothing", seen.0);
    let mut out = run.stdout.take().unwrap();
    let read = tokio::spawn(async move {
        let (mut piece, mut read) = (vec![1; MIB], 0);
        while let Ok(bytes @ 1..) = out.read(&mut piece).await {
            assert!(piece[..bytes].iter().all(|byte| *byte == BYTE));
            read += bytes as u64;
        }
        read
    });
    let rest = async { while told.next_line().await.unwrap().is_some() {} };
    timeout(PATIENCE, rest).await.expect("it ends in time");
    assert_eq!((read.await.unwrap(), run.wait().await.unwrap().code()), (SIZE, Some(0)));
}

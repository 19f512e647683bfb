//! Servers that lie about a file: no wrong byte gets into its place, and the user is told.

use std::fs;

use crate::support::{Ended, MIB, Server, hashed, names_in, sample, start_wstp, write, wstp};
use tempfile::tempdir;
use wstp_protocol::{BlocksReply, ClientMessage, ErrorCode, Failure, FileVersion, HashPage, Opened, ServerMessage};
use wstp_testkit::{Hostile, Proxy, Rate};

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_sends_other_bytes_is_left_alone_and_says_why() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(16 * MIB, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    // Without a hash, wrong bytes show only when all are here.
    let _hashed = hashed(server.address(), "x").await;
    let honest = Proxy::at(server.address(), Rate::Shared(6_000_000)).await.unwrap();
    let mirror = Proxy::with_wrong_blocks(server.address()).await.unwrap();
    let sources = [honest.source("x"), mirror.source("x")];
    let mut run = start_wstp(here.path(), &["get", &sources[0], &sources[1], "--connections", "2", "--json"]);
    let sources = run.event(|event| event["sources"][1]["standing"] == "benched").await["sources"].clone();
    assert_eq!((&sources[0]["standing"], &sources[0]["problem"]), (&"good".into(), &serde_json::Value::Null));
    assert_eq!(sources[1]["problem"], "it sent bytes that do not belong to this file");
    assert_eq!((&sources[1]["connections"], &sources[1]["address"]), (&0.into(), &mirror.address().to_string().into()));
    mirror.opened(0).await.unwrap();
    let sent = mirror.sums().fetched;
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    assert_eq!(names_in(here.path()), ["x"]);
    let (all, again) = (mirror.sums().fetched, mirror.sums().again + mirror.sums().pardoned);
    assert!(
        sent > 0 && (all, again) == (sent, 0),
        "{sent} bytes before it was left alone, {all} and {again} in the end"
    );
    assert!(sent < MIB as u64, "{sent} wrong bytes were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_mirror_is_left_alone_is_said_in_a_line() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", &sample(8 * MIB, 1));
    let server = Server::start(share.path()).await;
    // Without a hash, wrong bytes show only when all are here.
    let _hashed = hashed(server.address(), "x").await;
    let honest = Proxy::at(server.address(), Rate::Shared(6_000_000)).await.unwrap();
    let mirror = Proxy::with_wrong_blocks(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &honest.source("x"), &mirror.source("x"), "--connections", "2"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let why = "is left alone for a while: it sent bytes that do not belong to this file";
    let line = format!("{} {why}", mirror.address());
    assert_eq!(ended.stderr.matches(&line).count(), 1, "{ended:?}");
    // The same for a server that only another server named.
    let offering = Server::offering(share.path(), &[format!("ws://{}/ws", mirror.address())]).await;
    let _hashed = hashed(offering.address(), "x").await;
    let honest = Proxy::at(offering.address(), Rate::Shared(6_000_000)).await.unwrap();
    let ended = wstp(here.path(), &["get", &honest.source("x"), "-o", "y", "--connections", "2"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = format!("{}, a mirror that the server offers, {why}", mirror.address());
    assert_eq!(ended.stderr.matches(&line).count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_other_bytes_ends_it_in_words_and_what_is_kept_is_right() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(3 * MIB + 5, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let liar = Proxy::with_wrong_blocks(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &liar.source("x"), "--json"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let failed = &ended.events("failed")[0];
    let what = failed["what"].as_str().unwrap();
    assert_eq!(what, format!("{} sent bytes that do not belong to this file.", liar.address()));
    assert_eq!((&failed["code"], ended.stderr.as_str()), (&1.into(), ""));
    assert!(!here.path().join("x").exists());
    let ended = wstp(here.path(), &["get", &server.source("x")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
}

/// Answers of the right shape about a file of this size, but all of them false.
fn lie(size: u64, asked: ClientMessage) -> ServerMessage {
    match asked {
        ClientMessage::Open(ask) => {
            let (version, root) = (FileVersion([1; 16]), Some([7; 32]));
            ServerMessage::Opened(Opened { id: ask.id, handle: 1, size, version, root })
        }
        ClientMessage::Blocks(ask) => match ask.run.byte_range(size) {
            Some((_, length)) => {
                let data = vec![7; length as usize].into();
                ServerMessage::Blocks(BlocksReply { id: ask.id, run: ask.run, data })
            }
            None => failure(ask.id, ErrorCode::OutOfRange),
        },
        ClientMessage::Hashes(ask) => {
            ServerMessage::HashPage(HashPage { id: ask.id, nodes: vec![[7; 32]; ask.count as usize], uncles: vec![] })
        }
        ClientMessage::Stat(ask) => failure(ask.id, ErrorCode::NotFound),
        ClientMessage::List(ask) => failure(ask.id, ErrorCode::NotADirectory),
        other => panic!("{other:?}"),
    }
}

fn failure(id: wstp_protocol::RequestId, code: ErrorCode) -> ServerMessage {
    ServerMessage::Failure(Failure { id: Some(id), code, text: String::new(), retry_after_ms: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_size_a_liar_names_the_end_is_told_in_words() {
    let sizes = [0, 1, 8193, 1 << 30, 1 << 52, 1 << 62, 1 << 63, u64::MAX];
    let runs: Vec<_> = sizes.map(|size| (size, tokio::spawn(lied_to(size)))).into();
    for (size, run) in runs {
        let (ended, names) = run.await.unwrap();
        // The answer can't be understood, is of no use for long enough, or names an impossible size.
        let too_large = ended.stderr.contains("There can be no file of the size that the server names");
        let (is_fine, is_impossible) = (size <= 1 << 30, size >= 1 << 63);
        assert!(
            matches!(ended.code, Some(1 | 4)) != too_large && !ended.stderr.contains("disk failed"),
            "{size}: {ended:?}"
        );
        assert!((ended.code == Some(6)) == too_large, "{size}: {ended:?}");
        assert!(!(is_fine && too_large) && (too_large || !is_impossible), "{size}: {ended:?}");
        let last = ended.stderr.lines().next_back().unwrap();
        assert!(last.starts_with("wstp: ") && !ended.stderr.contains("panicked"), "{size}: {ended:?}");
        assert!(!names.contains(&"x".to_owned()), "{size}: {names:?}");
    }
}

/// Fetches a file from a liar that names this size. Returns the files that are here then.
async fn lied_to(size: u64) -> (Ended, Vec<String>) {
    let here = tempdir().unwrap();
    let liar = Hostile::answering(move |asked| lie(size, asked)).await.unwrap();
    let ended = wstp(here.path(), &["get", &liar.source("x"), "--timeout", "3", "--anyway"]).await;
    (ended, names_in(here.path()))
}

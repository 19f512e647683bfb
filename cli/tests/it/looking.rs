//! `wstp ls`, `wstp find`, `wstp hash` and `wstp verify`.

use std::fs;

use crate::support::{MIB, Server, sample, start_wstp, write, wstp};
use tempfile::tempdir;
use wstp_protocol::{ClientMessage, FileVersion, Opened, ServerMessage};
use wstp_testkit::{Hostile, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn ls_shows_odd_names_as_what_they_are() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for name in ["plain", "new\nline", "esc\u{1b}[2J", "c1\u{9b}x", "back\\slash", "rtl\u{202e}fdp", "日本 語"] {
        write(share.path(), name, b"x");
    }
    fs::create_dir(share.path().join("folder")).unwrap();
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["ls", &server.source("")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let names: Vec<_> = ended.stdout.lines().collect();
    let expected = [
        "folder/",
        "back\\\\slash",
        "c1\\u{9b}x",
        "esc\\u{1b}[2J",
        "new\\nline",
        "plain",
        "rtl\\u{202e}fdp",
        "日本 語",
    ];
    assert_eq!(names, expected);
    let ended = wstp(here.path(), &["ls", &server.source(""), "--json"]).await;
    assert!(!ended.stdout.contains(['\u{9b}', '\u{202e}', '\u{1b}']));
    let entries = ended.events("entry");
    assert_eq!(entries.len(), ended.stdout.lines().count(), "every line is an event");
    let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names[2..4], ["c1\u{9b}x", "esc\u{1b}[2J"]);
    let ended = wstp(here.path(), &["ls", &server.source("nothing"), "--json"]).await;
    assert_eq!(ended.events("failed")[0]["code"], 3, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_goes_on_to_the_last_page_and_tells_of_files_too() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for index in 0..2500 {
        write(share.path(), &format!("many/{index:04}"), b"");
    }
    write(share.path(), "one", &sample(1234, 1));
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["ls", &server.source("many")]).await;
    assert_eq!(ended.stdout.lines().count(), 2500);
    assert_eq!(ended.stdout.lines().last(), Some("2499"));
    let ended = wstp(here.path(), &["ls", "-l", &server.source("one")]).await;
    let words: Vec<_> = ended.stdout.split_whitespace().collect();
    assert_eq!((words[0], words[1], words[3]), ("file", "1234", "one"));
    let ended = wstp(here.path(), &["ls", &server.source("nothing")]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_a_server_prints_is_the_server() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", b"x");
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["ls", &format!("ws://{}/ws", server.address())]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "x\n"), "{ended:?}");
}

/// A server that knows a file and never finishes hashing it.
async fn hashes_for_ever(size: u64) -> Hostile {
    Hostile::answering(move |asked| match asked {
        ClientMessage::Open(asked) => {
            ServerMessage::Opened(Opened { id: asked.id, handle: 1, size, version: FileVersion([1; 16]), root: None })
        }
        other => panic!("{other:?}"),
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_hash_of_a_server_is_told() {
    let here = tempdir().unwrap();
    write(here.path(), "x", b"12345");
    let liar = hashes_for_ever(5).await;
    for command in [["get", &liar.source("x")].as_slice(), &["verify", "x", &liar.source("x")]] {
        let mut run = start_wstp(here.path(), &[command, &["--json"]].concat());
        let event = run.event(|event| event["event"] == "comparing").await;
        assert_eq!((&event["file"], &event["size"], &event["server_hashes"]), (&"x".into(), &5.into(), &true.into()));
        let line = start_wstp(here.path(), command).said("x: ").await;
        assert!(line.ends_with("the server still hashes it"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_prints_the_blake3_of_each() {
    let here = tempdir().unwrap();
    let bytes = sample(MIB + 1, 1);
    write(here.path(), "a b", &bytes);
    write(here.path(), "empty", b"");
    let ended = wstp(here.path(), &["hash", "a b", "nothing", "empty"]).await;
    assert_eq!(ended.code, Some(1));
    let line = |name: &str, bytes: &[u8]| format!("{}  {name}\n", blake3::hash(bytes).to_hex());
    assert_eq!(ended.stdout, line("a b", &bytes) + &line("empty", b""));
    assert!(ended.stderr.contains("nothing can't be read"), "{ended:?}");
}

/// Compares and gives the exit code and the ranges that differ.
async fn verify(theirs: &[u8], mine: &[u8]) -> (Option<i32>, Vec<(u64, u64)>) {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", theirs);
    write(here.path(), "x", mine);
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["verify", "x", &server.source("x"), "--json"]).await;
    let result = &ended.events("result")[0];
    assert_eq!(result["blake3"], blake3::hash(theirs).to_hex().as_str());
    assert_eq!(result["same"], theirs == mine);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let ranges: Vec<_> =
        ended.events("differs").iter().map(|event| (number(&event["first"]), number(&event["end"]))).collect();
    assert_eq!(number(&result["differing"]), ranges.iter().map(|(first, end)| end - first).sum::<u64>());
    (ended.code, ranges)
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_was_changed() {
    let theirs = sample(3 * MIB + 5, 1);
    assert_eq!(verify(&theirs, &theirs).await, (Some(0), vec![]));
    let mut mine = theirs.clone();
    for at in [0, 20_000, 30_000, 3 * MIB + 4] {
        mine[at] ^= 1;
    }
    let end = (3 * MIB) as u64;
    let ranges = vec![(0, 8192), (16_384, 32_768), (end, end + 5)];
    assert_eq!(verify(&theirs, &mine).await, (Some(7), ranges));
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_the_block_among_many_pages() {
    // More than the 2,048 blocks that one page names.
    let theirs = sample(40 * MIB + 1, 1);
    let mut mine = theirs.clone();
    mine[33 * MIB] ^= 1;
    let first = (33 * MIB) as u64;
    assert_eq!(verify(&theirs, &mine).await, (Some(7), vec![(first, first + 8192)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_compares_files_of_different_sizes() {
    let theirs = sample(20_000, 1);
    assert_eq!(verify(&theirs, &theirs[..10_000]).await, (Some(7), vec![(8192, 20_000)]));
    assert_eq!(verify(&theirs[..10_000], &theirs).await, (Some(7), vec![(10_000, 20_000)]));
    assert_eq!(verify(&theirs, b"").await, (Some(7), vec![(0, 20_000)]));
    assert_eq!(verify(b"", &theirs).await, (Some(7), vec![(0, 20_000)]));
    assert_eq!(verify(b"", b"").await, (Some(0), vec![]));
    assert_eq!(verify(b"a", b"b").await, (Some(7), vec![(0, 1)]));
    assert_eq!(verify(b"a", b"a").await, (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_fetches_no_data() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(8 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(here.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["verify", "x", &proxy.source("x")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("same: 8388608 bytes"), "{ended:?}");
    assert!(proxy.passed() < 2000, "{}", proxy.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_at_once() {
    let here = tempdir().unwrap();
    write(here.path(), "x", b"x");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let source = format!("{}/x", socket.local_addr().unwrap());
    for args in [["ls", &source].as_slice(), &["verify", "x", &source]] {
        let ended = wstp(here.path(), args).await;
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stderr.contains("Nobody answers at"), "{ended:?}");
    }
    let ended = wstp(here.path(), &["verify", "nothing", &source]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn find_prints_the_paths_of_all_hits() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for name in ["films/Alien (1979)/Director's Cut.mkv", "films/alien cut.txt", "films/cut.txt", "Alien Cut"] {
        write(share.path(), name, b"xyz");
    }
    for number in 0..1500 {
        write(share.path(), &format!("many/ÄLIEN {number} cut\u{1b}"), b"");
    }
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["find", &server.source("films"), "CUT", "alien"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "alien cut.txt\n"), "{ended:?}");
    let ended = wstp(here.path(), &["find", &server.source(""), "cut alien", "--json"]).await;
    let paths: Vec<_> = ended.events("entry").iter().map(|hit| hit["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths.len(), 1502);
    assert_eq!(paths[..2], ["Alien Cut", "films/alien cut.txt"]);
    assert!(!ended.stdout.contains('\u{1b}'));
    let ended = wstp(here.path(), &["find", &server.source("films"), "alien", "-l"]).await;
    let folders: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("folder")).collect();
    assert!(folders.len() == 1 && folders[0].ends_with("Alien (1979)/"), "{ended:?}");
    let ended = wstp(here.path(), &["find", &server.source("films"), "nothing"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    let ended = wstp(here.path(), &["find", &server.source("away"), "x"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("nothing of that name"), "{ended:?}");
}

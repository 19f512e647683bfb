//! `wstp get` of a folder: the tree arrives, and nothing outside of it.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{MIB, Server, names_in, sample, start_wstp, write, wstp};
use rustix::process::Signal;
use tempfile::tempdir;
use wstp_protocol::{ClientMessage, Entry, EntryKind, ErrorCode, Failure, Listing, ServerMessage, StatReply};
use wstp_testkit::{Hostile, Proxy, Rate};

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_arrives_whole() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let files = [("top/a", 100), ("top/.hidden", 3), ("top/sub/b", 20_000), ("top/sub/deep/er/c", 0), ("top/sub/B", 7)];
    for (index, (name, size)) in files.iter().enumerate() {
        write(share.path(), name, &sample(*size, index as u8));
    }
    fs::create_dir(share.path().join("top/empty")).unwrap();
    symlink("nowhere", share.path().join("top/dangling")).unwrap();
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("top/"), "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (index, (name, size)) in files.iter().enumerate() {
        assert_eq!(fs::read(here.path().join(name)).unwrap(), sample(*size, index as u8), "{name}");
    }
    assert_eq!(names_in(&here.path().join("top")), [".hidden", "a", "empty", "sub"]);
    assert_eq!(ended.events("skipped")[0]["path"], "top/dangling");
    let summary = &ended.events("summary")[0];
    assert_eq!((&summary["files"], &summary["bytes"], &summary["failed"]), (&5.into(), &20_110.into(), &0.into()));
}

/// The client counts bytes: it waits for a message that takes longer than the patience, as long as bytes of it arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_which_one_message_takes_longer_than_the_patience_carries_a_folder() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for index in 0..2 {
        write(share.path(), &format!("top/f{index}"), &sample(35_000, index));
    }
    let server = Server::start(share.path()).await;
    let line = Proxy::at(server.address(), Rate::Shared(10_000)).await.unwrap();
    let ended = wstp(here.path(), &["get", &line.source("top/"), "--timeout", "2", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for index in 0..2 {
        assert_eq!(fs::read(here.path().join(format!("top/f{index}"))).unwrap(), sample(35_000, index));
    }
    assert!(line.passed() < 75_000, "{} bytes for 70,000", line.passed());
    // A silent server is given up all the same.
    line.hold_after(10_000);
    fs::remove_dir_all(here.path().join("top")).unwrap();
    let ended = wstp(here.path(), &["get", &line.source("top/"), "--timeout", "2", "--json"]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_server_needs_a_place() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "a/b", b"b");
    let server = Server::start(share.path()).await;
    assert_eq!(wstp(here.path(), &["get", &server.source("")]).await.code, Some(2));
    let ended = wstp(here.path(), &["get", &server.source(""), "-o", "x/y"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(here.path().join("x/y/a/b")).unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_found_out_to_be_one_wherever_it_goes() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/a", b"a");
    let server = Server::start(share.path()).await;
    fs::create_dir(here.path().join("there")).unwrap();
    for (args, target) in [(&[][..], "top"), (&["-o", "there"], "there"), (&["-o", "new/"], "new"), (&[], "top")] {
        let ended = wstp(here.path(), &[&["get", &server.source("top")], args].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(names_in(&here.path().join(target)), ["a"]);
    }
    assert_eq!(names_in(here.path()), ["new", "there", "top"]);
    let ended = wstp(here.path(), &["get", &server.source("top"), &server.link("top/a"), "-o", "other"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(names_in(here.path()), ["new", "there", "top"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_a_tree_it_goes_on_with_what_is_missing() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let file = |index: u8| (format!("top/f{index}"), sample(2 * MIB, index));
    for (name, bytes) in (0..6).map(file) {
        write(share.path(), &name, &bytes);
    }
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(7 * MIB as u64);
    let args = ["get", &proxy.source("top"), "--json", "--connections", "2"];
    let mut run = start_wstp(here.path(), &args);
    run.event(|event| event["event"] == "saved").await;
    proxy.held().await.unwrap();
    run.signal(Signal::INT);
    let ended = run.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let before = proxy.passed();
    proxy.release();
    let ended = wstp(here.path(), &args).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (name, bytes) in (0..6).map(file) {
        assert!(fs::read(here.path().join(name)).unwrap() == bytes);
    }
    assert_eq!(names_in(&here.path().join("top")), ["f0", "f1", "f2", "f3", "f4", "f5"]);
    // Data in flight of two transfers may have been lost from the seven that passed.
    assert!(proxy.passed() - before < 7 * MIB as u64, "{}", proxy.passed() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_had_does_not_keep_the_others_away() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/a", b"a");
    write(share.path(), "top/b", b"b");
    write(here.path(), "top/a", b"mine");
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("top"), "--json"]).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.events("failed")[0]["file"], "top/a");
    assert_eq!(fs::read(here.path().join("top/a")).unwrap(), b"mine");
    assert_eq!(fs::read(here.path().join("top/b")).unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_output_is_not_followed() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/sub/x", b"x");
    fs::create_dir_all(here.path().join("top")).unwrap();
    fs::create_dir(here.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", here.path().join("top/sub")).unwrap();
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("top")]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(names_in(&here.path().join("elsewhere")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_run_left_out_is_missed_when_it_goes_on() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), &format!("top/{}f", "d/".repeat(65)), b"x");
    write(share.path(), "top/a", b"a");
    write(share.path(), "top/large", &sample(4 * MIB, 1));
    let server = Server::start(share.path()).await;
    let args = ["get", &server.source("top"), "--json"];
    let mut run = start_wstp(here.path(), &[&args[..], &["--limit", "200k"]].concat());
    run.event(|event| event["event"] == "skipped").await;
    run.signal(Signal::INT);
    assert_eq!(run.end().await.code, Some(130));
    let ended = wstp(here.path(), &args).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.events("failed")[0]["what"], "One entry of the folder is left out.");
}

/// A server with one folder and this listing.
async fn lists(list: impl Fn(&str) -> (Vec<(&'static str, EntryKind)>, bool) + Send + Sync + 'static) -> Hostile {
    let entry = |name: &str, kind| Entry { name: name.to_owned(), kind, size: 1, modified_ms: None };
    Hostile::answering(move |asked| match asked {
        ClientMessage::Stat(asked) => {
            ServerMessage::Stat(StatReply { id: asked.id, entry: entry("top", EntryKind::Directory) })
        }
        ClientMessage::List(asked) => {
            let (entries, more) = list(asked.path.as_str());
            let entries = entries.into_iter().map(|(name, kind)| entry(name, kind)).collect();
            ServerMessage::Listing(Listing { id: asked.id, entries, next: more.then(|| "more".to_owned()) })
        }
        ClientMessage::Open(asked) => {
            let is_folder = asked.path.as_str() == "top";
            let code = if is_folder { ErrorCode::NotAFile } else { ErrorCode::Unknown(99) };
            let text = "\u{1b}]0;owned\u{7}".to_owned();
            ServerMessage::Failure(Failure { id: Some(asked.id), code, text, retry_after_ms: None })
        }
        other => panic!("{other:?}"),
    })
    .await
    .unwrap()
}

async fn fails(liar: &Hostile, words: &str) {
    let outer = tempdir().unwrap();
    let here = outer.path().join("here");
    fs::create_dir(&here).unwrap();
    let ended = wstp(&here, &["get", &liar.source("top"), "--timeout", "1"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(words), "{ended:?}");
    assert_eq!(names_in(outer.path()), ["here"]);
    assert_eq!(names_in(&here), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_out_ends_it() {
    for name in ["../evil", "..", "/etc/passwd", "a/b"] {
        let liar = lists(move |_| (vec![(name, EntryKind::File)], false)).await;
        fails(&liar, "is not a WSTP server").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_without_bottom_ends_it() {
    let (liar, here) = (lists(|_| (vec![("again", EntryKind::Directory)], false)).await, tempdir().unwrap());
    let ended = wstp(here.path(), &["get", &liar.source("top")]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("64 folders deep; download it by itself"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_without_end_is_left_there() {
    let (liar, here) = (lists(|_| (vec![], true)).await, tempdir().unwrap());
    let ended = wstp(here.path(), &["get", &liar.source("top")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("lists this folder without an end"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_lies_too_deep_is_missed_alone() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let deep = |depth: usize| format!("top/{}f", "d/".repeat(depth));
    for depth in [1, 64, 65, 70] {
        write(share.path(), &deep(depth), b"x");
    }
    write(share.path(), "top/z/f", b"x");
    let server = Server::start(share.path()).await;
    for _ in 0..2 {
        let ended = wstp(here.path(), &["get", &server.source("top"), "--json"]).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        for path in [deep(1), deep(64), "top/z/f".to_owned()] {
            assert_eq!(fs::read(here.path().join(path)).unwrap(), b"x");
        }
        assert!(!here.path().join(deep(65)).exists());
        let left_out = &ended.events("skipped")[0];
        assert_eq!(left_out["path"], deep(64).replace("/f", "/d"), "{ended:?}");
        let summary = &ended.events("summary")[0];
        assert_eq!((&summary["files"], &summary["failed"]), (&3.into(), &1.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_server_do_not_reach_the_terminal_as_they_are() {
    let here = tempdir().unwrap();
    let liar = lists(|_| (vec![("\u{9b}31mred", EntryKind::File)], false)).await;
    for json in [&["--json"][..], &[]] {
        let ended = wstp(here.path(), &[&["get", &liar.source("top"), "--timeout", "1"], json].concat()).await;
        assert_ne!(ended.code, Some(0), "{ended:?}");
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{ended:?}");
    }
    assert_eq!(names_in(here.path()), [""; 0]);
}

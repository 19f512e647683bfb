//! `wstp get` of folders with thousands of small files: few round trips, few flushes, and nothing twice.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::support::{MIB, Server, names_in, sample, start_wstp, write, wstp};
use rustix::process::Signal;
use tempfile::tempdir;
use wstp_engine::folder::journal::replay;
use wstp_testkit::Proxy;

const FOLDERS: usize = 30;
const FILES: usize = 100;

fn name(folder: usize, file: usize) -> String {
    format!("top/d{folder}/sub/f{file}")
}

/// Files of one size. Those of a folder come in bundles, and differ so that compression does not make bundles shorter.
fn of_one_size(_folder: usize, file: usize) -> Vec<u8> {
    sample(5000, file as u8)
}

/// Empty ones, and some of more than one block.
fn content(folder: usize, file: usize) -> Vec<u8> {
    sample((folder * FILES + file) * 37 % 9000, (folder ^ file) as u8)
}

fn fill(share: &Path, content: impl Fn(usize, usize) -> Vec<u8>) -> usize {
    let mut bytes = 0;
    for (folder, file) in (0..FOLDERS).flat_map(|folder| (0..FILES).map(move |file| (folder, file))) {
        let data = content(folder, file);
        write(share, &name(folder, file), &data);
        bytes += data.len();
    }
    bytes
}

fn assert_whole(here: &Path, content: impl Fn(usize, usize) -> Vec<u8>) {
    for (folder, file) in (0..FOLDERS).flat_map(|folder| (0..FILES).map(move |file| (folder, file))) {
        assert!(fs::read(here.join(name(folder, file))).unwrap() == content(folder, file), "{}", name(folder, file));
    }
    assert!(!names_in(&here.join("top")).contains(&".wstp".to_owned()));
}

/// The time of a file's last change, in milliseconds since 1970.
fn modified_ms(file: &Path) -> u128 {
    file.metadata().unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Files that a run has on record.
fn on_record(here: &Path) -> usize {
    replay([fs::read(here.join("top/.wstp/journal")).unwrap().as_slice(), &[]]).0.stored().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_arrive_and_a_second_run_finds_them_there() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = fill(share.path(), content);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    for already in [false, true] {
        let before = proxy.passed();
        let ended = wstp(here.path(), &["get", &proxy.source("top"), "--json"]).await;
        assert!(!already || proxy.passed() - before < bytes as u64 / 20, "{} bytes", proxy.passed() - before);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_whole(here.path(), content);
        let summary = &ended.events("summary")[0];
        assert_eq!((&summary["files"], &summary["bytes"]), (&(FOLDERS * FILES).into(), &bytes.into()));
        let saved = ended.events("saved");
        assert_eq!(saved.len(), FOLDERS * FILES);
        assert!(saved.iter().all(|saved| saved["already"] == already));
        let last = ended.events("folder").pop();
        assert!(last.is_none_or(|last| last["files_done"].as_u64() <= last["files"].as_u64()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_arrives_any_more_it_says_what_is_kept() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = fill(share.path(), content);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(bytes as u64 / 2);
    let ended = wstp(here.path(), &["get", &proxy.source("top"), "--timeout", "1"]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let said = ended.stderr.lines().find(|line| line.contains("Nothing arrived for 1 s")).unwrap();
    for words in [&format!(" {} of ", on_record(here.path())), "run the same command again", "`--timeout 0`"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("Check the address"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_bear_another_time_are_compared_by_their_hash_and_get_the_right_one() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    for number in 0..20 {
        write(share.path(), &format!("top/f{number}"), &sample(100_000, number));
        write(here.path(), &format!("top/f{number}"), &sample(100_000, number));
    }
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &proxy.source("top"), "--json"]).await;
    assert_eq!((ended.code, ended.events("summary")[0]["files"].as_u64()), (Some(0), Some(20)), "{ended:?}");
    assert!(ended.events("saved").iter().all(|saved| saved["already"] == true));
    assert!(proxy.passed() < 50_000, "{} bytes", proxy.passed());
    // One for the listing, and no more than files are compared at once.
    assert!(proxy.accepted() <= 6, "{} connections", proxy.accepted());
    for number in 0..20 {
        let name = format!("top/f{number}");
        assert_eq!(modified_ms(&here.path().join(&name)), modified_ms(&share.path().join(&name)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_here_is_not_taken_for_the_same() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/a", b"theirs");
    let server = Server::start(share.path()).await;
    assert_eq!(wstp(here.path(), &["get", &server.source("top")]).await.code, Some(0));
    write(here.path(), "top/a", b"mine!!");
    assert_eq!(wstp(here.path(), &["get", &server.source("top")]).await.code, Some(7));
    write(share.path(), "top/a", b"newer!");
    let ended = wstp(here.path(), &["get", &server.source("top"), "--update"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(here.path().join("top/a")).unwrap(), b"newer!");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_bear_the_time_of_their_last_change_on_the_server() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let time = UNIX_EPOCH + Duration::from_millis(1_000_000_000_123);
    for (name, size) in [("top/small", 10), ("top/large", 300_000), ("alone", 50_000)] {
        write(share.path(), name, &sample(size, 1));
        fs::File::open(share.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    let server = Server::start(share.path()).await;
    for source in ["top", "alone"] {
        assert_eq!(wstp(here.path(), &["get", &server.source(source)]).await.code, Some(0));
    }
    for name in ["top/small", "top/large", "alone"] {
        assert_eq!(modified_ms(&here.path().join(name)), 1_000_000_000_123, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_alone_in_a_folder_has_all_of_the_limit() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/large", &sample(4 * MIB, 1));
    let server = Server::start(share.path()).await;
    let began = Instant::now();
    let ended = wstp(here.path(), &["get", &server.source("top"), "--limit", "1Mi"]).await;
    let took = began.elapsed();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A fifth of the limit would take 20 s.
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_fetches_only_what_is_not_on_record() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let content = |folder, file| sample(8000, (folder * 7 + file) as u8);
    let bytes = fill(share.path(), content);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(bytes as u64 / 2);
    let args = ["get", &proxy.source("top"), "--json"];
    let mut run = start_wstp(here.path(), &args);
    proxy.held().await.unwrap();
    run.event(|event| event["event"] == "saved").await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code, None);
    let kept = on_record(here.path());
    assert!(kept > 0);
    let before = proxy.passed();
    proxy.release();
    let ended = wstp(here.path(), &args).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_whole(here.path(), content);
    let sent = (proxy.passed() - before) as usize;
    // Beside its bytes, a file costs its hash and version, and some files were listed again.
    assert!(sent < bytes - kept * 8000 + MIB / 2, "{kept} files were kept, {sent} bytes sent");
    assert_eq!(ended.events("summary")[0]["files"], FOLDERS * FILES);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_it_puts_what_it_has_on_record() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    fill(share.path(), of_one_size);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(5 * MIB as u64);
    let args = ["get", &proxy.source("top"), "--json"];
    let mut run = start_wstp(here.path(), &args);
    proxy.held().await.unwrap();
    run.event(|event| event["event"] == "folder" && event["files_done"].as_u64() > Some(500)).await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.events("failed")[0]["advice"].as_str().unwrap().contains("run the same command again"));
    assert!(on_record(here.path()) > 500);
    assert_eq!(names_in(&here.path().join("top/.wstp")), ["journal", "journal2"]);
    proxy.release();
    assert_eq!(wstp(here.path(), &args).await.code, Some(0));
    assert_whole(here.path(), of_one_size);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_after_it_was_kept_is_fetched_again() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    fill(share.path(), of_one_size);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(5 * MIB as u64);
    let args = ["get", &proxy.source("top"), "--json"];
    let mut run = start_wstp(here.path(), &args);
    let saved = run.event(|event| event["event"] == "saved").await;
    run.signal(Signal::KILL);
    run.end().await;
    fs::remove_file(here.path().join(saved["file"].as_str().unwrap())).unwrap();
    proxy.release();
    assert_eq!(wstp(here.path(), &args).await.code, Some(0));
    assert_whole(here.path(), of_one_size);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_and_large_files_arrive_side_by_side() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let sizes = [0, 1, 128 * 1024, 128 * 1024 + 1, 300_000, MIB, 40, 2 * MIB + 5];
    for (index, size) in sizes.into_iter().enumerate() {
        write(share.path(), &format!("top/a{index}"), &sample(size, 1));
        write(share.path(), &format!("top/sub/b{index}"), &sample(size, 2));
    }
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("top"), "--json", "--limit", "20M"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (index, size) in sizes.into_iter().enumerate() {
        assert!(fs::read(here.path().join(format!("top/a{index}"))).unwrap() == sample(size, 1));
        assert!(fs::read(here.path().join(format!("top/sub/b{index}"))).unwrap() == sample(size, 2));
    }
    assert_eq!(names_in(&here.path().join("top")).len(), sizes.len() + 1);
    assert_eq!(ended.events("summary")[0]["files"], 2 * sizes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_that_differs_is_replaced_only_by_an_update() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "top/a", b"theirs");
    write(share.path(), "top/b", b"b");
    write(here.path(), "top/a", b"mine!!");
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("top")]).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(fs::read(here.path().join("top/a")).unwrap(), b"mine!!");
    let ended = wstp(here.path(), &["get", &server.source("top"), "--update"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(here.path().join("top/a")).unwrap(), b"theirs");
    assert_eq!(names_in(&here.path().join("top")), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_disturb_each_other() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    fill(share.path(), of_one_size);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(5 * MIB as u64);
    let first = start_wstp(here.path(), &["get", &proxy.source("top"), "--json"]);
    proxy.held().await.unwrap();
    let second = wstp(here.path(), &["get", &server.source("top")]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("Another wstp"), "{second:?}");
    proxy.release();
    assert_eq!(first.end().await.code, Some(0));
    assert_whole(here.path(), of_one_size);
}

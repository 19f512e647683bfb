//! Survival: the client is killed or stopped, the server is killed, the file changes.

use std::fs;

use crate::support::{HELD, Halfway, MIB, RECORDED, SIZE, Server, names_in, on_record, sample, write, wstp};
use rustix::process::Signal;
use tempfile::tempdir;
use wstp_testkit::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn killed_it_fetches_only_the_rest() {
    let Halfway { here, proxy, bytes, run, server: _server, share: _share } = Halfway::reach().await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code, None);
    assert!(!here.path().join("x").exists());
    let kept = on_record(&here.path().join("x"));
    let sent = Halfway::again(&here, &proxy, &bytes, &[]).await;
    assert!(sent < SIZE as u64 - kept + MIB as u64 / 2, "{kept} kept, {sent} sent");
}

/// The power may fail while a record is written. The file then ends anywhere, or has its new length with holes in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_cut_off_or_with_holes_is_a_right_start() {
    let Halfway { here, proxy, bytes, run, server: _server, share: _share } = Halfway::reach().await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code, None);
    let (target, partial) = (here.path().join("x"), here.path().join(".x.wstp"));
    let [data, hashes, journal] = ["data", "hashes", "journal"].map(|name| fs::read(partial.join(name)).unwrap());
    let (end, last) = (journal.len(), journal.len() - 20);
    let holes = [0..12, end / 2..end / 2 + 9, last..end];
    let cut = [0, 5, end / 2, end - 1].map(|length| journal[..length].to_vec());
    let holed = holes.map(|hole| {
        let mut holed = journal.clone();
        holed[hole].fill(0);
        holed
    });
    for torn in cut.into_iter().chain(holed) {
        fs::create_dir_all(&partial).unwrap();
        for (name, bytes) in [("data", &data), ("hashes", &hashes), ("journal", &torn)] {
            fs::write(partial.join(name), bytes).unwrap();
        }
        let kept = on_record(&target);
        let sent = Halfway::again(&here, &proxy, &bytes, &[]).await;
        assert!(sent < SIZE as u64 - kept + MIB as u64 / 2, "{kept} kept, {sent} sent");
        fs::remove_file(&target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_it_says_how_to_go_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let Halfway { here, proxy, bytes, run, server: _server, share: _share } = Halfway::reach().await;
        run.signal(signal);
        let ended = run.end().await;
        assert_eq!(ended.code, Some(130), "{ended:?}");
        let advice = ended.events("failed")[0]["advice"].as_str().unwrap().to_owned();
        assert!(advice.contains("Run the same command again"), "{advice}");
        assert!(advice.contains(" MB of 12.58 MB are kept"), "{advice}");
        let kept = on_record(&here.path().join("x"));
        assert!(kept >= RECORDED);
        let sent = Halfway::again(&here, &proxy, &bytes, &[]).await;
        assert!(sent < SIZE as u64 - kept + MIB as u64 / 2, "{kept} kept, {sent} sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_disturb_each_other() {
    let Halfway { here, proxy, bytes, mut run, server: _server, share: _share, .. } = Halfway::reach().await;
    let second = wstp(here.path(), &["get", &_server.source("x")]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("Another wstp"), "{second:?}");
    proxy.release();
    run.event(|event| event["event"] == "saved").await;
    assert_eq!(run.end().await.code, Some(0));
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_is_gone_on_with() {
    let Halfway { here, proxy, bytes, mut run, server, share } = Halfway::reach().await;
    drop(server);
    let reborn = Server::start(share.path()).await;
    let before = proxy.passed();
    proxy.release();
    proxy.move_to(reborn.address());
    run.event(|event| event["event"] == "saved").await;
    assert_eq!(run.end().await.code, Some(0));
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    assert!(proxy.passed() - before < SIZE as u64 - RECORDED + MIB as u64, "{}", proxy.passed() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_ends_it_and_an_update_keeps_what_matches() {
    let Halfway { here, proxy, mut bytes, run, server: _server, share } = Halfway::reach().await;
    bytes[100_000] ^= 1;
    bytes.extend(sample(MIB, 2));
    write(share.path(), "new", &bytes);
    fs::rename(share.path().join("new"), share.path().join("x")).unwrap();
    proxy.release();
    let ended = run.end().await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let failed = &ended.events("failed")[0];
    assert!(failed["advice"].as_str().unwrap().contains("--update"), "{failed}");
    let ended = wstp(here.path(), &["get", &proxy.source("x")]).await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let sent = Halfway::again(&here, &proxy, &bytes, &["--update"]).await;
    assert!(sent < bytes.len() as u64 - RECORDED + MIB as u64, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_complete_and_not_in_its_place_is_not_fetched_again() {
    for changed in [false, true] {
        let Halfway { here, proxy, mut bytes, run, server: _server, share } = Halfway::reach().await;
        write(here.path(), "x", b"somebody else's");
        proxy.release();
        let ended = run.end().await;
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert_eq!(fs::read(here.path().join("x")).unwrap(), b"somebody else's");
        fs::remove_file(here.path().join("x")).unwrap();
        if changed {
            bytes = sample(SIZE, 2);
            write(share.path(), "x", &bytes);
        }
        let sent = Halfway::again(&here, &proxy, &bytes, &[]).await;
        let is_right = if changed { sent > SIZE as u64 } else { sent < MIB as u64 / 8 };
        assert!(is_right, "{sent} bytes were sent, changed: {changed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_arrives_for_long_it_gives_up_and_keeps_what_there_is() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(SIZE, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(HELD);
    let ended = wstp(here.path(), &["get", &proxy.source("x"), "--timeout", "1", "--connections", "1"]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(ended.stderr.to_lowercase().matches("nothing arrived").count(), 1, "{ended:?}");
    for words in [" MB of 12.58 MB are kept", "run the same command again", "`--timeout 0`"] {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    assert!(!ended.stderr.contains("Check the address"), "{ended:?}");
    assert!(on_record(&here.path().join("x")) >= RECORDED);
    let sent = Halfway::again(&here, &proxy, &bytes, &[]).await;
    assert!(sent < SIZE as u64 - RECORDED + MIB as u64, "{sent}");
}

/// Disks fail, other programs tidy up, and another version may have been here. The same command ends well, or says
/// which path to delete and ends well after that.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_partial_folder_is_a_dead_end() {
    let Halfway { here, proxy, bytes, run, server: _server, share } = Halfway::reach().await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code, None);
    proxy.release();
    write(share.path(), "folder/y", &bytes[..1000]);
    let (target, partial, inner) =
        (here.path().join("x"), here.path().join(".x.wstp"), here.path().join("folder/.wstp"));
    let whole = ["data", "hashes", "journal"].map(|name| fs::read(partial.join(name)).unwrap());
    let begin = || {
        let _ = fs::remove_dir_all(&partial);
        let _ = fs::remove_file(&target);
        ["data", "hashes", "journal"].iter().zip(&whole).for_each(|(name, bytes)| write(&partial, name, bytes));
    };
    let get = async |path: &str| wstp(here.path(), &["get", &proxy.source(path)]).await;
    let arrived = || fs::read(&target).unwrap() == bytes && names_in(here.path()).contains(&"x".to_owned());

    for lost in ["data", "hashes", "journal"] {
        begin();
        fs::remove_file(partial.join(lost)).unwrap();
        let ended = get("x").await;
        assert_eq!(ended.code, Some(0), "without {lost}: {ended:?}");
        assert!(arrived(), "without {lost}");
    }
    begin();
    fs::write(partial.join("journal"), sample(5000, 9)).unwrap();
    assert_eq!(get("x").await.code, Some(0));
    assert!(arrived());

    for spoilt in ["data", "hashes", "journal"] {
        begin();
        fs::remove_file(partial.join(spoilt)).unwrap();
        match spoilt {
            "data" => std::os::unix::fs::symlink(here.path().join("elsewhere"), partial.join(spoilt)).unwrap(),
            _ => fs::create_dir(partial.join(spoilt)).unwrap(),
        }
        let ended = get("x").await;
        assert_eq!(ended.code, Some(6), "{spoilt}: {ended:?}");
        assert!(ended.stderr.contains(&format!("{spoilt} is not a file")), "{ended:?}");
        assert!(
            ended.stderr.contains("Delete ") && ended.stderr.contains(".x.wstp, and run the same command"),
            "{ended:?}"
        );
        fs::remove_dir_all(&partial).unwrap();
        assert_eq!(get("x").await.code, Some(0));
        assert!(arrived() && !here.path().join("elsewhere").exists());
    }
    for (path, folder) in [("x", &partial), ("folder", &inner)] {
        begin();
        if path == "folder" {
            write(folder, "journal", b"WSTPTREE\xff\0\0\0and so on");
        } else {
            let mut later = whole[2].clone();
            later[8] = 0xff;
            fs::write(folder.join("journal"), later).unwrap();
        }
        let before = fs::read(folder.join("journal")).unwrap();
        let ended = get(path).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("was written by another version of wstp."), "{ended:?}");
        assert_eq!(fs::read(folder.join("journal")).unwrap(), before, "it is not touched");
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(get(path).await.code, Some(0));
    }
    begin();
    fs::remove_dir_all(&partial).unwrap();
    fs::write(&partial, "no folder").unwrap();
    let ended = get("x").await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains(".x.wstp is in the way") && ended.stderr.contains("Move or delete it"), "{ended:?}");
    fs::remove_file(&partial).unwrap();
    assert_eq!(get("x").await.code, Some(0));
    assert!(arrived());
}

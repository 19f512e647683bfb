//! The client does not trust bytes of an earlier run. Whatever happened to them meanwhile, the file is right in the
//! end. The client fetches only wrong bytes again.

use std::fs;
use std::path::Path;

use crate::support::{Halfway, MIB, SIZE, Server, names_in, on_record, sample, start_wstp, write, wstp};
use rustix::process::Signal;
use tempfile::tempdir;
use wstp_testkit::Proxy;

const BLOCK: usize = 8192;

/// A name, and a function that damages the partial folder. Given how many bytes are on record, it returns how many of
/// them are wrong afterwards.
type Damage = (&'static str, fn(&Path, usize) -> usize);

const DAMAGES: [Damage; 6] = [
    ("cut to 1,000 bytes", |partial, kept| {
        change(partial, |data| data.truncate(1000));
        kept
    }),
    ("100 kB overwritten", |partial, _| {
        change(partial, |data| data[1_000_000..1_100_000].fill(0xee));
        100_000 + 2 * BLOCK
    }),
    ("two blocks swapped", |partial, _| {
        change(partial, |data| {
            let (left, right) = data.split_at_mut(400 * BLOCK);
            left[7 * BLOCK..8 * BLOCK].swap_with_slice(&mut right[..BLOCK]);
        });
        2 * BLOCK
    }),
    ("the hashes deleted", |partial, _| {
        fs::remove_file(partial.join("hashes")).unwrap();
        0
    }),
    ("an older copy of the same size restored", |partial, kept| {
        change(partial, |data| data[MIB..].fill(0));
        kept - MIB
    }),
    ("the data deleted", |partial, kept| {
        fs::remove_file(partial.join("data")).unwrap();
        kept
    }),
];

fn change(partial: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = partial.join("data");
    let mut data = fs::read(&path).unwrap();
    change(&mut data);
    fs::write(path, data).unwrap();
}

/// The files of a partial folder, to be restored.
fn copy_of(partial: &Path) -> Vec<(String, Vec<u8>)> {
    names_in(partial).into_iter().map(|name| (name.clone(), fs::read(partial.join(name)).unwrap())).collect()
}

fn put_back(partial: &Path, files: &[(String, Vec<u8>)]) {
    files.iter().for_each(|(name, bytes)| write(partial, name, bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_wrong_between_two_runs_is_fetched_again_and_nothing_else() {
    let Halfway { here, proxy, bytes, run, server: _server, share: _share } = Halfway::reach().await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code, None);
    let (target, partial) = (here.path().join("x"), here.path().join(".x.wstp"));
    let files = copy_of(&partial);
    let kept = on_record(&target) as usize;
    for (what, damage) in DAMAGES {
        put_back(&partial, &files);
        let wrong = damage(&partial, kept);
        let sent = Halfway::again(&here, &proxy, &bytes, &[]).await as usize;
        assert!(sent < SIZE - kept + wrong + MIB / 2, "{what}: {kept} kept, {wrong} wrong, {sent} sent");
        fs::remove_file(&target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_complete_and_became_wrong_before_it_was_put_into_its_place_is_mended() {
    let Halfway { here, proxy, bytes, run, server: _server, share: _share } = Halfway::reach().await;
    let (target, partial) = (here.path().join("x"), here.path().join(".x.wstp"));
    write(here.path(), "x", b"somebody else's");
    proxy.release();
    assert_eq!(run.end().await.code, Some(7));
    let files = copy_of(&partial);
    for (what, damage) in DAMAGES {
        fs::remove_file(&target).unwrap();
        put_back(&partial, &files);
        let wrong = damage(&partial, SIZE);
        let before = proxy.passed();
        let ended = wstp(here.path(), &["get", &proxy.source("x"), "--json"]).await;
        assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
        let damaged = ended.events("progress").last().unwrap()["damaged"].as_u64().unwrap() as usize;
        assert!((damaged > 0) == (wrong > 0) && damaged <= wrong, "{what}: {wrong} wrong, {damaged} told");
        assert_eq!(ended.events("saved")[0]["blake3"], blake3::hash(&bytes).to_hex().as_str());
        assert!(fs::read(&target).unwrap() == bytes, "{what}");
        assert_eq!(names_in(here.path()), ["x"]);
        let sent = (proxy.passed() - before) as usize;
        assert!(sent < wrong + MIB / 4, "{what}: {wrong} wrong, {sent} sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_folder_that_became_wrong_are_told_or_fetched_again() {
    const FILES: u8 = 50;
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let name = |number: u8| format!("top/f{number}");
    let content = |number: u8| sample(5000, number);
    (0..FILES).for_each(|number| write(share.path(), &name(number), &content(number)));
    write(share.path(), "top/large", &sample(6 * MIB, 99));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.hold_after(2 * MIB as u64);
    let mut run = start_wstp(here.path(), &["get", &proxy.source("top"), "--json", "--connections", "1"]);
    let journal = here.path().join("top/.wstp/journal");
    let on_record = || {
        let bytes = fs::read(&journal).unwrap_or_default();
        wstp_engine::folder::journal::replay([bytes.as_slice(), &[]]).0.stored().count()
    };
    run.event(|event| event["event"] == "folder" && on_record() == usize::from(FILES)).await;
    run.signal(Signal::KILL);
    run.end().await;
    // One still has its time, as after a fault of the disk; one is gone.
    let path = |number| here.path().join(name(number));
    let modified = fs::metadata(path(1)).unwrap().modified().unwrap();
    [1, 2].into_iter().for_each(|number| fs::write(path(number), sample(5000, 77)).unwrap());
    fs::File::options().write(true).open(path(1)).unwrap().set_modified(modified).unwrap();
    fs::remove_file(path(3)).unwrap();
    proxy.release();
    let ended = wstp(here.path(), &["get", &proxy.source("top"), "--json"]).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let failed: Vec<_> =
        ended.events("failed").iter().map(|event| event["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(failed.len(), 2, "{ended:?}");
    assert!([1, 2].into_iter().all(|number| failed.contains(&name(number))), "{failed:?}");
    assert_eq!(ended.events("summary")[0]["files"], FILES - 2 + 1);
    assert_eq!(fs::read(path(3)).unwrap(), content(3));
    let ended = wstp(here.path(), &["get", &proxy.source("top"), "--update"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!((0..FILES).all(|number| fs::read(path(number)).unwrap() == content(number)));
    assert!(fs::read(here.path().join("top/large")).unwrap() == sample(6 * MIB, 99));
}

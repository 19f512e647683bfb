//! What an earlier run stored is not believed: whatever became of it meanwhile, the file is right in the end, and only what is wrong is fetched again.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use support::{Halfway, MIB, SIZE, names_in, on_record, write, wstp};

const BLOCK: usize = 8192;

/// What happens to the partial folder, and how many of its bytes are wrong afterwards, of so many that are on record.
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

/// The files of a partial folder, to be put there again.
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
        assert_eq!(ended.events("saved")[0]["blake3"], blake3::hash(&bytes).to_hex().as_str());
        assert!(fs::read(&target).unwrap() == bytes, "{what}");
        assert_eq!(names_in(here.path()), ["x"]);
        let sent = (proxy.passed() - before) as usize;
        assert!(sent < wrong + MIB / 4, "{what}: {wrong} wrong, {sent} sent");
    }
}

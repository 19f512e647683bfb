//! Shares that are gone, and links to entries that are not served: the messages.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::support::{Server, names_in, write, wstp};
use tempfile::tempdir;

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_folder_that_is_gone_is_never_an_empty_one() {
    let (outer, here) = (tempdir().unwrap(), tempdir().unwrap());
    let share = outer.path().join("share");
    write(&share, "folder/file", b"1");
    let server = Server::start(&share).await;
    fs::remove_dir_all(&share).unwrap();
    write(here.path(), "local", b"1");
    let sources = ["", "folder", "folder/file"].map(|path| server.source(path));
    for args in [
        &["ls", &sources[0]][..],
        &["ls", &sources[1]],
        &["verify", "local", &sources[2]],
        &["get", &sources[2], "--timeout", "2"],
    ] {
        let ended = wstp(here.path(), args).await;
        assert_ne!(ended.code, Some(0), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains("is not there at the moment"), "{args:?}: {ended:?}");
        assert_eq!(ended.stderr.contains("when it is back"), args[0] != "get", "a download waits for that: {ended:?}");
    }
    write(&share, "folder/file", b"2");
    let ended = wstp(here.path(), &["get", &sources[1]]).await;
    assert_eq!((ended.code, fs::read(here.path().join("folder/file")).unwrap()), (Some(0), b"2".to_vec()), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_fetched_or_told_in_words() {
    let (outer, here) = (tempdir().unwrap(), tempdir().unwrap());
    let share = outer.path().join("share");
    write(&share, "top/file", b"inside");
    write(outer.path(), "secret", b"secret");
    symlink(share.join("top/file"), share.join("top/absolute")).unwrap();
    let strays = [
        ("out", outer.path().join("secret"), "leads-out", "leads out of what"),
        ("circle", share.join("top/circle"), "circle", "leads round in a circle"),
        ("around", share.join("top"), "circle", "leads round in a circle"),
        ("nowhere", share.join("nothing"), "dangling", "leads nowhere"),
    ];
    for (name, target, ..) in &strays {
        symlink(target, share.join("top").join(name)).unwrap();
    }
    let server = Server::start(&share).await;
    let listed = wstp(here.path(), &["ls", "-l", &server.source("top")]).await.stdout;
    let fetched = wstp(here.path(), &["get", &server.source("top"), "--json"]).await;
    assert_eq!(fetched.code, Some(0), "{fetched:?}");
    let skipped = fetched.events("skipped");
    for (name, _, kind, words) in strays {
        let line = listed.lines().find(|line| line.ends_with(&format!("  {name}"))).unwrap();
        assert_eq!(line.split_whitespace().next(), Some(kind), "{listed}");
        let told = skipped.iter().find(|event| event["path"] == format!("top/{name}")).unwrap();
        assert!(told["reason"].as_str().unwrap().contains(words), "{told}");
        if name == "around" {
            continue;
        }
        let source = server.source(&format!("top/{name}"));
        for args in [&["get", &source][..], &["verify", "top/file", &source]] {
            let ended = wstp(here.path(), args).await;
            assert_eq!(ended.code, Some(3), "{ended:?}");
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
    }
    assert_eq!(names_in(&here.path().join("top")), ["absolute", "file"]);
    assert_eq!(fs::read(here.path().join("top/absolute")).unwrap(), b"inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_not_utf_8_arrive_as_they_are() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let names: [&[u8]; 4] = [b"caf\xe9", b"caf\xe8", "caf\u{efe9}".as_bytes(), "caf\u{fffd}".as_bytes()];
    let folder = OsStr::from_bytes(b"dir\xff");
    fs::create_dir(share.path().join(folder)).unwrap();
    for name in names {
        fs::write(share.path().join(folder).join(OsStr::from_bytes(name)), name).unwrap();
    }
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source(""), "-o", "all", "--json"]).await;
    assert_eq!((ended.code, ended.events("renamed").len()), (Some(0), 0), "{ended:?}");
    let got = here.path().join("all").join(folder);
    for name in names {
        assert_eq!(fs::read(got.join(OsStr::from_bytes(name))).unwrap(), name, "{name:?}");
    }
    assert_eq!(fs::read_dir(got).unwrap().count(), names.len());
    let ended = wstp(here.path(), &["get", &server.source("dir\u{efff}/caf\u{efe9}")]).await;
    assert_eq!(
        (ended.code, fs::read(here.path().join(OsStr::from_bytes(b"caf\xe9"))).unwrap()),
        (Some(0), names[0].to_vec())
    );
}

//! Entries that are neither plain files nor plain folders.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Client, Folder, Options, Server};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use wstp_protocol::{ClientMessage, Close, EntryKind, ErrorCode, features};

/// The user `nobody`, if the test itself may read everything.
pub fn ordinary_user() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(65_534)
}

#[tokio::test]
async fn fifos_sockets_and_devices_are_not_served() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let mut special = vec!["fifo", "socket", "link to fifo"];
    symlink("fifo", at("link to fifo")).unwrap();
    if mknodat(CWD, at("device"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 5))
        .is_ok()
    {
        special.push("device");
    }
    folder.file("file", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let names: Vec<String> = client.list("").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["file"]);
    for name in special {
        assert_eq!(client.open_file(name).await.unwrap_err().code, ErrorCode::NotAFile, "{name}");
        assert_eq!(client.stat(name).await.unwrap_err().code, ErrorCode::NotAFile, "{name}");
        assert_eq!(client.list(name).await.unwrap_err().code, ErrorCode::NotAFile, "{name}");
    }
}

#[tokio::test]
async fn a_folder_can_not_be_opened_as_a_file() {
    let folder = Folder::new();
    folder.file("folder/file", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(client.open_file("folder").await.unwrap_err().code, ErrorCode::NotAFile);
    assert_eq!(client.open_file("").await.unwrap_err().code, ErrorCode::NotAFile);
}

#[tokio::test]
async fn links_are_followed_within_the_share_and_nowhere_else() {
    let outside = Folder::new();
    outside.file("secret", b"secret");
    let folder = Folder::new();
    folder.file("folder/file", b"inside");
    let link = |target: &OsStr, name: &str| symlink(target, folder.path().join(name)).unwrap();
    link(OsStr::new("folder"), "to folder");
    link(OsStr::new("folder/file"), "to file");
    link(OsStr::new("../folder/file"), "folder/up and down");
    let leaving = ["absolute", "absolute folder", "relative", "etc"];
    link(outside.path().join("secret").as_os_str(), "absolute");
    link(outside.path().as_os_str(), "absolute folder");
    let name = outside.path().file_name().unwrap();
    let mut relative = std::ffi::OsString::from("../");
    relative.push(name);
    relative.push("/secret");
    link(&relative, "relative");
    link(OsStr::new("/etc"), "etc");
    let nowhere = ["dangling", "circle"];
    link(OsStr::new("nothing"), "dangling");
    link(OsStr::new("circle"), "circle");

    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(client.fetch("to file").await, b"inside");
    assert_eq!(client.fetch("to folder/file").await, b"inside");
    assert_eq!(client.fetch("folder/up and down").await, b"inside");
    for name in leaving {
        assert_eq!(client.open_file(name).await.unwrap_err().code, ErrorCode::Forbidden, "{name}");
        assert_eq!(client.list(name).await.unwrap_err().code, ErrorCode::Forbidden, "{name}");
    }
    assert_eq!(client.open_file("absolute folder/secret").await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(client.open_file("etc/passwd").await.unwrap_err().code, ErrorCode::Forbidden);
    for name in nowhere {
        assert_eq!(client.open_file(name).await.unwrap_err().code, ErrorCode::NotFound, "{name}");
    }
    let entries = client.list("").await.unwrap();
    let kind = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap().kind;
    assert_eq!(kind("to folder"), EntryKind::Directory);
    assert_eq!(kind("to file"), EntryKind::File);
    for name in leaving.into_iter().chain(nowhere) {
        assert_eq!(kind(name), EntryKind::Dangling, "{name}");
        assert_eq!(client.stat(name).await.unwrap().kind, EntryKind::Dangling, "{name}");
    }
}

#[tokio::test]
async fn links_to_a_folder_they_lie_in_lead_nowhere() {
    let folder = Folder::new();
    folder.file("one/file", b"1");
    folder.file("two/deep/file", b"2");
    let link = |target: &str, name: &str| symlink(target, folder.path().join(name)).unwrap();
    link(".", "whole");
    link(".", "one/itself");
    link("..", "one/up");
    link("../two", "one/other");
    link("../../one", "two/deep/back");

    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(at) = folders.pop() {
        for entry in client.list(&at).await.unwrap() {
            let path = if at.is_empty() { entry.name } else { format!("{at}/{}", entry.name) };
            match entry.kind {
                EntryKind::Directory => folders.push(path),
                EntryKind::File => found.push(path),
                kind => assert_eq!(kind, EntryKind::Dangling, "{path}"),
            }
        }
        assert!(folders.len() < 10, "it never ends");
    }
    found.sort();
    let each = ["one/file", "one/other/deep/file", "two/deep/back/file", "two/deep/file"];
    assert_eq!(found, each);
    assert_eq!(client.stat("one/up").await.unwrap().kind, EntryKind::Directory, "whoever wants it can have it");
    assert!(!client.list("one/up").await.unwrap().is_empty());
}

#[tokio::test]
async fn unreadable_entries_are_listed_as_such_and_refused() {
    let folder = Folder::new();
    let file = folder.file("file", b"mine");
    folder.file("folder/inner", b"mine");
    folder.file("readable", b"yours");
    folder.file("names only/inner", b"mine");
    std::fs::set_permissions(file, Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(folder.path().join("folder"), Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(folder.path().join("names only"), Permissions::from_mode(0o444)).unwrap();
    let server = Server::start_with(folder.path(), Options { uid: ordinary_user(), ..Options::default() }).await;
    let mut client = server.connect().await;
    let entries = client.list("").await.unwrap();
    let found: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!(
        found,
        [
            ("folder", EntryKind::Unreadable),
            ("names only", EntryKind::Unreadable),
            ("file", EntryKind::Unreadable),
            ("readable", EntryKind::File)
        ]
    );
    assert_eq!(client.stat("file").await.unwrap().kind, EntryKind::Unreadable);
    assert_eq!(client.stat("folder").await.unwrap().kind, EntryKind::Unreadable);
    assert_eq!(client.open_file("file").await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(client.list("folder").await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(client.open_file("folder/inner").await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(client.list("names only").await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(client.fetch("readable").await, b"yours");
    for name in ["folder", "names only"] {
        std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn links_are_followed_wherever_they_stay_inside_and_the_others_told_apart() {
    let outer = Folder::new();
    outer.file("secret", b"secret");
    outer.file("share/folder/file", b"inside");
    let (share, alias) = (outer.path().join("share"), outer.path().join("alias"));
    symlink(&share, &alias).unwrap();
    let link = |target: &Path, name: &str| symlink(target, share.join(name)).unwrap();
    let inside = ["absolute", "by the alias", "up and in again", "by another link", "to a folder/file"];
    link(&share.join("folder/file"), "absolute");
    link(&alias.join("folder/file"), "by the alias");
    link(Path::new("../share/folder/file"), "up and in again");
    link(&share.join("absolute"), "by another link");
    link(&share.join("folder"), "to a folder");
    link(&outer.path().join("secret"), "out");
    link(Path::new("../nothing"), "out to nothing");
    link(&share.join("out"), "out by another link");
    link(&share.join("circle"), "circle");
    link(&share, "the whole");
    link(&share.join("nothing"), "nowhere");

    for root in [&share, &alias] {
        let server = Server::start(root).await;
        let mut client = Client::open(server.address(), None).await.unwrap();
        client.hello_with(features::LINKS).await;
        for path in inside {
            assert_eq!(client.fetch(path).await, b"inside", "{path}");
        }
        let entries = client.list("").await.unwrap();
        let strays = [
            ("out", EntryKind::LeadsOut, 403, "leads out"),
            ("out to nothing", EntryKind::LeadsOut, 403, "leads out"),
            ("out by another link", EntryKind::LeadsOut, 403, "leads out"),
            ("circle", EntryKind::Circle, 404, "circle"),
            ("nowhere", EntryKind::Dangling, 404, "nowhere"),
        ];
        for (name, kind, status, words) in strays {
            assert_eq!(entries.iter().find(|entry| entry.name == name).unwrap().kind, kind, "{name}");
            assert_eq!(client.stat(name).await.unwrap().kind, kind, "{name}");
            let refused = client.open_file(name).await.unwrap_err().text;
            assert!(refused.contains(words), "{name}: {refused}");
            let target = format!("/files/{}", name.replace(' ', "%20"));
            let reply = crate::support::plain::request(server.address(), "GET", &target, &[]).await;
            assert_eq!((reply.status, reply.text().contains(words)), (status, true), "{name}: {}", reply.text());
        }
        let whole = entries.iter().find(|entry| entry.name == "the whole").unwrap();
        assert_eq!(whole.kind, EntryKind::Circle, "it lies in itself");
        let served = crate::support::plain::request(server.address(), "GET", "/files/absolute", &[]).await;
        assert_eq!((served.status, served.text()), (200, "inside"));
        let page = crate::support::plain::request(server.address(), "GET", "/files/", &[]).await;
        assert!(page.text().contains("link leads out") && page.text().contains("link in a circle"));
    }
}

#[tokio::test]
async fn a_link_that_changes_all_the_time_never_leads_out() {
    let outer = Folder::new();
    outer.file("secret/file", b"secret");
    outer.file("share/folder/file", b"inside");
    let share = outer.path().join("share");
    let (inside, outside) = (share.join("folder"), outer.path().join("secret"));
    symlink(&inside, share.join("link")).unwrap();
    let server = Server::start(&share).await;
    let mut client = server.connect().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (is_over, share) = (is_over.clone(), share.clone());
        move || {
            for target in [&outside, &inside].into_iter().cycle() {
                symlink(target, share.join("new")).unwrap();
                std::fs::rename(share.join("new"), share.join("link")).unwrap();
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    });
    let mut served = 0;
    for _ in 0..2000 {
        if let Ok(opened) = client.open_file("link/file").await {
            match client.blocks(opened.handle, 0, 1).await {
                Ok(bytes) => {
                    assert_eq!(bytes, b"inside"[..]);
                    served += 1;
                }
                Err(failure) => assert_eq!(failure.code, ErrorCode::Changed),
            }
            client.send(&ClientMessage::Close(Close { handle: opened.handle })).await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(served > 0);
}

#[tokio::test]
async fn a_name_that_is_not_utf_8_is_spelled_and_served() {
    let folder = Folder::new();
    folder.file("after", b"");
    let write = |name: &[u8], bytes: &[u8]| std::fs::write(folder.path().join(OsStr::from_bytes(name)), bytes).unwrap();
    std::fs::create_dir(folder.path().join(OsStr::from_bytes(b"dir\xff"))).unwrap();
    write(b"caf\xe9", b"latin");
    write("caf\u{efe9}".as_bytes(), b"private use");
    write("caf\u{fffd}".as_bytes(), b"likeness");
    write(b"dir\xff/\xfe\xfd", b"deep");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.list_page("", cursor, 1).await.unwrap();
        entries.extend(page.entries.into_iter().map(|entry| (entry.name, entry.kind)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected = [
        ("dir\u{efff}", EntryKind::Directory),
        ("after", EntryKind::File),
        ("caf\u{efe9}", EntryKind::File),
        ("caf\u{efee}\u{efbf}\u{efa9}", EntryKind::File),
        ("caf\u{fffd}", EntryKind::File),
    ];
    assert_eq!(entries, expected.map(|(name, kind)| (name.to_owned(), kind)));
    for (path, url, bytes) in [
        ("caf\u{efe9}", "caf%E9", &b"latin"[..]),
        ("caf\u{efee}\u{efbf}\u{efa9}", "caf%EE%BF%A9", b"private use"),
        ("caf\u{fffd}", "caf%ef%bf%bd", b"likeness"),
        ("dir\u{efff}/\u{effe}\u{effd}", "dir%ff/%fe%fd", b"deep"),
    ] {
        assert_eq!(client.fetch(path).await, bytes, "{path:?}");
        let reply = crate::support::plain::request(server.address(), "GET", &format!("/files/{url}"), &[]).await;
        assert_eq!((reply.status, &*reply.body), (200, bytes), "{url}");
    }
    let page = crate::support::plain::request(server.address(), "GET", "/files/", &[]).await;
    assert!(page.text().contains("href=\"caf%E9\"") && page.text().contains("href=\"dir%FF/\""), "{}", page.text());
    assert_eq!(client.open_file("caf\u{efe8}").await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(client.open_file("\u{efc3}\u{efa4}").await.unwrap_err().code, ErrorCode::NotFound);
}

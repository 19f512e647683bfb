//! Bundles: whole small files of a folder in one message, under the same rules as opened ones.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Client, Folder, Options, Server, sample};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use wstp_protocol::limits::{MAX_BUNDLE_FILES, MAX_BUNDLED_FILE, MAX_SERVER_FRAME};
use wstp_protocol::{
    BundleRequest, Bundled, BundledFile, ClientMessage, ErrorCode, ServerMessage, SharePath, features,
};

async fn connect(server: &Server) -> Client {
    let mut client = Client::open(server.address(), None).await.unwrap();
    let (welcome, _) = client.hello_with(features::BUNDLES).await;
    assert_eq!(welcome.features, features::BUNDLES);
    client
}

/// The bytes of a file that has its own hash.
fn bytes(bundled: &Bundled) -> &[u8] {
    let Bundled::File(BundledFile { root, data, .. }) = bundled else { panic!("no file but {bundled:?}") };
    assert_eq!(root, blake3::hash(data).as_bytes());
    data
}

fn code(bundled: &Bundled) -> ErrorCode {
    let Bundled::Refused(code) = bundled else { panic!("no refusal but {bundled:?}") };
    *code
}

#[tokio::test]
async fn small_files_come_whole_with_what_opening_would_tell() {
    let folder = Folder::new();
    folder.file("photos/a", &sample(5000));
    folder.file("photos/empty", b"");
    folder.file("photos/most", &sample(MAX_BUNDLED_FILE));
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let files = client.bundle("photos", &["empty", "most", "a"]).await.unwrap();
    assert_eq!(bytes(&files[0]), b"");
    assert_eq!(bytes(&files[1]), sample(MAX_BUNDLED_FILE));
    assert_eq!(bytes(&files[2]), sample(5000));
    let Bundled::File(a) = &files[2] else { panic!("a is a file") };
    let opened = client.open_file("photos/a").await.unwrap();
    assert_eq!(a.version, opened.version);
    assert_eq!(a.root, client.root(&opened).await);
    assert_eq!(a.modified_ms, client.stat("photos/a").await.unwrap().modified_ms);
}

#[tokio::test]
async fn each_name_is_refused_for_its_own_reason() {
    let outside = Folder::new();
    outside.file("secret", b"secret");
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    folder.file("top/good", b"good");
    folder.file("top/vanished", b"was there");
    folder.file("top/.hidden", b"hidden");
    folder.file("top/sub/file", b"");
    folder.sparse("top/large", MAX_BUNDLED_FILE as u64 + 1);
    mknodat(CWD, at("top/fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    symlink(outside.path().join("secret"), at("top/out")).unwrap();
    symlink("../../secret", at("top/up")).unwrap();
    symlink("good", at("top/link")).unwrap();
    symlink("loop", at("top/loop")).unwrap();
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    std::fs::remove_file(at("top/vanished")).unwrap();
    let names = ["good", "vanished", ".hidden", "sub", "large", "fifo", "out", "up", "loop", "back\\slash", "link"];
    let files = client.bundle("top", &names).await.unwrap();
    assert_eq!((bytes(&files[0]), bytes(&files[10])), (&b"good"[..], &b"good"[..]));
    let codes: Vec<_> = files[1..10].iter().map(code).collect();
    use ErrorCode::*;
    assert_eq!(codes[..5], [NotFound, NotFound, NotAFile, TooLarge, NotAFile]);
    for code in &codes[5..7] {
        assert!(matches!(code, Forbidden | NotFound), "{codes:?}");
    }
    assert_eq!(codes[7..], [NotFound, NotFound]);
    let files = client.bundle("nowhere", &["a", "b"]).await.unwrap();
    assert_eq!(files.iter().map(code).collect::<Vec<_>>(), [NotFound; 2]);
    let files = client.bundle("top/good", &["a"]).await.unwrap();
    assert_eq!(code(&files[0]), NotFound);
}

#[tokio::test]
async fn a_name_too_long_for_its_folder_is_refused_alone() {
    let folder = Folder::new();
    folder.file("file", b"");
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let path = vec!["n".repeat(1000); 4].join("/");
    let files = client.bundle(&path, &[&"x".repeat(100), "y"]).await.unwrap();
    assert_eq!(files.iter().map(code).collect::<Vec<_>>(), [ErrorCode::InvalidPath, ErrorCode::NotFound]);
}

#[tokio::test]
async fn what_the_server_may_not_read_is_forbidden() {
    let folder = Folder::new();
    let uid = rustix::process::geteuid().is_root().then_some(65_534);
    std::fs::set_permissions(folder.file("locked", b"x"), Permissions::from_mode(0o000)).unwrap();
    folder.file("open", b"x");
    let server = Server::start_with(folder.path(), Options { uid, ..Options::default() }).await;
    let files = connect(&server).await.bundle("", &["locked", "open"]).await.unwrap();
    assert_eq!((code(&files[0]), bytes(&files[1])), (ErrorCode::Forbidden, &b"x"[..]));
}

#[tokio::test]
async fn a_reply_is_a_prefix_that_fits_a_frame() {
    let folder = Folder::new();
    let names: Vec<_> = (0..MAX_BUNDLE_FILES).map(|number| format!("f{number:03}")).collect();
    let content = |number: usize| sample(2000 + number);
    for (number, name) in names.iter().enumerate() {
        folder.file(name, &content(number));
    }
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (mut got, mut replies) = (0, 0);
    while got < names.len() {
        let files = client.bundle("", &names[got..]).await.unwrap();
        for (number, file) in files.iter().enumerate() {
            assert_eq!(bytes(file), content(got + number), "{}", names[got + number]);
        }
        got += files.len();
        replies += 1;
    }
    let least = (0..names.len()).map(|number| 2000 + number).sum::<usize>().div_ceil(MAX_SERVER_FRAME);
    assert_eq!(replies, least, "each frame but the last is as full as can be");
}

#[tokio::test]
async fn as_many_files_as_a_bundle_may_have_come_at_once() {
    let folder = Folder::new();
    let names: Vec<_> = (0..MAX_BUNDLE_FILES).map(|number| format!("{number}")).collect();
    for name in &names {
        folder.file(name, name.as_bytes());
    }
    let server = Server::start(folder.path()).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let files = connect(&server).await.bundle("", &names).await.unwrap();
    assert_eq!(
        files.iter().map(bytes).collect::<Vec<_>>(),
        names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn many_bundles_under_way_are_all_answered() {
    let folder = Folder::new();
    folder.file("a", &sample(100_000));
    folder.file("b", &sample(100_000));
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(client.ask_bundle("", &["a", "b"]).await);
    }
    for id in ids {
        let ServerMessage::Bundle(reply) = client.answer(id).await.unwrap() else { panic!("no bundle") };
        assert_eq!(reply.files.len(), 2);
    }
}

#[tokio::test]
async fn nothing_is_read_for_clients_that_take_nothing() {
    const CLIENTS: usize = 30;
    let folder = Folder::new();
    folder.file("a", &sample(100_000));
    folder.file("b", &sample(100_000));
    let server = Server::start(folder.path()).await;
    let before = server.peak_memory();
    let mut idle = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(&server).await;
        for _ in 0..60 {
            client.ask_bundle("", &["a", "b"]).await;
        }
        idle.push(client);
    }
    let mut busy = connect(&server).await;
    for _ in 0..100 {
        assert_eq!(busy.bundle("", &["a", "b"]).await.unwrap().len(), 2);
    }
    // All of their requests would be twelve million bytes each.
    let growth = server.peak_memory() - before;
    assert!(growth < CLIENTS as u64 * (5 << 20), "{growth} bytes more");
}

#[tokio::test]
async fn bytes_of_two_versions_are_never_mixed() {
    let folder = Folder::new();
    let path = folder.file("changing", &[0; 100_000]);
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut value = 0u8;
            while !stop.load(Ordering::Relaxed) {
                value = value.wrapping_add(1);
                let file = File::options().write(true).open(&path).unwrap();
                for offset in (0..100_000).step_by(10_000) {
                    std::os::unix::fs::FileExt::write_all_at(&file, &[value; 10_000], offset).unwrap();
                }
            }
        }
    });
    for _ in 0..20 {
        match &client.bundle("", &["changing"]).await.unwrap()[0] {
            file @ Bundled::File(_) => assert!(was_there_at_once(bytes(file)), "bytes of two versions"),
            Bundled::Refused(code) => assert_eq!(*code, ErrorCode::Changed),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let files = client.bundle("", &["changing"]).await.unwrap();
    assert!(bytes(&files[0]).iter().all(|byte| *byte == bytes(&files[0])[0]));
}

/// Whether a file that is overwritten from its start on ever had these bytes: some of the latest value, then those of
/// the one before. The border may lie within a piece, because the system makes the first part of a write visible while
/// it copies the rest.
fn was_there_at_once(data: &[u8]) -> bool {
    let latest = data[0];
    let border = data.iter().position(|byte| *byte != latest).unwrap_or(data.len());
    data.len() == 100_000 && data[border..].iter().all(|byte| *byte == latest.wrapping_sub(1))
}

#[tokio::test]
async fn a_bundle_that_was_not_agreed_on_ends_the_connection() {
    let folder = Folder::new();
    folder.file("a", b"a");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    client.ask_bundle("", &["a"]).await;
    let ServerMessage::Failure(failure) = client.receive().await else { panic!("no failure") };
    assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn names_that_lead_out_end_the_connection() {
    let outer = Folder::new();
    outer.file("secret", b"secret");
    outer.file("share/file", b"");
    let server = Server::start(&outer.path().join("share")).await;
    for name in ["..", ".", "../secret", "/etc/passwd", "", "a/b", "file\0"] {
        let mut client = connect(&server).await;
        let request = BundleRequest { id: 1, path: SharePath::root(), names: vec![name.to_owned()] };
        client.send_frame(ClientMessage::Bundle(request).encode()).await;
        let ServerMessage::Failure(failure) = client.receive().await else { panic!("{name:?} is served") };
        assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed), "{name:?}");
    }
}

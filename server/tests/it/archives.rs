//! A folder as one archive, over plain HTTP.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{Cursor, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::special_entries::ordinary_user;
use crate::support::plain::{Reply, head, request};
use crate::support::{Folder, Options, Server, sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// 2001-09-09 01:46:40 GMT, and a part of a second.
const MODIFIED: Duration = Duration::from_millis(1_000_000_000_700);
const LARGE: usize = 700_000;

/// Path in the archive, and content; `None` for a folder.
pub type Contents = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn with_files() -> Folder {
    let folder = Folder::new();
    let files: [(&str, Vec<u8>); 6] = [
        ("films/large", sample(LARGE)),
        ("films/empty", Vec::new()),
        ("films/späß/fun", b"fun".to_vec()),
        ("films/späß/small", sample(511)),
        ("films/späß/block", sample(512)),
        ("beside", b"not in it".to_vec()),
    ];
    for (name, content) in &files {
        folder.file(name, content);
    }
    let long = format!("films/{}/{}", "d".repeat(90), "long name ".repeat(15));
    folder.file(&long, b"long");
    std::fs::create_dir(folder.path().join("films/nothing in it")).unwrap();
    std::fs::write(folder.path().join(OsStr::from_bytes(b"films/caf\xe9")), b"latin").unwrap();
    let large = OpenOptions::new().write(true).open(folder.path().join("films/large")).unwrap();
    large.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).unwrap();
    folder
}

/// All entries beneath a folder, with their paths from `root` on.
fn on_disk(folder: &Path, root: &[u8]) -> Contents {
    let mut contents = Contents::from([([root, b"/"].concat(), None)]);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = [root, b"/", entry.file_name().into_vec().as_slice()].concat();
        match entry.file_type().unwrap().is_dir() {
            true => contents.extend(on_disk(&entry.path(), &path)),
            false => drop(contents.insert(path, Some(std::fs::read(entry.path()).unwrap()))),
        }
    }
    contents
}

/// The contents of a zip, whose checksums are right.
pub fn unzipped(bytes: &[u8]) -> Contents {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = archive.len();
    let entry = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        // The crate compares the checksum at the end.
        file.read_to_end(&mut content).unwrap();
        (file.name_raw().to_vec(), (!file.is_dir()).then_some(content))
    };
    (0..count).map(entry).collect()
}

/// The contents of a tar.
pub fn untarred(bytes: &[u8]) -> Contents {
    let mut archive = tar::Archive::new(bytes);
    let entry = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path_bytes().into_owned(), entry.header().entry_type().is_file().then_some(content))
    };
    archive.entries().unwrap().map(entry).collect()
}

async fn get(server: &Server, target: &str, fields: &[&str]) -> Reply {
    request(server.address(), "GET", target, fields).await
}

#[tokio::test]
async fn an_archive_has_everything_in_a_folder_and_says_what_it_is() {
    let folder = with_files();
    let server = Server::start(folder.path()).await;
    let expected = on_disk(&folder.path().join("films"), b"films");
    for (target, name, media_type) in [
        ("/files/films/?zip", "films.zip", "application/zip"),
        ("/files/films?tar", "films.tar", "application/x-tar"),
        // A form of a browser sends an empty value.
        ("/files/films/?zip=", "films.zip", "application/zip"),
    ] {
        let reply = get(&server, target, &[]).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(media_type)), "{target}");
        let disposition = format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
        assert_eq!(reply.header("content-disposition"), Some(disposition.as_str()));
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()), "{target}");
        assert_eq!(reply.header("content-security-policy"), Some("sandbox"));
        let contents = if name.ends_with("zip") { unzipped(&reply.body) } else { untarred(&reply.body) };
        assert!(contents == expected, "{target}: {:?}", contents.keys().map(|name| name.escape_ascii().to_string()));
        let head = request(server.address(), "HEAD", target, &[]).await;
        for field in ["content-length", "etag", "content-type", "accept-ranges"] {
            assert_eq!(head.header(field), reply.header(field), "{field}");
        }
        assert!(head.status == 200 && head.body.is_empty());
    }
    let whole = get(&server, "/files/?tar", &[]).await;
    assert!(whole.header("content-disposition").unwrap().contains("\"files.tar\""));
    let contents = untarred(&whole.body);
    assert!(contents.contains_key(&b"files/beside"[..]) && contents.contains_key(&b"files/films/large"[..]));
    let page = get(&server, "/files/films/", &[]).await;
    assert!(page.text().contains("<button name=\"zip\">") && page.text().contains("<button name=\"tar\">"));
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'self'"));
}

#[tokio::test]
async fn dates_are_those_of_the_files() {
    let folder = with_files();
    let server = Server::start(folder.path()).await;
    let zipped = get(&server, "/files/films/?zip", &[]).await.body;
    let mut archive = zip::ZipArchive::new(Cursor::new(zipped)).unwrap();
    let file = archive.by_name("films/large").unwrap();
    let date = file.last_modified().unwrap();
    let told = (date.year(), date.month(), date.day(), date.hour(), date.minute(), date.second());
    assert_eq!(told, (2001, 9, 9, 1, 46, 40));
    assert_eq!(file.unix_mode(), Some(0o100_644));
    let seconds = file.extra_data_fields().find_map(|field| match field {
        zip::extra_fields::ExtraField::ExtendedTimestamp(time) => time.mod_time(),
        _ => None,
    });
    assert_eq!(seconds, Some(1_000_000_000));
    let tarred = get(&server, "/files/films/?tar", &[]).await.body;
    let mut archive = tar::Archive::new(tarred.as_slice());
    let large = archive.entries().unwrap().map(Result::unwrap).find(|entry| *entry.path_bytes() == *b"films/large");
    assert_eq!(large.unwrap().header().mtime().unwrap(), 1_000_000_000);
}

#[tokio::test]
async fn any_part_of_an_archive_is_that_of_the_whole_also_after_a_restart() {
    let folder = with_files();
    let first = Server::start(folder.path()).await;
    for target in ["/files/films/?zip", "/files/films/?tar"] {
        let whole = get(&first, target, &[]).await;
        let size = whole.body.len();
        let etag = whole.header("etag").unwrap().to_owned();
        assert_eq!(get(&first, target, &[&format!("If-None-Match: {etag}")]).await.status, 304);
        assert_eq!(get(&first, target, &["If-Match: \"other\""]).await.status, 412);
        let only = format!("If-Range: {etag}");
        // The second server remembers no checksum, so it has to find out each of them.
        let second = Server::start(folder.path()).await;
        let mut ranges: Vec<_> = (0..size).step_by(size / 7).map(|start| start..size.min(start + 300_000)).collect();
        ranges.extend([size - 22..size, size - 1500..size, size - 1..size, 0..1, LARGE / 2..size, 1..size - 1]);
        for server in [&second, &first] {
            for range in &ranges {
                let field = format!("Range: bytes={}-{}", range.start, range.end - 1);
                let reply = get(server, target, &[&field, &only]).await;
                assert_eq!((reply.status, reply.header("etag")), (206, Some(etag.as_str())), "{target} {range:?}");
                assert!(reply.body == whole.body[range.clone()], "{target} {range:?}");
            }
        }
        // Some ranges at once, not in their order.
        let fields = ["Range: bytes=-30,100-199,400000-400001,0-9"];
        let reply = get(&second, target, &fields).await;
        assert_eq!(reply.status, 206);
        for part in [size - 30..size, 100..200, 400_000..400_002, 0..10] {
            let is_there = reply.body.windows(part.len()).any(|window| *window == whole.body[part.clone()]);
            assert!(is_there, "{target} {part:?}");
        }
    }
    let before = get(&first, "/files/films/?zip", &[]).await.header("etag").unwrap().to_owned();
    folder.file("films/late", b"x");
    let reply = get(&first, "/files/films/?zip", &["Range: bytes=5-", &format!("If-Range: {before}")]).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.header("etag"), Some(before.as_str()));
}

/// Requests an archive and takes only the beginning.
async fn begin(server: &Server, target: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(server.address().parse().unwrap()).await.unwrap();
    stream.write_all(head("GET", target, &[]).as_bytes()).await.unwrap();
    let mut begun = [0; 16];
    stream.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200"), "{begun:?}");
    stream
}

#[tokio::test]
async fn an_archive_of_which_a_file_changes_breaks_off() {
    let folder = Folder::new();
    folder.sparse("large", 40 << 20);
    let server = Server::start(folder.path()).await;
    let change = |number| -> Box<dyn FnOnce(&Path)> {
        match number {
            0 => Box::new(|path| std::fs::write(path, b"other").unwrap()),
            1 => Box::new(|path| std::fs::remove_file(path).unwrap()),
            2 => Box::new(|path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap()),
            _ => Box::new(|path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            }),
        }
    };
    for format in ["zip", "tar"] {
        for number in 0..4 {
            // It comes after the large one.
            let path = folder.file("sub/last", b"first");
            let size = request(server.address(), "HEAD", &format!("/files/?{format}"), &[]).await;
            let size: usize = size.header("content-length").unwrap().parse().unwrap();
            let mut stream = begin(&server, &format!("/files/?{format}")).await;
            change(number)(&path);
            let mut rest = Vec::new();
            let end = stream.read_to_end(&mut rest).await;
            let body = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            assert!(rest.len() - body < size, "{format} {number}: {end:?} {}", rest.len() - body);
            if path.is_dir() {
                std::fs::remove_dir(&path).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn entries_that_can_not_be_in_it_are_named_in_it() {
    let folder = Folder::new();
    folder.file("films/there", b"x");
    folder.file("films/NOT IN THIS ARCHIVE.txt", b"of somebody else");
    folder.file("outside", b"x");
    for (target, link) in [("nowhere", "dangling"), ("../../outside", "out"), (".", "circle"), ("there", "inside")] {
        symlink(target, folder.path().join("films").join(link)).unwrap();
    }
    let shared = folder.path().join("films");
    let server = Server::start(&shared).await;
    let contents = untarred(&get(&server, "/files/?tar", &[]).await.body);
    let names: Vec<_> = contents.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let note = "files/NOT IN THIS ARCHIVE 2.txt";
    assert_eq!(names, ["files/", note, "files/NOT IN THIS ARCHIVE.txt", "files/inside", "files/there"]);
    let text = String::from_utf8(contents[note.as_bytes()].clone().unwrap()).unwrap();
    assert!(text.contains("\ncircle: a link that leads round in a circle\n"), "{text}");
    assert!(text.contains("\ndangling: a link that leads nowhere\n"), "{text}");
    assert!(text.contains("\nout: a link that leads out of what is shared\n"), "{text}");
    let zipped = get(&server, "/files/?zip", &[]).await.body;
    assert_eq!(unzipped(&zipped), contents);
}

#[tokio::test]
async fn a_folder_that_is_too_deep_is_refused_in_words() {
    let folder = Folder::new();
    folder.file(&format!("{}file", "a/".repeat(65)), b"x");
    let server = Server::start(folder.path()).await;
    for format in ["zip", "tar"] {
        let reply = get(&server, &format!("/files/?{format}"), &[]).await;
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("too deep for an archive"), "{}", reply.text());
        assert_eq!(get(&server, &format!("/files/a/?{format}"), &[]).await.status, 200);
    }
}

#[tokio::test]
async fn only_so_many_different_archives_are_sent_at_once() {
    let folder = Folder::new();
    for number in 0..9 {
        std::fs::create_dir(folder.path().join(number.to_string())).unwrap();
        folder.sparse(&format!("{number}/large"), 1 << 30);
    }
    let server = Server::start(folder.path()).await;
    let mut held = Vec::new();
    for number in 0..8 {
        held.push(begin(&server, &format!("/files/{number}/?tar")).await);
    }
    let refused = get(&server, "/files/8/?tar", &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    // Another client of the same archive shares it.
    let shared = get(&server, "/files/0/?tar", &["Range: bytes=0-9"]).await;
    assert_eq!((shared.status, shared.body.len()), (206, 10));
    drop(held.pop());
    let mut tries = 0;
    while get(&server, "/files/8/?tar", &["Range: bytes=0-9"]).await.status != 206 {
        tries += 1;
        assert!(tries < 1000, "the place is given back");
    }
}

#[tokio::test]
async fn a_folder_that_the_server_may_not_read_is_named() {
    let folder = Folder::new();
    folder.file("films/there", b"x");
    folder.file("films/closed/file", b"x");
    let closed = folder.path().join("films/closed");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let options = Options { uid: ordinary_user(), ..Options::default() };
    let server = Server::start_with(folder.path(), options).await;
    let contents = untarred(&get(&server, "/files/films/?tar", &[]).await.body);
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!contents.keys().any(|name| name.starts_with(b"films/closed")));
    let text = contents[&b"films/NOT IN THIS ARCHIVE.txt"[..]].clone().unwrap();
    assert!(String::from_utf8(text).unwrap().ends_with("\nclosed: the server can't read it\n"));
}

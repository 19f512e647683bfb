//! The shared files over plain HTTP, for curl, wget and browsers.

mod ranges;
mod streams;
mod versions;

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::support::plain::{head, request};
use crate::support::{Embedded, Folder, Options, Server, sample};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_server::Config;

const SIZE: usize = 600_000;
const EXTENSION: &str = "Origin: chrome-extension://abcdefghijklmnopabcdefghijklmnop";

/// A file last changed on 2001-09-09 01:46:40 GMT.
async fn with_file() -> (Folder, Server) {
    let folder = Folder::new();
    let path = folder.file("folder/a file", &sample(SIZE));
    let then = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_700);
    OpenOptions::new().write(true).open(path).unwrap().set_modified(then).unwrap();
    let server = Server::start(folder.path()).await;
    (folder, server)
}

const TARGET: &str = "/files/folder/a%20file";
const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

#[tokio::test]
async fn a_file_comes_whole_and_says_what_it_is() {
    let (_folder, server) = with_file().await;
    let reply = request(server.address(), "GET", TARGET, &[]).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body == sample(SIZE));
    for (name, value) in [
        ("content-length", "600000"),
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment; filename=\"a file\"; filename*=UTF-8''a%20file"),
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("accept-ranges", "bytes"),
        ("last-modified", MODIFIED),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let etag = reply.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn no_shared_file_is_a_page_of_this_server() {
    let folder = Folder::new();
    for name in ["page.html", "picture.svg", "page.xhtml", "script.js", "sub/index.html", "text.txt"] {
        folder.file(name, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>");
    }
    let server = Server::start(folder.path()).await;
    let targets = ["page.html", "picture.svg", "page.xhtml?json", "script.js?download", "sub/index.html", "text.txt"];
    for target in targets.iter().chain(&["sub/?zip", "sub/?tar"]) {
        for range in ["Accept: text/html", "Range: bytes=0-9", "Range: bytes=0-9,20-29"] {
            let reply = request(server.address(), "GET", &format!("/files/{target}"), &[range]).await;
            let media_type = reply.header("content-type").unwrap();
            let is_inert = ["application/octet-stream", "application/zip", "application/x-tar", "multipart/byteranges"]
                .iter()
                .any(|inert| media_type.starts_with(inert));
            assert!(is_inert, "{target} {media_type}");
            assert!(reply.header("content-disposition").unwrap().starts_with("attachment;"), "{target}");
            assert_eq!(reply.header("content-security-policy"), Some("sandbox"), "{target}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        }
    }
    // A folder that has an index is still a list.
    let page = request(server.address(), "GET", "/files/sub/", &[]).await;
    assert!(page.text().contains("href=\"index.html\"") && !page.text().contains("alert"));
    let json = request(server.address(), "GET", "/files/sub/?json", &[]).await;
    assert_eq!(json.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn head_says_the_same_and_sends_nothing() {
    let (_folder, server) = with_file().await;
    let got = request(server.address(), "GET", TARGET, &[]).await;
    let reply = request(server.address(), "HEAD", TARGET, &["Range: bytes=0-1"]).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges"] {
        assert_eq!(reply.header(name), got.header(name), "{name}");
    }
}

#[tokio::test]
async fn an_empty_file_is_empty() {
    let folder = Folder::new();
    folder.file("empty", b"");
    let server = Server::start(folder.path()).await;
    let reply = request(server.address(), "GET", "/files/empty", &[]).await;
    assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("0"), 0));
    let ranged = request(server.address(), "GET", "/files/empty", &["Range: bytes=0-"]).await;
    assert_eq!((ranged.status, ranged.header("content-range")), (416, Some("bytes */0")));
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_served() {
    let folder = Folder::new();
    mknodat(CWD, folder.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    std::os::unix::fs::symlink("fifo", folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("nothing", folder.path().join("gone")).unwrap();
    let server = Server::start(folder.path()).await;
    for (target, status) in [("/files/fifo", 403), ("/files/link", 403), ("/files/gone", 404), ("/files/none", 404)] {
        let reply = request(server.address(), "GET", target, &[]).await;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{target}");
    }
}

#[tokio::test]
async fn hidden_files_are_served_where_that_is_wanted() {
    let folder = Folder::new();
    folder.file(".hidden", b"x");
    let server = Server::start_with(folder.path(), Options { args: &["--hidden"], ..Options::default() }).await;
    assert_eq!(request(server.address(), "GET", "/files/.hidden", &[]).await.status, 200);
}

#[tokio::test]
async fn files_can_only_be_read() {
    let (_folder, server) = with_file().await;
    for method in ["POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"] {
        let reply = request(server.address(), method, TARGET, &["Content-Length: 0"]).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[tokio::test]
async fn extensions_may_read_and_pages_elsewhere_may_not() {
    let (_folder, server) = with_file().await;
    let extension = request(server.address(), "GET", TARGET, &[EXTENSION, "Range: bytes=0-0"]).await;
    assert_eq!(extension.status, 206);
    let allowed = EXTENSION.strip_prefix("Origin: ");
    assert_eq!(extension.header("access-control-allow-origin"), allowed);
    assert_eq!(extension.header("vary"), Some("origin"));
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Origin: {origin}")]).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None), "{origin}");
    }
}

//! Folders over plain HTTP: every entry, for every client and any number of them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::plain::{request, send};
use base64::Engine;

use crate::support::{Folder, Server, sample};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;

/// More than one batch of a listing.
const MANY: usize = 2000;
/// Names that some program between a folder and its copy could misread.
const ODD: [&str; 16] = [
    "100%.txt",
    "a b",
    " spaces ",
    "a&amp;b<i>.txt",
    "a?b=c",
    "a#b",
    "semi;colon",
    "quote\"'`",
    "back\\slash",
    "line\nbreak",
    "tab\there",
    "späß",
    "e\u{301}.txt",
    "😀",
    "javascript:alert(1)",
    "dots..",
];

fn links(page: &str) -> usize {
    page.matches("<td><a href=\"f").count()
}

fn many() -> Folder {
    let folder = Folder::new();
    for number in 0..MANY {
        folder.file(&format!("f{number:04}"), b"");
    }
    folder
}

#[tokio::test]
async fn a_folder_is_a_page_of_links() {
    let folder = Folder::new();
    folder.file("<b>&'\".txt", &[0; 2048]);
    folder.file("javascript:alert(1)", b"");
    folder.file("sub folder/späß", b"fun");
    folder.file(".hidden", b"");
    mknodat(CWD, folder.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let server = Server::start(folder.path()).await;
    let page = request(server.address(), "GET", "/files/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let text = page.text();
    assert!(text.contains("<a href=\"sub%20folder/\"><bdi>sub folder</bdi>/</a>"), "{text}");
    assert!(text.contains("<bdi>&lt;b&gt;&amp;&#39;&quot;.txt</bdi></a></td><td>2.05 kB</td>"), "{text}");
    assert!(text.contains("href=\"%3Cb%3E%26%27%22.txt\""), "{text}");
    assert!(text.contains("href=\"javascript%3Aalert%281%29\""), "{text}");
    assert!(!text.contains("hidden") && !text.contains("fifo") && !text.contains("<b>"), "{text}");
    let sub = request(server.address(), "GET", "/files/sub%20folder/", &[]).await;
    assert!(sub.text().contains("href=\"sp%C3%A4%C3%9F\"") && sub.text().contains("href=\"../\""), "{}", sub.text());
    let file = request(server.address(), "GET", "/files/sub%20folder/sp%C3%A4%C3%9F", &[]).await;
    assert_eq!(file.text(), "fun");
    let head = request(server.address(), "HEAD", "/files/", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_folders_address_ends_in_a_slash() {
    let folder = Folder::new();
    folder.file("sub folder/file", b"");
    let server = Server::start(folder.path()).await;
    for (target, location) in [("/files", "/files/"), ("/files/sub%20folder", "/files/sub%20folder/")] {
        let reply = request(server.address(), "GET", target, &[]).await;
        assert_eq!((reply.status, reply.header("location")), (301, Some(location)), "{target}");
    }
}

#[tokio::test]
async fn all_entries_are_on_the_page_unless_pages_are_asked_for() {
    let folder = many();
    let server = Server::start(folder.path()).await;
    let whole = request(server.address(), "GET", "/files/", &[]).await;
    assert_eq!((whole.status, whole.header("transfer-encoding")), (200, Some("chunked")));
    assert!(whole.text().ends_with("</html>\n") && !whole.text().contains("href=\"?"));
    for number in 0..MANY {
        assert!(whole.text().contains(&format!("<a href=\"f{number:04}\">")), "{number}");
    }
    let ancient = send(server.address(), "GET /files/ HTTP/1.0\r\n\r\n").await;
    assert_eq!(ancient.header("transfer-encoding"), None);
    assert!(ancient.body == whole.body);
    let ranged = request(server.address(), "GET", "/files/", &["Range: bytes=0-9", "If-None-Match: *"]).await;
    assert!(ranged.status == 200 && ranged.body == whole.body);
    let head = request(server.address(), "HEAD", "/files/", &[]).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, None));

    let (mut query, mut seen) = ("limit=1100".to_owned(), 0);
    let mut pages = Vec::new();
    while seen < MANY {
        let page = request(server.address(), "GET", &format!("/files/?{query}"), &[]).await;
        pages.push(links(page.text()));
        seen += links(page.text());
        match page.text().split("<a href=\"?").nth(1) {
            Some(next) => query = next.split('"').next().unwrap().replace("&amp;", "&"),
            None => break,
        }
    }
    assert_eq!(pages, [1100, 900]);
    for rubbish in ["from=xyz".to_owned(), format!("from=d{}", "61".repeat(4000))] {
        assert_eq!(request(server.address(), "GET", &format!("/files/?{rubbish}"), &[]).await.status, 404);
    }
}

#[tokio::test]
async fn scripts_get_the_entries_as_json() {
    let folder = many();
    let large = sample(5_000_000);
    folder.file("sub folder/späß", &large);
    folder.file("sub folder/not open", b"x");
    std::os::unix::fs::symlink("nowhere", folder.path().join("sub folder/gone")).unwrap();
    let server = Server::start(folder.path()).await;
    let ask = async |target: &str| {
        let reply = request(server.address(), "GET", target, &[]).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{target}");
        serde_json::from_str::<serde_json::Value>(reply.text()).unwrap()
    };
    let whole = ask("/files/?json").await;
    let names = |json: &serde_json::Value| -> Vec<_> {
        json["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((whole["path"].as_str(), names(&whole).len()), (Some(""), MANY + 1));
    assert!(whole["next"].is_null());
    let first = ask("/files/?json&limit=1100").await;
    let rest = ask(&format!("/files/?json&limit=1100&from={}", first["next"].as_str().unwrap())).await;
    assert_eq!([names(&first), names(&rest)].concat(), names(&whole));
    assert!(rest["next"].is_null());

    // The address of a folder may do without its slash, because nothing in the answer is a link.
    let sub = ask("/files/sub%20folder?json").await;
    let entries = sub["entries"].as_array().unwrap();
    assert_eq!(
        (sub["path"].as_str(), names(&sub)),
        (Some("sub folder"), ["gone", "not open", "späß"].map(str::to_owned).to_vec())
    );
    assert_eq!(entries[0]["kind"].as_str(), Some("dangling"));
    assert_eq!((entries[2]["kind"].as_str(), entries[2]["size"].as_u64()), (Some("file"), Some(5_000_000)));
    let href = entries[2]["href"].as_str().unwrap();
    let before = request(server.address(), "GET", &format!("/files/sub%20folder/{href}"), &[]).await;
    assert!(before.body == large && before.header("repr-digest").is_none());

    // Once a client of the protocol has opened it, the hash is known, and is told while it is.
    let mut client = server.connect().await;
    let opened = client.open_file("sub folder/späß").await.unwrap();
    let root = client.root(&opened).await;
    drop(client);
    let hashed = ask("/files/sub%20folder/?json&hash").await;
    let hash = blake3::Hash::from_bytes(root).to_hex();
    assert_eq!(hashed["entries"][2]["hash"].as_str(), Some(hash.as_str()));
    assert!(hashed["entries"][1].get("hash").is_none() && entries[2].get("hash").is_none());
    let digest =
        format!("blake3=:{}:", base64::engine::general_purpose::STANDARD.encode(blake3::hash(&large).as_bytes()));
    for (method, range) in [("GET", "Range: bytes=0-1"), ("HEAD", "Accept: */*")] {
        let reply = request(server.address(), method, &format!("/files/sub%20folder/{href}"), &[range]).await;
        assert_eq!(reply.header("repr-digest"), Some(digest.as_str()), "{method}");
    }
    std::fs::write(folder.path().join("sub folder/späß"), b"other").unwrap();
    let after = ask("/files/sub%20folder/?json&hash").await;
    assert!(after["entries"][2].get("hash").is_none());
}

/// Requests a folder of `MANY` entries and takes only the beginning.
async fn begin(address: &str, version: &str, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET /files/folder/{query} HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_page_of_a_folder_that_goes_away_is_not_taken_for_complete() {
    let folder = Folder::new();
    let long = "x".repeat(200);
    for number in 0..2 * MANY {
        folder.file(&format!("folder/{number}{long}"), b"");
    }
    let server = Server::start(folder.path()).await;
    let (path, away) = (folder.path().join("folder"), folder.path().join("away"));
    let mut removed = [
        begin(server.address(), "1.1", "").await,
        begin(server.address(), "1.0", "").await,
        begin(server.address(), "1.1", "?json").await,
    ];
    std::fs::rename(&path, &away).unwrap();
    for stream in &mut removed {
        assert_breaks_off(stream).await;
    }

    std::fs::rename(&away, &path).unwrap();
    let mut replaced = begin(server.address(), "1.0", "").await;
    std::fs::rename(&path, &away).unwrap();
    folder.file("folder/another", b"");
    assert_breaks_off(&mut replaced).await;
}

/// The connection ends in an error, unlike a complete one.
async fn assert_breaks_off(stream: &mut TcpStream) {
    let mut page = Vec::new();
    let end = stream.read_to_end(&mut page).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let page = String::from_utf8_lossy(&page);
    assert!(!page.contains("</html>") && !page.contains("\"next\"") && !page.contains("\r\n0\r\n"));
}

#[tokio::test]
async fn mirror_tools_copy_every_file() {
    let folder = many();
    for name in ODD {
        folder.file(&format!("odd names/{name}"), name.as_bytes());
    }
    let server = Server::start(folder.path()).await;
    let url = format!("http://{}/files/", server.address());
    let copies = Folder::new();

    let (rclone, wget) = (copies.path().join("rclone"), copies.path().join("wget"));
    let quick = ["--transfers", "8", "--checkers", "8", "--http-no-head", "--retries", "1", "--config", "/dev/null"];
    run(Command::new("rclone").args(["copy", ":http:"]).arg(&rclone).args(["--http-url", &url]).args(quick)).await;
    assert_same(folder.path(), &rclone);
    let options = ["-q", "-r", "-np", "-nH", "--cut-dirs=1", "--restrict-file-names=nocontrol", "-e", "robots=off"];
    run(Command::new("wget").args(options).arg("-P").arg(&wget).arg(&url)).await;
    assert_same(folder.path(), &wget);
}

async fn run(command: &mut Command) {
    let output = command.kill_on_drop(true).output().await.expect("the program is installed");
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

fn assert_same(original: &Path, copy: &Path) {
    let names = |folder: &Path| -> BTreeSet<_> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        // wget keeps the page itself too.
        names.filter(|name| name != "index.html").collect()
    };
    assert_eq!(
        names(original).symmetric_difference(&names(copy)).collect::<Vec<_>>(),
        Vec::<&std::ffi::OsString>::new()
    );
    assert_eq!(names(&original.join("odd names")), names(&copy.join("odd names")));
    for name in ODD {
        assert_eq!(std::fs::read(copy.join("odd names").join(name)).unwrap(), name.as_bytes(), "{name}");
    }
}

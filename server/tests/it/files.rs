//! The shared files over plain HTTP, for curl, wget and browsers.

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
async fn a_range_is_sent_alone() {
    let (_folder, server) = with_file().await;
    let whole = sample(SIZE);
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=100-262243", 100..262_244),
        ("bytes=262144-", 262_144..SIZE),
        ("bytes=-8192", SIZE - 8192..SIZE),
        ("bytes=599999-700000", SIZE - 1..SIZE),
        ("bytes=-999999999", 0..SIZE),
    ] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!(reply.status, 206, "{range}");
        let content_range = format!("bytes {}-{}/{SIZE}", part.start, part.end - 1);
        assert_eq!(reply.header("content-range"), Some(content_range.as_str()), "{range}");
        assert_eq!(reply.header("content-length"), Some(part.len().to_string().as_str()), "{range}");
        assert!(reply.body == whole[part], "{range}");
    }
}

#[tokio::test]
async fn a_range_past_the_end_is_refused_with_the_size() {
    let (_folder, server) = with_file().await;
    for range in ["bytes=600000-", "bytes=600000-600001", "bytes=-0", "bytes=99999999999999999999-"] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.body.len()), (416, 0), "{range}");
        assert_eq!(reply.header("content-range"), Some("bytes */600000"), "{range}");
    }
}

#[tokio::test]
async fn several_ranges_come_in_parts() {
    let (_folder, server) = with_file().await;
    let whole = sample(SIZE);
    for (range, parts) in [
        ("bytes=0-1,5-6", vec![0..2, 5..7]),
        ("bytes=-10, 100-262243 ,0-0", vec![SIZE - 10..SIZE, 100..262_244, 0..1]),
        ("bytes=3-3,600000-,4-4", vec![3..4, 4..5]),
    ] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.header("content-range")), (206, None), "{range}");
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()), "{range}");
        let boundary = reply.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
        let mut expected = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\r\n" };
            let (first, last) = (part.start, part.end - 1);
            let head = format!(
                "{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\r\n"
            );
            expected.extend_from_slice(head.as_bytes());
            expected.extend_from_slice(&whole[part]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(reply.body == expected, "{range}");
        assert!(reply.header("etag").is_some() && reply.header("content-security-policy") == Some("sandbox"));
    }
    let one = request(server.address(), "GET", TARGET, &["Range: bytes=600000-,0-1"]).await;
    assert_eq!((one.status, one.header("content-range")), (206, Some("bytes 0-1/600000")));
}

#[tokio::test]
async fn rubbish_and_more_than_the_whole_bring_the_whole_file() {
    let (_folder, server) = with_file().await;
    for fields in [
        &["Range: bytes=0-,0-,0-"][..],
        &["Range: bytes=0-1,5-2"],
        &["Range: bytes=5-2"],
        &["Range: bytes=x"],
        &["Range: lines=1-2"],
        &["Range: bytes=0-1", "Range: bytes=2-3"],
    ] {
        let reply = request(server.address(), "GET", TARGET, fields).await;
        assert_eq!((reply.status, reply.header("content-range")), (200, None), "{fields:?}");
        assert_eq!(reply.body.len(), SIZE, "{fields:?}");
    }
}

#[tokio::test]
async fn conditions_are_kept_to() {
    let (_folder, server) = with_file().await;
    let etag = request(server.address(), "HEAD", TARGET, &[]).await.header("etag").unwrap().to_owned();
    let (same, weak) = (format!("If-None-Match: {etag}"), format!("If-None-Match: \"x\", W/{etag}"));
    let (wanted, part) = (format!("If-Match: {etag}"), format!("If-Range: {etag}"));
    let since = format!("If-Modified-Since: {MODIFIED}");
    let dated = format!("If-Range: {MODIFIED}");
    let range = "Range: bytes=1-2";
    for (fields, status) in [
        (&[same.as_str()][..], 304),
        (&[weak.as_str()], 304),
        (&["If-None-Match: *"], 304),
        (&["If-None-Match: \"x\""], 200),
        (&["If-None-Match: \"x\"", &since], 200),
        (&[&since], 304),
        (&["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 200),
        (&[&wanted], 200),
        (&["If-Match: \"x\""], 412),
        (&["If-Match: \"x\"", range], 412),
        (&["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 412),
        (&[&part, range], 206),
        (&["If-Range: \"x\"", range], 200),
        // A date can't tell two changes within a second apart.
        (&[&dated, range], 200),
        (&[&wanted, &part, range], 206),
        (&[&same, range], 304),
    ] {
        let reply = request(server.address(), "GET", TARGET, fields).await;
        assert_eq!(reply.status, status, "{fields:?}");
        assert_eq!(reply.header("etag"), Some(etag.as_str()), "{fields:?}");
        let length = match status {
            200 => SIZE,
            206 => 2,
            _ => 0,
        };
        assert_eq!(reply.body.len(), length, "{fields:?}");
    }
}

#[tokio::test]
async fn the_tag_is_another_when_the_file_changes_under_its_old_date() {
    let (folder, server) = with_file().await;
    let before = request(server.address(), "HEAD", TARGET, &[]).await;
    let mut file = OpenOptions::new().write(true).open(folder.path().join("folder/a file")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all(b"other").unwrap();
    file.set_modified(modified).unwrap();
    let after = request(server.address(), "HEAD", TARGET, &[]).await;
    assert_eq!(after.header("last-modified"), before.header("last-modified"));
    assert_ne!(after.header("etag"), before.header("etag"));
    let resumed = format!("If-Range: {}", before.header("etag").unwrap());
    let reply = request(server.address(), "GET", TARGET, &["Range: bytes=5-", &resumed]).await;
    assert_eq!((reply.status, reply.body.len()), (200, SIZE));
}

#[tokio::test]
async fn a_date_in_the_future_is_not_told() {
    let folder = Folder::new();
    let path = folder.file("file", b"x");
    let future = SystemTime::now() + Duration::from_secs(1 << 40);
    OpenOptions::new().write(true).open(path).unwrap().set_modified(future).unwrap();
    let server = Server::start(folder.path()).await;
    let reply = request(server.address(), "GET", "/files/file", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("last-modified"), reply.header("date"));
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let (_folder, server) = with_file().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", TARGET, &[]).as_bytes()).await.unwrap();
    let mut begun = vec![0; 200_000];
    stream.read_exact(&mut begun).await.unwrap();
    drop(stream);
    let body = begun.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut got = begun.split_off(body);
    let rest = request(server.address(), "GET", TARGET, &[&format!("Range: bytes={}-", got.len())]).await;
    got.extend(rest.body);
    assert!(got == sample(SIZE));
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_ends_the_connection_early() {
    const LARGE: u64 = 256 << 20;
    let folder = Folder::new();
    let path = folder.sparse("file", LARGE);
    let server = Server::start(folder.path()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", "/files/file", &[]).as_bytes()).await.unwrap();
    let mut begun = vec![0; 100_000];
    stream.read_exact(&mut begun).await.unwrap();
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(LARGE / 2)).unwrap();
    file.write_all(&[7; 1 << 20]).unwrap();
    let mut rest = Vec::new();
    // A reset is a valid end, too.
    let _either_way = stream.read_to_end(&mut rest).await;
    assert!((rest.len() as u64) < LARGE - 100_000, "all {} bytes came", rest.len());
    assert!(!rest.contains(&7), "bytes of two versions came");
}

/// A download of `/files/file` under way. A little of it has arrived.
struct UnderWay {
    stream: TcpStream,
    got: Vec<u8>,
}

impl UnderWay {
    async fn begin(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let mut download = Self { stream, got: Vec::new() };
        download.stream.write_all(head("GET", "/files/file", &[]).as_bytes()).await.unwrap();
        download.some(100_000).await;
        download
    }

    async fn some(&mut self, bytes: usize) {
        let from = self.got.len();
        self.got.resize(from + bytes, 0);
        self.stream.read_exact(&mut self.got[from..]).await.unwrap();
    }

    /// The body, up to its end.
    async fn rest(mut self) -> Vec<u8> {
        // A reset is a valid end, too.
        let _either_way = self.stream.read_to_end(&mut self.got).await;
        let body = self.got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        self.got.split_off(body)
    }
}

/// More than sockets hold, so that a download is under way while its client does not read.
const LONG: usize = 64 << 20;

#[tokio::test]
async fn what_leaves_the_bytes_alone_does_not_end_a_download() {
    let folder = Folder::new();
    let path = folder.file("file", &sample(LONG));
    let at = |name: &str| folder.path().join(name);
    let server = Server::start(folder.path()).await;
    let mut download = UnderWay::begin(&server).await;
    let changes: [&dyn Fn(); 6] = [
        &|| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap(),
        &|| std::fs::hard_link(&path, at("backup")).unwrap(),
        &|| {
            // Some file systems lack them.
            let _either_way = rustix::fs::setxattr(&path, "user.note", b"1", rustix::fs::XattrFlags::empty());
        },
        &|| std::fs::rename(&path, at("renamed")).unwrap(),
        &|| std::fs::write(&path, b"another file of the same name").unwrap(),
        &|| std::fs::remove_file(at("renamed")).and_then(|()| std::fs::remove_file(at("backup"))).unwrap(),
    ];
    for change in changes {
        change();
        download.some(8 << 20).await;
    }
    assert!(download.rest().await == sample(LONG));
}

#[tokio::test]
async fn a_change_under_the_old_date_is_no_change_of_metadata() {
    let folder = Folder::new();
    let path = folder.file("file", &sample(LONG));
    let server = Server::start(folder.path()).await;
    let overwrite = |offset: usize| {
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(offset as u64)).unwrap();
        file.write_all(&[7; 1 << 20]).unwrap();
        file.set_modified(modified).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o640)).unwrap();
    };
    let download = UnderWay::begin(&server).await;
    overwrite(10_000);
    assert!(download.rest().await.len() < LONG, "what was sent is not in the file any more");
    // Bytes that the server has not sent yet may change: the client gets the new version from end to end.
    let download = UnderWay::begin(&server).await;
    overwrite(LONG - (1 << 20));
    assert!(download.rest().await == std::fs::read(&path).unwrap());
}

#[tokio::test]
async fn the_tag_stays_when_only_rights_or_names_change() {
    let (folder, server) = with_file().await;
    let path = folder.path().join("folder/a file");
    let before = request(server.address(), "HEAD", TARGET, &[]).await;
    let tag = before.header("etag").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(request(server.address(), "HEAD", TARGET, &[]).await.header("etag"), Some(tag));
    std::fs::hard_link(&path, folder.path().join("backup")).unwrap();
    let resumed = ["Range: bytes=5-", &format!("If-Range: {tag}")];
    assert_eq!(request(server.address(), "GET", TARGET, &resumed).await.status, 206);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all(b"other").unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(request(server.address(), "GET", TARGET, &resumed).await.status, 200, "the bytes are others now");
}

#[tokio::test]
async fn curl_goes_on_while_a_backup_links_the_file_and_its_rights_change() {
    const SIZE: usize = 12 << 20;
    let folder = Folder::new();
    let path = folder.file("file", &sample(SIZE));
    let saved = tempfile::NamedTempFile::new().unwrap();
    let server = Server::start(folder.path()).await;
    let url = format!("http://{}/files/file", server.address());
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--limit-rate", "4M", "--output"]).arg(saved.path()).arg(url);
    let mut curl = curl.kill_on_drop(true).spawn().unwrap();
    let mut link = 0;
    let ended = loop {
        tokio::select! {
            ended = curl.wait() => break ended.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                link += 1;
                std::fs::hard_link(&path, folder.path().join(format!("backup {link}"))).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600 + link % 2 * 0o44)).unwrap();
            }
        }
    };
    assert!(ended.success() && link > 1, "{ended} after {link} links");
    assert!(std::fs::read(saved.path()).unwrap() == sample(SIZE));
}

#[tokio::test]
async fn a_large_file_streams_in_little_memory() {
    const GIB: u64 = 1 << 30;
    let folder = Folder::new();
    folder.sparse("large", GIB);
    let server = Server::start(folder.path()).await;
    let before = server.peak_memory();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", "/files/large", &[]).as_bytes()).await.unwrap();
    let (mut buffer, mut got) = (vec![0; 1 << 20], 0);
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            bytes => got += bytes as u64,
        }
    }
    assert!((GIB..GIB + 2000).contains(&got), "{got} bytes");
    let growth = server.peak_memory() - before;
    assert!(growth < 16 << 20, "{growth} bytes more");
}

#[tokio::test]
async fn downloads_count_among_the_connections() {
    let folder = Folder::new();
    folder.sparse("large", 1 << 30);
    let server =
        Server::start_with(folder.path(), Options { args: &["--max-connections", "1"], ..Options::default() }).await;
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    first.write_all(head("GET", "/files/large", &[]).as_bytes()).await.unwrap();
    first.read_exact(&mut [0; 16]).await.unwrap();
    let second = request(server.address(), "GET", "/files/large", &["Range: bytes=0-0"]).await;
    assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
    drop(first);
    while request(server.address(), "GET", "/files/large", &["Range: bytes=0-0"]).await.status != 206 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn downloads_under_way_are_finished_when_the_server_stops() {
    // More than sockets hold, so that most of it is sent after the signal.
    const LARGE: usize = 64 << 20;
    let (folder, bytes) = (Folder::new(), sample(LARGE));
    folder.file("large", &bytes);
    let server = Server::start(folder.path()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", "/files/large", &[]).as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    server.signal(rustix::process::Signal::TERM);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&bytes));
    assert_eq!(server.end().await.0, Some(0));
}

#[tokio::test]
async fn a_download_that_does_not_end_is_cut_when_the_server_stops() {
    const HUGE: u64 = 1 << 40;
    let folder = Folder::new();
    folder.sparse("huge", HUGE);
    let mut config = Config::new(folder.path());
    config.timeouts.drain = Duration::from_millis(50);
    let server = Embedded::start(config).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", "/files/huge", &[]).as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    let reading = tokio::spawn(async move {
        let (mut buffer, mut got) = (vec![0; 1 << 20], 0);
        // A reset is a valid end, too.
        while let Ok(bytes @ 1..) = stream.read(&mut buffer).await {
            got += bytes as u64;
        }
        got
    });
    server.stop().await;
    assert!(reading.await.unwrap() < HUGE);
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

//! Files that change: tags, dates, and downloads under way.

use super::*;

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

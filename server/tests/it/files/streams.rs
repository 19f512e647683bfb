//! Downloads as connections: their memory, their places, and the end of the server.

use super::*;

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

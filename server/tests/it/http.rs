//! Answers over plain HTTP, and who may open the protocol.

use crate::support::plain::{head, send};
use crate::support::{Client, Folder, Options, Server, http};
use tokio_tungstenite::tungstenite::Error;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn the_page_the_style_and_the_health_check() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let page = http(server.address(), &get("/")).await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let head = page.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(page.contains("WSTP server") && page.contains("href=\"style.css\""));
    assert!(page.contains("<code class=\"address\">127.0.0.1</code>"), "{page}");
    let marked_up = get("/").replace("Host: 127.0.0.1", "Host: <b>");
    assert!(!http(server.address(), &marked_up).await.contains("<b>"));
    let style = http(server.address(), &get("/style.css")).await;
    assert!(style.to_lowercase().contains("content-type: text/css"), "{style}");
    let health = http(server.address(), &get("/healthz")).await;
    assert!(health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"), "{health}");
    let head_only = http(server.address(), &get("/healthz").replacen("GET", "HEAD", 1)).await;
    assert!(head_only.starts_with("HTTP/1.1 200 ") && head_only.ends_with("\r\n\r\n"), "{head_only}");
}

#[tokio::test]
async fn everything_else_is_refused_in_words() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let nothing = http(server.address(), &get("/nothing")).await;
    assert!(nothing.starts_with("HTTP/1.1 404 ") && nothing.ends_with("The start page is at /.\n"), "{nothing}");
    let no_upgrade = http(server.address(), &get("/ws")).await;
    assert!(no_upgrade.starts_with("HTTP/1.1 426 "), "{no_upgrade}");
    let posted = http(server.address(), &get("/").replacen("GET", "POST", 1)).await;
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    // A client that could not open a WebSocket finds out by this who answers.
    for answer in [nothing, no_upgrade, posted] {
        assert!(answer.to_lowercase().contains("\r\nwstp-version: 1\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn extensions_own_pages_and_programs_may_connect_and_others_not() {
    let folder = Folder::new();
    let server =
        Server::start_with(folder.path(), Options { args: &["--allow-host", "files.example"], ..Options::default() })
            .await;
    let own = format!("http://{}", server.address());
    for origin in
        [None, Some("chrome-extension://abcdefghijklmnopabcdefghijklmnop"), Some("moz-extension://1-2-3"), Some(&own)]
    {
        Client::open(server.address(), origin).await.unwrap().hello().await;
    }
    for origin in [
        "http://evil.example",
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://files.example",
        "http://localhost",
    ] {
        match Client::open(server.address(), Some(origin)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            other => panic!("{origin}: {:?}", other.map(|_| "connected")),
        }
    }
}

#[tokio::test]
async fn a_configured_name_and_the_machines_make_their_pages_own_pages() {
    let folder = Folder::new();
    let server =
        Server::start_with(folder.path(), Options { args: &["--allow-host", "files.example"], ..Options::default() })
            .await;
    let upgrade = |host: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let machine = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    for own in ["files.example", &machine] {
        assert!(first_line(server.address(), &upgrade(own)).await.starts_with("HTTP/1.1 101 "), "{own}");
    }
    // A stranger's name that leads to this server.
    assert!(first_line(server.address(), &upgrade("rebound.example")).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn the_server_knows_its_own_names_and_no_name_that_anybody_could_own() {
    let folder = Folder::new();
    folder.file("file", b"x");
    let args = ["--allow-host", "files.example"];
    let server = Server::start_with(folder.path(), Options { args: &args, ..Options::default() }).await;
    let machine = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    let short = machine.split('.').next().unwrap();
    for (host, status) in [
        (machine.clone(), 200),
        (format!("{}:3000", machine.to_uppercase()), 200),
        (format!("{machine}."), 200),
        (format!("{short}.local"), 200),
        (format!("{short}.local.:3000"), 200),
        ("files.example".to_owned(), 200),
        ("localhost:3000".to_owned(), 200),
        ("[::1]".to_owned(), 200),
        ("rebound.example:3000".to_owned(), 421),
        (format!("{short}.rebound.example"), 421),
    ] {
        let request = head("GET", "/files/file", &[]).replace("127.0.0.1", &host);
        let reply = send(server.address(), &request).await;
        assert_eq!(reply.status, status, "{host}");
        let name = host.trim_end_matches(":3000");
        assert!(
            status == 200 || reply.text().ends_with(&format!("wstp-server --allow-host {name}\n")),
            "{}",
            reply.text()
        );
    }
    let ancient = send(server.address(), "GET /files/file HTTP/1.0\r\n\r\n").await;
    assert_eq!(ancient.status, 200);
}

async fn first_line(address: &str, request: &str) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

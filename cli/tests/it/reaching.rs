//! Obstacles between a user and a server: proxies, certificates, redirects, and typed addresses. Each obstacle has its
//! own message.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::{
    Certificate, Ended, MIB, Server, Tls, hashed, names_in, sample, write, wstp, wstp_in, wstp_trusting,
};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wstp_testkit::{Canned, Manner, Program, Proxy, Rate, WebServer};

/// An address without a listener, for as long as the socket is held.
fn nobody() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A server with a file of these bytes and a folder with a blank in its name.
async fn server(bytes: &[u8]) -> (TempDir, Server) {
    let share = tempdir().unwrap();
    write(share.path(), "x", bytes);
    write(share.path(), "sub dir/100%.txt", b"in a folder");
    let server = Server::start(share.path()).await;
    (share, server)
}

fn assert_said(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
    for words in words {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
}

fn assert_fetched(ended: &Ended, here: &Path, bytes: &[u8]) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.join("x")).unwrap() == bytes);
    fs::remove_file(here.join("x")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_through_the_proxy_that_the_environment_names() {
    let here = tempdir().unwrap();
    let bytes = sample(2 * MIB, 1);
    let (_share, server) = server(&bytes).await;
    let (tls, tinyproxy) = (Tls::start(server.address()).await, Program::tinyproxy("").await.unwrap());
    let ca = tls.certificate().to_str().unwrap();
    let proxy = format!("http://{}", tinyproxy.address());
    let tunnels = |to: &str| tinyproxy.log().matches(&format!("CONNECT {to} ")).count();

    // A WebSocket is tunnelled. An address of loopback goes through the proxy as well, as with curl.
    let source = server.source("x");
    assert_fetched(&wstp_in(here.path(), &[("http_proxy", &proxy)], &["get", &source]).await, here.path(), &bytes);
    assert!(tunnels(&server.address().to_string()) > 0, "{}", tinyproxy.log());
    let args = ["get", &tls.source("x"), "--ca", ca];
    assert_fetched(&wstp_in(here.path(), &[("HTTPS_PROXY", &proxy)], &args).await, here.path(), &bytes);
    assert!(tunnels(&format!("localhost:{}", tls.address().port())) > 0, "{}", tinyproxy.log());

    // A link is requested in the form that every HTTP proxy understands.
    let _hashed = hashed(server.address(), "x").await;
    let origin = Proxy::at(server.address(), Rate::Shared(1_000_000)).await.unwrap();
    let web = WebServer::start(&bytes, Manner::Usual).await.unwrap();
    let args = ["get", &origin.source("x"), &web.link(), "--connections", "2"];
    assert_fetched(&wstp_in(here.path(), &[("all_proxy", &proxy)], &args).await, here.path(), &bytes);
    assert!(tinyproxy.log().contains(&format!("GET {} ", web.link())), "{}", tinyproxy.log());

    // No proxy for these: neither by exception, nor by a variable that a web client could set.
    let before = tinyproxy.log().matches("CONNECT ").count();
    for environment in [
        [("http_proxy", proxy.as_str()), ("no_proxy", "example.org, 127.0.0.0/8")],
        [("HTTP_PROXY", &proxy), ("https_proxy", &proxy)],
    ] {
        assert_fetched(&wstp_in(here.path(), &environment, &["get", &source]).await, here.path(), &bytes);
    }
    assert_eq!(tinyproxy.log().matches("CONNECT ").count(), before);

    let socks = Canned::socks().await.unwrap();
    let proxy = format!("socks5h://{}", socks.address());
    assert_fetched(&wstp_in(here.path(), &[("all_proxy", &proxy)], &["get", &source]).await, here.path(), &bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_in_the_way_is_told_as_that() {
    let here = tempdir().unwrap();
    let (_share, server) = server(b"x").await;
    let source = server.source("x");
    let locked = Program::tinyproxy("BasicAuth user secret").await.unwrap();
    let only_443 = Program::tinyproxy("ConnectPort 443").await.unwrap();
    let open = Program::tinyproxy("").await.unwrap();
    let ((_held, dead), at) = (nobody(), |program: &Program| format!("http://{}", program.address()));
    let through = async |proxy: &str, source: &str| {
        let ended = wstp_in(here.path(), &[("http_proxy", proxy)], &["get", source, "--timeout", "1"]).await;
        assert!(!ended.stderr.contains("secret") && !ended.stderr.contains("wrong"), "{ended:?}");
        ended
    };
    let named = |user: &str| format!("http://{user}@{}", locked.address());
    assert_eq!(through(&named("user:secret"), &source).await.code, Some(0));
    let ended = through(&named("user:wrong"), &source).await;
    assert_said(&ended, 4, &["does not accept the name and the password"]);
    let ended = through(&at(&locked), &source).await;
    assert_said(&ended, 4, &["The proxy at", "asks for a name and a password", "NAME:PASSWORD"]);
    let ended = wstp_in(here.path(), &[("http_proxy", &at(&only_443))], &["ls", &source, "--carrier", "ws"]).await;
    assert_said(&ended, 4, &["lets nobody through to 127.0.0.1", "allow CONNECT to port"]);
    let ended = through(&at(&open), &format!("{dead}/x")).await;
    assert_said(&ended, 4, &[&format!("can't reach {dead}"), "no_proxy=127.0.0.1"]);
    let ended = through(&format!("http://{dead}"), &source).await;
    assert_said(&ended, 4, &[&format!("The proxy at {dead} does not answer"), "no_proxy=127.0.0.1"]);
    assert_said(&through("gopher://user:secret@h", &source).await, 2, &["in http_proxy can't be understood"]);
    assert_eq!(names_in(here.path()), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_no_websocket_reaches_is_reached_by_http() {
    let here = tempdir().unwrap();
    let bytes = sample(20 * MIB + 1, 1);
    let (share, server) = server(&bytes).await;
    for file in 0..300 {
        write(share.path(), &format!("sub dir/{file}"), &sample(file, 2));
    }
    let fetched = async |source: &str, environment: &[(&str, &str)]| {
        let all = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        for args in
            [all(&["ls", source]), all(&["get", &format!("{source}/x")]), all(&["get", &format!("{source}/sub dir")])]
        {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let ended = wstp_in(here.path(), environment, &args).await;
            assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
            assert!(args[0] != "ls" || ended.stdout == "sub dir/\nx\n", "{ended:?}");
        }
        assert!(fs::read(here.path().join("x")).unwrap() == bytes);
        assert_eq!(names_in(&here.path().join("sub dir")).len(), 301);
        assert_eq!(fs::read(here.path().join("sub dir/299")).unwrap(), sample(299, 2));
        let same = wstp_in(here.path(), environment, &["verify", "x", &format!("{source}/x")]).await;
        assert_eq!(same.code, Some(0), "{same:?}");
        fs::remove_file(here.path().join("x")).unwrap();
        fs::remove_dir_all(here.path().join("sub dir")).unwrap();
    };
    let at = |program: &Program| program.address().to_string();

    let only_443 = Program::tinyproxy("ConnectPort 443").await.unwrap();
    fetched(&server.address().to_string(), &[("http_proxy", &format!("http://{}", only_443.address()))]).await;

    let proxied = format!("proxy_pass http://{};", server.address());
    let nginx = Program::nginx(&format!("location / {{ {proxied} }}")).await.unwrap();
    fetched(&at(&nginx), &[]).await;
    let ended = wstp(here.path(), &["ls", &at(&nginx), "--carrier", "ws"]).await;
    assert_said(&ended, 4, &["A WSTP server answers at", "lets no WebSocket through", "proxy_set_header Upgrade"]);

    // This one delivers only whole responses, as some proxies do.
    let whole = "proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 1m;";
    let nginx = Program::nginx(&format!("location / {{ {proxied} {whole} }}")).await.unwrap();
    fetched(&at(&nginx), &[]).await;

    let upgrade =
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";
    let nginx = Program::nginx(&format!("location / {{ {proxied} {upgrade} }}")).await.unwrap();
    for carrier in ["ws", "http", "auto"] {
        let ended = wstp(here.path(), &["ls", &at(&nginx), "--carrier", carrier]).await;
        assert_eq!(ended.stdout, "sub dir/\nx\n", "{carrier}: {ended:?}");
    }
}

/// A proxy that passes HTTP on and lets handshakes of WebSockets wait for ever.
async fn swallows_handshakes(server: SocketAddr) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") && client.read_buf(&mut head).await? > 0 {}
                if String::from_utf8_lossy(&head).to_lowercase().contains("upgrade: websocket") {
                    std::future::pending::<()>().await;
                }
                let mut server = tokio::net::TcpStream::connect(server).await?;
                server.write_all(&head).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_swallows_the_handshake_is_noticed_soon() {
    let here = tempdir().unwrap();
    let bytes = sample(MIB, 1);
    let (_share, server) = server(&bytes).await;
    let proxy = swallows_handshakes(server.address()).await;
    let began = std::time::Instant::now();
    assert_fetched(&wstp(here.path(), &["get", &format!("{proxy}/x")]).await, here.path(), &bytes);
    // A connection would be given up after a minute.
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
    let refused = Canned::http(|_| "405 Method Not Allowed".to_owned()).await.unwrap();
    let ended = wstp(here.path(), &["ls", &refused.address().to_string(), "--carrier", "http"]).await;
    assert_said(&ended, 4, &["does not serve WSTP over HTTP (405)", "without --carrier http"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_in_place_of_a_websocket_is_told_at_once() {
    let here = tempdir().unwrap();
    for (status, code, words) in [
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=x", 3, "asks for a name and a password (401)"),
        ("403 Forbidden", 3, "refuses this computer (403)"),
        ("404 Not Found", 1, "is not a WSTP server (it answers with the status 404)"),
        ("200 OK", 1, "is not a WSTP server"),
        (
            "302 Found\r\nLocation: https://sso.example:8443/login?secret=1",
            4,
            "leads to https://sso.example:8443/, which",
        ),
        ("302 Found\r\nLocation: //user:secret@sso.example/ws", 4, "which is not followed"),
    ] {
        let canned = Canned::http(|_| status.to_owned()).await.unwrap();
        for args in [["get", &format!("{}/x", canned.address())], ["ls", &canned.address().to_string()]] {
            let ended = wstp(here.path(), &args).await;
            assert_said(&ended, code, &[words]);
            assert!(!ended.stderr.contains("secret"), "{ended:?}");
        }
    }
    let circle = Canned::http(|here| format!("301 Moved Permanently\r\nLocation: http://{here}/ws")).await.unwrap();
    assert_said(&wstp(here.path(), &["get", &format!("{}/x", circle.address())]).await, 4, &["is a circle"]);
    for status in ["502 Bad Gateway", "503 Service Unavailable"] {
        let canned = Canned::http(|_| status.to_owned()).await.unwrap();
        let ended = wstp(here.path(), &["get", &format!("{}/x", canned.address()), "--timeout", "1"]).await;
        assert_said(&ended, 4, &[&status[..3], "Nothing arrived for 1 s"]);
    }
    assert!(names_in(here.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_server_or_to_encryption_is_followed_and_one_from_it_is_not() {
    let here = tempdir().unwrap();
    let bytes = sample(MIB, 1);
    let (_share, server) = server(&bytes).await;
    let tls = Tls::start(server.address()).await;
    let ca = tls.certificate().to_str().unwrap();
    for target in [format!("http://{}/ws", server.address()), tls.link("ws")] {
        let moved = Canned::http(|_| format!("301 Moved Permanently\r\nLocation: {target}")).await.unwrap();
        let args = ["get", &format!("{}/x", moved.address()), "--ca", ca];
        assert_fetched(&wstp(here.path(), &args).await, here.path(), &bytes);
    }
    let down =
        Canned::http(|_| format!("301 Moved Permanently\r\nLocation: http://{}/ws", server.address())).await.unwrap();
    let tls = Tls::start(down.address()).await;
    let ended = wstp(here.path(), &["get", &tls.source("x"), "--ca", tls.certificate().to_str().unwrap()]).await;
    assert_said(&ended, 4, &["which is not followed: that is without encryption"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_certificate_has_words_and_ca_adds_what_is_trusted() {
    let here = tempdir().unwrap();
    let bytes = sample(MIB, 1);
    let (_share, server) = server(&bytes).await;
    let other = Tls::start(server.address()).await;
    for (certificate, trusted) in [
        (Certificate::Usual, Ok(())),
        (Certificate::Authority, Ok(())),
        (Certificate::Expired, Err("has expired")),
        (Certificate::Elsewhere, Err("is for elsewhere.example")),
    ] {
        let tls = Tls::with(certificate, server.address()).await;
        let ca = tls.certificate().to_str().unwrap();
        let ended = wstp_trusting(here.path(), other.certificate(), &["get", &tls.source("x"), "--ca", ca]).await;
        match trusted {
            Ok(()) => assert_fetched(&ended, here.path(), &bytes),
            Err(words) => assert_said(&ended, 4, &["The certificate of localhost", words]),
        }
        if certificate == Certificate::Usual || certificate == Certificate::Authority {
            let ended = wstp_trusting(here.path(), other.certificate(), &["get", &tls.source("x")]).await;
            assert_said(&ended, 4, &["is not from an authority that this computer trusts", "--ca FILE"]);
        }
    }
    let ended = wstp(here.path(), &["ls", &format!("wss://{}", server.address())]).await;
    assert_said(&ended, 4, &["does not encrypt its connections", "ws:// in place of wss://"]);
    let ended = wstp(here.path(), &["ls", &format!("ws://{}", other.address())]).await;
    assert_said(&ended, 4, &["wants an encrypted connection", "wss:// in place of ws://"]);
    write(here.path(), "no.pem", b"-----BEGIN NONSENSE-----");
    for (file, words) in [("no.pem", "has no certificates in PEM"), ("nothing", "can't be read")] {
        assert_said(&wstp(here.path(), &["ls", "host", "--ca", file]).await, 2, &[file, words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_can_never_be_used_is_told_and_does_no_harm() {
    let here = tempdir().unwrap();
    let bytes = sample(24 * MIB, 1);
    let (_share, server) = server(&bytes).await;
    let _hashed = hashed(server.address(), "x").await;
    let origin = Proxy::at(server.address(), Rate::Shared(6_000_000)).await.unwrap();
    let tls = Tls::start(server.address()).await;
    let moved = Canned::http(|_| "302 Found\r\nLocation: ftp://files.example/x?secret=1".to_owned()).await.unwrap();
    let links = [tls.link("files/x"), format!("http://{}/x", moved.address())];
    let ended = wstp(here.path(), &["get", &origin.source("x"), &links[0], &links[1], "--connections", "3"]).await;
    let label = tls.address().port();
    assert_said(
        &ended,
        0,
        &[&format!("localhost:{label} can't be used: the certificate of localhost:{label} is not from")],
    );
    assert_said(&ended, 0, &["leads to ftp://files.example/, which is not followed"]);
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
    assert_fetched(&ended, here.path(), &bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_from_a_browser_names_what_it_shows() {
    let here = tempdir().unwrap();
    let bytes = sample(MIB, 1);
    let (_share, server) = server(&bytes).await;
    let at = server.address();
    for (source, listed) in [
        (format!("http://{at}"), "sub dir/\nx\n"),
        (format!("HTTP://{at}/files/"), "sub dir/\nx\n"),
        (format!("http://{at}/files/sub%20dir/?after=1#top"), "100%.txt\n"),
        (format!("{at}/sub dir/"), "100%.txt\n"),
        (format!("http://{at}/sub dir"), "100%.txt\n"),
    ] {
        assert_eq!(wstp(here.path(), &["ls", &source]).await.stdout, listed, "{source}");
    }
    assert_fetched(&wstp(here.path(), &["get", &format!("http://{at}/files/x")]).await, here.path(), &bytes);
    let ended = wstp(here.path(), &["get", &format!("http://{at}/files/sub%20dir/")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(here.path().join("sub dir/100%.txt")).unwrap(), b"in a folder");
    let ended = wstp(here.path(), &["get", &format!("http://{at}/files/sub%20dir/100%25.txt")]).await;
    assert_eq!(fs::read(here.path().join("100%.txt")).unwrap(), b"in a folder", "{ended:?}");
    let web = WebServer::start(&bytes, Manner::Usual).await.unwrap();
    let ended = wstp(here.path(), &["get", &web.link()]).await;
    assert_said(&ended, 2, &["is not a WSTP server", "Plain HTTP alone proves nothing"]);
    let ended = wstp(here.path(), &["get", &format!("http://user:secret@{at}/files/x")]).await;
    assert_said(&ended, 2, &["An address can't hold a user's name or password"]);
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
}

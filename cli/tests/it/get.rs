//! `wstp get` of one file: the content, its place, and the end of a failed run.

use std::fs;

use crate::support::{
    MIB, Server, Tls, hashed, names_in, sample, start_wstp, with_a_stalled_first_source, write, wstp, wstp_trusting,
};
use tempfile::tempdir;
use wstp_testkit::{Manner, Proxy, Rate, WebServer};

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_arrive_byte_for_byte() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(share.path()).await;
    for size in [0, 1, 8191, 8192, 8193, 5 * MIB + 3] {
        let (name, bytes) = (format!("f{size}"), sample(size, 1));
        write(share.path(), &name, &bytes);
        let ended = wstp(here.path(), &["get", &server.source(&name), "--json"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(fs::read(here.path().join(&name)).unwrap(), bytes, "{size}");
        let saved = ended.events("saved");
        assert_eq!(saved[0]["blake3"], blake3::hash(&bytes).to_hex().as_str());
        assert_eq!((saved[0]["size"].as_u64(), &saved[0]["already"]), (Some(size as u64), &false.into()));
        assert_eq!(names_in(here.path()), std::slice::from_ref(&name));
        fs::remove_file(here.path().join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_costs_no_connection_but_those_it_comes_over() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", b"x");
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &proxy.source("x")]).await;
    assert_eq!((ended.code, proxy.accepted()), (Some(0), 1), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_run_says_nothing() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "deep/x", b"x");
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("deep/x"), "-q", "-o", "new/y"]).await;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(fs::read(here.path().join("new/y")).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_already_complete_is_not_fetched_again() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(3 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(here.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &proxy.source("x")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("already complete"), "{ended:?}");
    assert!(proxy.passed() < 10_000, "{}", proxy.passed());
    assert_eq!(names_in(here.path()), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_differs_is_replaced_only_on_request() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(20_000, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    for mine in [sample(20_000, 2), b"short".to_vec()] {
        write(here.path(), "x", &mine);
        let ended = wstp(here.path(), &["get", &server.source("x")]).await;
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert!(ended.stderr.contains("--update"), "{ended:?}");
        assert_eq!(fs::read(here.path().join("x")).unwrap(), mine);
        let ended = wstp(here.path(), &["get", &server.source("x"), "--force"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(fs::read(here.path().join("x")).unwrap(), bytes);
    }
    assert_eq!(names_in(here.path()), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_and_is_no_file_stays() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", b"x");
    write(here.path(), "file", b"mine");
    std::os::unix::fs::symlink("file", here.path().join("link")).unwrap();
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("x"), "-o", "link", "--update"]).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(fs::read(here.path().join("file")).unwrap(), b"mine");
    let ended = wstp(here.path(), &["get", &server.source("x"), "-o", "file/x"]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_have_leaves_nothing_behind() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(share.path()).await;
    let other = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("nothing")]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("has nothing of that name"), "{ended:?}");
    let ended = wstp(here.path(), &["get", &server.source("nothing"), "-o", "new/folder/x"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let ended = wstp(here.path(), &["get", &server.source("nothing"), &other.source("nothing")]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(names_in(here.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_answers_ends_in_words() {
    let here = tempdir().unwrap();
    // A port that is taken but has no listener.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let source = format!("{}/x", socket.local_addr().unwrap());
    let ended = wstp(here.path(), &["get", &source, "--timeout", "1", "--json"]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(!ended.events("waiting").is_empty(), "{ended:?}");
    let failed = &ended.events("failed")[0];
    assert!(failed["what"].as_str().unwrap().starts_with("Nobody answers at"), "{failed}");
    assert_eq!(failed["code"], 4);
    let ended = wstp(here.path(), &["get", &source, &source, "--timeout", "1"]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("Nobody answers at"), "{ended:?}");
    assert_eq!(names_in(here.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_source_is_a_usage_error() {
    let here = tempdir().unwrap();
    for args in [&["get"][..], &["get", "ftp://host/x"], &["get", "host/../x"], &["get", "host/x", "--json", "-q"]] {
        assert_eq!(wstp(here.path(), args).await.code, Some(2), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_serve_one_file_and_one_that_stalls_is_made_up_for() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(12 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(share.path(), "mirror/y", &bytes);
    let (first, second) = (Server::start(share.path()).await, Server::start(share.path()).await);
    let (slow, fast) = (Proxy::start(first.address()).await.unwrap(), Proxy::start(second.address()).await.unwrap());
    slow.hold_after(256 * 1024);
    let sources = [slow.source("x"), fast.source("mirror/y")];
    let mut run = start_wstp(here.path(), &["get", &sources[0], &sources[1], "--connections", "2", "--json"]);
    // The second one can have the same file only when the first one has told the hash. From there on the first one
    // stalls.
    while run.event(|event| event["event"] == "progress").await["verified"] == 0 {
        slow.hold_after(64 * 1024);
    }
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    assert!(fast.passed() > 6 * MIB as u64, "{} {}", slow.passed(), fast.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_server_are_no_mirrors() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "a", b"a");
    write(share.path(), "b", b"b");
    let server = Server::start(share.path()).await;
    let ended = wstp(here.path(), &["get", &server.source("a"), &server.source("b")]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("copies of one file") && ended.stderr.contains("run it once for each"), "{ended:?}");
    assert_eq!(names_in(here.path()), [""; 0]);
    let ended = wstp(here.path(), &["get", &server.source("a"), &server.source("a")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_given_up_is_told_of() {
    let (share, other, here) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(3 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(other.path(), "x", &sample(2 * MIB, 2));
    let (server, other) = (Server::start(share.path()).await, Server::start(other.path()).await);
    let slow = Proxy::start(server.address()).await.unwrap();
    // The comparison's size is known from the beginning, and not only behind the held data.
    let _hashed = (hashed(server.address(), "x").await, hashed(other.address(), "x").await);
    let args = ["get", &slow.source("x"), &other.source("x"), "--connections", "2"];
    slow.hold_after(MIB as u64);
    let mut run = start_wstp(here.path(), &args);
    let line = run.said("is not used any more").await;
    assert_eq!(line, format!("{} is not used any more: it has another file", other.address()));
    slow.release();
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("is not used any more"), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    fs::remove_file(here.path().join("x")).unwrap();
    slow.hold_after(MIB as u64);
    let mut run = start_wstp(here.path(), &[&args[..], &["--json"]].concat());
    let given_up = |event: &serde_json::Value| event["sources"][1]["standing"] == "given_up";
    let sources = run.event(given_up).await["sources"].clone();
    assert_eq!((&sources[0]["standing"], &sources[0]["problem"]), (&"good".into(), &serde_json::Value::Null));
    assert_eq!(sources[1]["problem"], "it has another file");
    slow.release();
    assert_eq!(run.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_all_given_up_are_told_of_but_not_quietly() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let (server, other) = (Server::start(share.path()).await, Server::start(share.path()).await);
    let args = ["get", &server.source("nothing"), &other.source("nothing")];
    for (quiet, lines) in [(&[][..], 3), (&["-q"], 1)] {
        let ended = wstp(here.path(), &[&args[..], quiet].concat()).await;
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(3), lines), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_named_after_the_first_source_whoever_answers() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", b"x");
    let server = Server::start(share.path()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("{}/first", socket.local_addr().unwrap());
    let ended = wstp(here.path(), &["get", &nobody, &server.source("x")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(names_in(here.path()), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_plain_http_is_a_mirror() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(6 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(share.path(), "a b/y", &bytes);
    let server = Server::start(share.path()).await;
    // It carries the hashes at once, and the blocks in half a minute.
    let slow = Proxy::at(server.address(), Rate::Shared(200_000)).await.unwrap();
    let ended = wstp(here.path(), &["get", &slow.source("x"), &server.link("a%20b/y")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    let slowly = slow.passed();
    assert!(slowly < 3 * MIB as u64, "{slowly} bytes came from the slow server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_another_file_spoils_nothing() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(24 * MIB, 1);
    write(share.path(), "x", &bytes);
    write(share.path(), "y", &sample(24 * MIB, 2));
    let server = Server::start(share.path()).await;
    // A link is of use only once the hash is known.
    let _hashed = hashed(server.address(), "x").await;
    let slow = Proxy::at(server.address(), Rate::Shared(6_000_000)).await.unwrap();
    let sources = [slow.source("x"), server.link("y"), server.link("nothing")];
    let args = ["get", &sources[0], &sources[1], &sources[2], "--connections", "3", "--json"];
    let mut run = start_wstp(here.path(), &args);
    run.event(|event| event["sources"][1]["problem"] == "it sent bytes that do not belong to this file").await;
    run.event(|event| event["sources"][2]["standing"] == "given_up").await;
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_alone_and_folders_with_links_are_usage_errors() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "folder/x", b"x");
    let server = Server::start(share.path()).await;
    let web = WebServer::start(b"x", Manner::Usual).await.unwrap();
    for args in [&[web.link()][..], &[server.source("folder"), server.link("folder/x")]] {
        let args: Vec<_> = std::iter::once("get").chain(args.iter().map(String::as_str)).collect();
        assert_eq!(wstp(here.path(), &args).await.code, Some(2), "{args:?}");
    }
    assert!(names_in(here.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_that_the_server_offers_are_used_unless_they_are_not_wanted() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(6 * MIB, 1);
    write(share.path(), "a b/x", &bytes);
    let mirror = Server::start(share.path()).await;
    for offer in [format!("ws://{}/ws", mirror.address()), format!("http://{}/files/", mirror.address())] {
        let server = Server::offering(share.path(), &[offer]).await;
        // It carries the hashes at once, and the blocks in half a minute.
        let slow = Proxy::at(server.address(), Rate::Shared(200_000)).await.unwrap();
        let ended = wstp(here.path(), &["get", &slow.source("a b/x")]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(fs::read(here.path().join("x")).unwrap() == bytes);
        let slowly = slow.passed();
        assert!(slowly < 3 * MIB as u64, "{slowly} bytes came from the slow server");
        fs::remove_file(here.path().join("x")).unwrap();
        let stalled = Proxy::start(server.address()).await.unwrap();
        stalled.hold_after(256 * 1024);
        let args = [&stalled.source("a b/x"), "--no-mirrors", "--timeout", "2"];
        let ended = with_a_stalled_first_source(here.path(), &stalled, &args).await;
        assert_eq!(ended.code, Some(4), "{ended:?}");
        fs::remove_dir_all(here.path().join(".x.wstp")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wstp_is_found_out() {
    let here = tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("{}/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _either_way = stream.read(&mut [0; 1024]).await;
            let _either_way = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let ended = wstp(here.path(), &["get", &source]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("is not a WSTP server"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_not_there_does_not_matter() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", b"x");
    let server = Server::start(share.path()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("{}/x", socket.local_addr().unwrap());
    for sources in [[nobody.clone(), server.source("x")], [server.source("x"), nobody]] {
        let ended = wstp(here.path(), &["get", &sources[0], &sources[1], "--timeout", "10"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        fs::remove_file(here.path().join("x")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_connection_is_made_only_with_a_trusted_certificate() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(3 * MIB, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let (tls, stranger) = (Tls::start(server.address()).await, Tls::start(server.address()).await);
    let args = ["get", &tls.source("x"), "--timeout", "1"];
    let ended = wstp_trusting(here.path(), stranger.certificate(), &args).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("is not from an authority that this computer trusts"), "{ended:?}");
    let ended = wstp_trusting(here.path(), tls.certificate(), &args).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
}

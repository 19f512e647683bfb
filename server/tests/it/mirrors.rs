//! Mirrors: named to clients that ask, and to no others.

use std::process::Command;

use crate::support::{Client, Embedded, Folder, Options, Server};
use wstp_protocol::limits::{MAX_MIRROR_URL, MAX_MIRRORS};
use wstp_protocol::{MirrorUrl, features};
use wstp_server::Config;

const URLS: [&str; 2] = ["wss://nas.example/ws", "https://mirror.example:8443/pub/a%20folder/"];

#[tokio::test]
async fn mirrors_are_named_in_order_to_who_asks() {
    let folder = Folder::new();
    let args = ["--mirror", URLS[0], "--mirror", URLS[1]];
    let server = Server::start_with(folder.path(), Options { args: &args, ..Options::default() }).await;
    for asked in [features::MIRRORS, u64::MAX] {
        let mut client = Client::open(server.address(), None).await.unwrap();
        let (welcome, mirrors) = client.hello_with(asked).await;
        assert_eq!(welcome.features, asked & features::KNOWN & !features::LOGIN);
        assert_eq!(mirrors.unwrap().urls.iter().map(MirrorUrl::as_str).collect::<Vec<_>>(), URLS);
    }
}

#[tokio::test]
async fn who_does_not_ask_hears_of_no_mirrors() {
    let folder = Folder::new();
    let server =
        Server::start_with(folder.path(), Options { args: &["--mirror", URLS[0]], ..Options::default() }).await;
    for asked in [0, !features::KNOWN] {
        let mut client = Client::open(server.address(), None).await.unwrap();
        let (welcome, mirrors) = client.hello_with(asked).await;
        assert_eq!((welcome.features, mirrors), (0, None));
    }
}

#[tokio::test]
async fn a_server_without_mirrors_says_so() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let mut client = Client::open(server.address(), None).await.unwrap();
    let (welcome, mirrors) = client.hello_with(features::MIRRORS).await;
    assert_eq!(welcome.features, features::MIRRORS);
    assert!(mirrors.unwrap().urls.is_empty());
}

#[tokio::test]
async fn the_most_and_longest_mirrors_can_be_told() {
    let folder = Folder::new();
    let longest = MirrorUrl::parse(format!("https://mirror.example/{}", "p".repeat(MAX_MIRROR_URL - 23))).unwrap();
    let mirrors = vec![longest; MAX_MIRRORS];
    let server = Embedded::start(Config { mirrors: mirrors.clone(), ..Config::new(folder.path()) }).await;
    let mut client = Client::open(server.address(), None).await.unwrap();
    assert_eq!(client.hello_with(features::MIRRORS).await.1.unwrap().urls, mirrors);
    server.stop().await;
}

#[test]
fn an_address_that_is_none_is_refused_at_the_start() {
    for (url, words) in [
        ("ftp://mirror.example/", "does not begin with ws://, wss://, http:// or https://"),
        ("mirror.example", "does not begin with"),
        ("https:///pub", "no proper host"),
        ("https://user@mirror.example/", "no proper host"),
        ("https://mirror.example/?a", "a query"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_wstp-server")).args(["--mirror", url]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        assert!(said.contains(words) && said.contains(url), "{url}: {said}");
    }
    let many = ["--mirror", URLS[0]].repeat(MAX_MIRRORS + 1);
    let output = Command::new(env!("CARGO_BIN_EXE_wstp-server")).args(many).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("16 times at most"));
}

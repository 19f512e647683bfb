//! Web servers as mirrors: whatever their manners, they help, or are not used and `wstp` says why.

use std::fs;

use crate::support::{MIB, Server, hashed, names_in, sample, start_wstp, write, wstp};
use tempfile::tempdir;
use wstp_testkit::{Manner, Proxy, Rate, WebServer};

#[tokio::test(flavor = "multi_thread")]
async fn any_web_server_that_sends_ranges_is_a_mirror() {
    for manner in [Manner::Usual, Manner::Terse, Manner::Redirecting, Manner::Busy] {
        let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = sample(6 * MIB, 1);
        write(share.path(), "x", &bytes);
        let server = Server::start(share.path()).await;
        // A link is of use only once the hash is known.
        let _hashed = hashed(server.address(), "x").await;
        // It carries the hashes at once, and the blocks in half a minute.
        let slow = Proxy::at(server.address(), Rate::Shared(200_000)).await.unwrap();
        let web = WebServer::start(&bytes, manner).await.unwrap();
        let ended = wstp(here.path(), &["get", &slow.source("x"), &web.link()]).await;
        assert_eq!(ended.code, Some(0), "{manner:?}: {ended:?}");
        assert!(fs::read(here.path().join("x")).unwrap() == bytes, "{manner:?}");
        assert!(web.sent() > 4 * MIB as u64, "{manner:?}: {} bytes came from it", web.sent());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_of_no_use_does_no_harm_and_says_why() {
    for (manner, standing, words) in [
        (Manner::Whole, "given_up", "the server does not send parts of files"),
        (Manner::Closed, "given_up", "the server does not give this file"),
        (Manner::Beside, "benched", "the server sent other bytes than were asked for"),
        (Manner::Lying, "benched", "it sent bytes that do not belong to this file"),
        (Manner::Breaking, "waiting", "broke"),
    ] {
        let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = sample(24 * MIB, 1);
        write(share.path(), "x", &bytes);
        let server = Server::start(share.path()).await;
        // A link is of use only once the hash is known.
        let _hashed = hashed(server.address(), "x").await;
        let origin = Proxy::at(server.address(), Rate::Shared(6_000_000)).await.unwrap();
        let web = WebServer::start(&bytes, manner).await.unwrap();
        let sources = [origin.source("x"), web.link()];
        let mut run = start_wstp(here.path(), &["get", &sources[0], &sources[1], "--connections", "2", "--json"]);
        let event = run.event(|event| event["sources"][1]["standing"] == standing).await;
        assert!(event["sources"][1]["problem"].as_str().unwrap().contains(words), "{manner:?}: {event}");
        let ended = run.end().await;
        assert_eq!(ended.code, Some(0), "{manner:?}: {ended:?}");
        assert!(fs::read(here.path().join("x")).unwrap() == bytes, "{manner:?}");
        assert_eq!(names_in(here.path()), ["x"]);
        assert!(web.sent() < 2 * MIB as u64 || manner == Manner::Whole, "{manner:?}: {} bytes were taken", web.sent());
    }
}

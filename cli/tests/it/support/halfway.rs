//! A download that stands still in the middle, for certain.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::{MIB, Server, Wstp, names_in, sample, start_wstp, write, wstp};
use wstp_testkit::Proxy;

/// Its bytes.
pub const SIZE: usize = 12 * MIB;
/// Bytes that the proxy lets through.
pub const HELD: u64 = 6 * MIB as u64;
/// Bytes that are on record for certain: those let through, less the hashes and the run that was cut in the middle.
pub const RECORDED: u64 = 5 * MIB as u64;

/// The download, and everything around it.
pub struct Halfway {
    pub share: TempDir,
    pub here: TempDir,
    pub server: Server,
    pub proxy: Proxy,
    pub bytes: Vec<u8>,
    pub run: Wstp,
}

impl Halfway {
    /// Lets one get there.
    pub async fn reach() -> Self {
        let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = sample(SIZE, 1);
        write(share.path(), "x", &bytes);
        let server = Server::start(share.path()).await;
        let proxy = Proxy::start(server.address()).await.unwrap();
        proxy.hold_after(HELD);
        let mut run = start_wstp(here.path(), &["get", &proxy.source("x"), "--json", "--connections", "1"]);
        proxy.held().await.unwrap();
        run.recorded(&here.path().join("x"), RECORDED).await;
        Self { share, here, server, proxy, bytes, run }
    }

    /// Runs it again to the end; the bytes that had to be sent for it.
    pub async fn again(here: &TempDir, proxy: &Proxy, bytes: &[u8], args: &[&str]) -> u64 {
        let before = proxy.passed();
        proxy.release();
        let ended = wstp(here.path(), &[&["get", &proxy.source("x")], args].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(fs::read(here.path().join("x")).unwrap() == bytes);
        assert_eq!(names_in(here.path()), ["x"]);
        proxy.passed() - before
    }
}

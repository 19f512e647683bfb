//! The real server, in a runtime of its own, so that it can be ended without a word.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use wstp_server::Config;

/// A running server; it ends when this is dropped, as a power cut would end it.
pub struct Server {
    runtime: Option<Runtime>,
    address: SocketAddr,
    _cache: tempfile::TempDir,
}

impl Server {
    /// Shares a folder, hidden entries too, on a port the system chooses.
    pub async fn start(dir: &Path) -> Self {
        Self::offering(dir, &[]).await
    }

    /// The same, and tells clients of mirrors.
    pub async fn offering(dir: &Path, mirrors: &[String]) -> Self {
        let mirrors = mirrors.iter().map(|url| url.parse().unwrap()).collect();
        let cache = tempfile::tempdir().unwrap();
        let mut config = Config { cache_dir: Some(cache.path().to_owned()), mirrors, ..Config::new(dir) };
        config.shares.iter_mut().for_each(|share| share.hidden = true);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listening = runtime.spawn(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(wstp_server::run(listener, config, std::future::pending()));
            address
        });
        let address = listening.await.unwrap();
        Self { runtime: Some(runtime), address, _cache: cache }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A link to a file of it over plain HTTP.
    pub fn link(&self, path: &str) -> String {
        format!("http://{}/files/{path}", self.address)
    }

    /// A source on it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

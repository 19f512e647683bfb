//! The server's binary, killed on drop.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Client;

/// How the server is started.
#[derive(Default)]
pub struct Options<'a> {
    /// Further arguments.
    pub args: &'a [&'a str],
    /// Where hashes are kept; a new folder by default.
    pub cache: Option<&'a Path>,
    /// The user it runs as; the current one by default.
    pub uid: Option<u32>,
}

/// A running server.
pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    _cache: Option<tempfile::TempDir>,
}

impl Server {
    /// Shares `dir` and waits until the server is ready.
    pub async fn start(dir: &Path) -> Self {
        Self::start_with(dir, Options::default()).await
    }

    /// Shares `dir` with options and waits until the server is ready.
    pub async fn start_with(dir: &Path, options: Options<'_>) -> Self {
        let own_cache = options.cache.is_none().then(|| tempfile::tempdir().unwrap());
        let cache = options.cache.unwrap_or_else(|| own_cache.as_ref().unwrap().path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_wstp-server"));
        command.arg(dir).args(["--listen", "127.0.0.1:0", "--log", "warn"]).arg("--cache-dir").arg(cache);
        command.args(options.args).stdout(Stdio::piped()).kill_on_drop(true);
        if let Some(uid) = options.uid {
            command.uid(uid);
        }
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        let address = line
            .strip_prefix("listening on ws://")
            .and_then(|rest| rest.strip_suffix("/ws\n"))
            .unwrap_or_else(|| panic!("unexpected first line {line:?}"))
            .to_owned();
        Self { child, stdout, address, _cache: own_cache }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A new client, greeted.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end; the exit code and what else was printed.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.unwrap();
        (self.child.wait().await.unwrap().code(), rest)
    }
}

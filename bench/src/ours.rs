//! The programs under test: `wstp-server` and `wstp`, as a user starts them.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use wstp_testkit::{Child, Listening, Wstp, listening, target};

use crate::corpus::{Corpus, Source};
use crate::load::{self, Door};
use crate::private::Private;

/// A running `wstp-server`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    door: Door,
    /// Its cache of hashes.
    _cache: TempDir,
}

impl Server {
    /// Serves a corpus on a port the system chooses, with more options.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub async fn start(corpus: &Corpus, options: &[&str]) -> Result<Self> {
        let cache = tempfile::tempdir()?;
        let mut command = Command::new(program("WSTP_SERVER", "wstp-server")?);
        command.arg(corpus.dir()).args(["--listen", "127.0.0.1:0", "--cache-dir"]).arg(cache.path()).args(options);
        let Listening { child, address, said: _ } = listening(command.stderr(Stdio::null())).await?;
        Ok(Self { child, address, door: address.into(), _cache: cache })
    }

    /// As [`Server::start`], and waits until the hash of `source` is known and right. Peers don't hash, so ours must
    /// not hash during the measurement.
    ///
    /// # Errors
    ///
    /// When it can't be started, or has another hash.
    pub async fn with_hash(corpus: &Corpus, source: &Source, options: &[&str]) -> Result<Self> {
        Self::start(corpus, options).await?.hashed(source).await
    }

    /// As [`Server::start`], with TLS and for one user.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub async fn private(corpus: &Corpus, private: &Private, options: &[&str]) -> Result<Self> {
        let own = private.options();
        let options: Vec<_> = own.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let server = Self::start(corpus, &options).await?;
        Ok(Self { door: Door::private(server.address, private.key()), ..server })
    }

    /// The same server, once the hash of `source` is known and right.
    ///
    /// # Errors
    ///
    /// When it has another hash.
    pub async fn hashed(self, source: &Source) -> Result<Self> {
        let root = load::root(self.door.clone(), &source.name).await?;
        ensure!(root == source.hash, "the server has another hash of {}", source.name);
        Ok(self)
    }

    /// The way to it for a client.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }
}

/// The command that runs `wstp` in a folder.
///
/// # Errors
///
/// When the program is missing.
pub fn client(dir: &Path) -> Result<Command> {
    Ok(Wstp::command(program("WSTP_CLIENT", "wstp")?, dir))
}

/// Fetches a file with `wstp get` from one or several servers. The time is from the start of the process to its end.
/// The file is checked after that.
///
/// # Errors
///
/// When it fails, or other bytes arrived.
pub async fn get(addresses: &[SocketAddr], source: &Source) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("got");
    let began = Instant::now();
    let mut command = client(folder.path())?;
    command.arg("get").args(addresses.iter().map(|address| format!("{address}/{}", source.name)));
    Child::spawn(command.args(["--quiet", "-o"]).arg(&target))?.succeed().await?;
    let took = began.elapsed();
    source.check(&target)?;
    Ok(took)
}

/// Fetches everything on a server with `wstp get` into `target`.
///
/// # Errors
///
/// When it fails.
pub async fn get_all(address: SocketAddr, target: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut command = client(target.parent().context("a target lies in a folder")?)?;
    Child::spawn(command.args(["get", &address.to_string(), "--quiet", "-o"]).arg(target))?.succeed().await?;
    Ok(began.elapsed())
}

/// The program that the variable names, or the optimised one that was built last.
///
/// # Errors
///
/// When it is missing.
pub fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map_or_else(|| target().join("release").join(name), PathBuf::from);
    if !path.is_file() {
        bail!("{} is missing: run this as `cargo xtask bench`, which builds it", path.display());
    }
    Ok(path)
}

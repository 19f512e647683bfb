//! The real server as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{LONG, SHORT, Tree, paths};

/// A running `wstp-server`; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
    dir: PathBuf,
    arguments: Vec<String>,
    /// Its cache of hashes: its own, so that one test does not profit from another.
    cache: TempDir,
}

impl Server {
    /// Serves `dir` on a port the system chooses.
    ///
    /// # Errors
    ///
    /// When it can't be started or does not say where it listens in time.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, SocketAddr::from(([127, 0, 0, 1], 0)), &[]).await
    }

    /// Serves `dir` at `address`, started with further `arguments`.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_with(dir: &Path, address: SocketAddr, arguments: &[&str]) -> Result<Self> {
        let cache = tempfile::tempdir()?;
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (child, address) = spawn(dir, address, cache.path(), &arguments).await?;
        Ok(Self { child: Some(child), address, dir: dir.to_owned(), arguments, cache })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill().await.context("can't kill the server")
    }

    /// Its process.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn process(&self) -> Result<Tree> {
        let id = self.child.as_ref().and_then(Child::id).context("the server does not run")?;
        Ok(Tree::new(id))
    }

    /// Asks it to end and waits until it did.
    ///
    /// # Errors
    ///
    /// When it does not run or does not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the server does not run")?;
        Tree::new(child.id().context("the server has ended by itself")?).terminate();
        timeout(LONG, child.wait()).await.context("the server does not end")?.context("can't wait for the server")
    }

    /// Starts it again at the same address, with the same folder and cache.
    ///
    /// # Errors
    ///
    /// When it still runs, or as [`Server::start`].
    pub async fn restart(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the server still runs");
        }
        let (child, _) = spawn(&self.dir, self.address, self.cache.path(), &self.arguments).await?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.as_mut().context("the server does not run")?.wait().await?)
    }
}

async fn spawn(dir: &Path, address: SocketAddr, cache: &Path, arguments: &[String]) -> Result<(Child, SocketAddr)> {
    let program = paths::server_binary()?;
    let mut child = command(&program)
        .arg(dir)
        .args(["--listen", &address.to_string()])
        .arg("--cache-dir")
        .arg(cache)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("can't start {}", program.display()))?;
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let found = timeout(SHORT, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = address_in(&line) {
                return Ok(address);
            }
        }
        bail!("the server can't serve {} at {address}: its own words are above", dir.display())
    })
    .await
    .context("the server did not say where it listens")??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, found))
}

/// Runs the program with no more rights than a user has: root may read what nobody may.
fn command(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(program);
    command
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split_once("listening on ws://")?.1.strip_suffix("/ws")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_its_own_words() {
        assert_eq!(address_in("listening on ws://127.0.0.1:4000/ws"), Some(SocketAddr::from(([127, 0, 0, 1], 4000))));
        assert_eq!(address_in("hello"), None);
    }
}

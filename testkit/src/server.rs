//! The real server as a process.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::{Child, LONG, SHORT, Tree, paths};

/// A running `wstp-server`; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
    /// The arguments that say what it shares.
    shares: Vec<PathBuf>,
    arguments: Vec<String>,
    /// The file for its log; the test's own output without one.
    log: Option<PathBuf>,
    /// Its own cache of hashes, so that one test does not profit from another.
    cache: TempDir,
    /// Its own folder for state, unless the arguments name one.
    state: TempDir,
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
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::run(vec![dir.to_owned()], address, arguments, None).await
    }

    /// The same at an address that the system chooses, with the log in a file.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_with_log(dir: &Path, arguments: &[&str], log: &Path) -> Result<Self> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::run(vec![dir.to_owned()], SocketAddr::from(([127, 0, 0, 1], 0)), arguments, Some(log.to_owned())).await
    }

    /// Runs one of the program's commands about users and tokens for the servers with this state folder, and types a
    /// line. Returns what it prints.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn manage(state: &Path, arguments: &[&str], typed: &str) -> Result<String> {
        let mut command = Command::new(paths::server_binary()?);
        command.args(arguments).arg("--state-dir").arg(state);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("it has an input")?;
        // Some commands end without reading it.
        let _unread = input.write_all(format!("{typed}\n").as_bytes()).await;
        drop(input);
        let output = timeout(LONG, child.wait_with_output()).await.context("the command does not end")??;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Serves what a configuration file says, on a port the system chooses, with the log in a file.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn configured(file: &Path, log: &Path) -> Result<Self> {
        let shares = vec!["--config".into(), file.to_owned()];
        Self::run(shares, SocketAddr::from(([127, 0, 0, 1], 0)), Vec::new(), Some(log.to_owned())).await
    }

    async fn run(
        shares: Vec<PathBuf>,
        address: SocketAddr,
        arguments: Vec<String>,
        log: Option<PathBuf>,
    ) -> Result<Self> {
        let mut server = Self {
            child: None,
            address,
            shares,
            arguments,
            log,
            cache: tempfile::tempdir()?,
            state: tempfile::tempdir()?,
        };
        server.restart().await?;
        Ok(server)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once, like a power failure.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.take().context("the server does not run")?.kill().await
    }

    /// Its process.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn process(&self) -> Result<Tree> {
        self.child.as_ref().context("the server does not run")?.tree()
    }

    /// Asks it to end and waits until it has ended.
    ///
    /// # Errors
    ///
    /// When it does not run or does not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the server does not run")?;
        child.tree()?.terminate();
        timeout(LONG, child.ended()).await.context("the server does not end")?
    }

    /// Starts it again at the same address, with the same shares and cache.
    ///
    /// # Errors
    ///
    /// When it still runs, or as [`Server::start`].
    pub async fn restart(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the server still runs");
        }
        let mut command = command(&paths::server_binary()?);
        command.args(&self.shares).args(["--listen", &self.address.to_string()]);
        command.env("STATE_DIRECTORY", self.state.path());
        command.arg("--cache-dir").arg(self.cache.path()).args(&self.arguments);
        if !self.address.ip().is_loopback() {
            command.arg("--public");
        }
        if let Some(log) = &self.log {
            command.stderr(File::options().create(true).append(true).open(log)?);
        }
        let Listening { child, address, mut said } = listening(&mut command).await?;
        tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
        (self.child, self.address) = (Some(child), address);
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.child.as_mut().context("the server does not run")?.ended().await
    }
}

/// A `wstp-server` that has printed its address.
#[derive(Debug)]
pub struct Listening {
    /// Its process.
    pub child: Child,
    /// Its address.
    pub address: SocketAddr,
    /// The next lines of its standard output.
    pub said: BufReader<ChildStdout>,
}

/// Starts a `wstp-server` and waits until it prints its address in the first line of its standard output.
///
/// # Errors
///
/// When it can't be started, or prints nothing or something else.
pub async fn listening(command: &mut Command) -> Result<Listening> {
    let mut child = Child::spawn(command.stdout(Stdio::piped()))?;
    let (mut said, mut line) = (BufReader::new(child.stdout()?), String::new());
    timeout(SHORT, said.read_line(&mut line)).await.context("the server did not say where it listens")??;
    let address = address_in(&line).with_context(|| format!("the server says {line:?}, not where it listens"))?;
    Ok(Listening { child, address, said })
}

/// Runs the program with no more rights than a user has, because root may read files that nobody else may.
fn command(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(program);
    command
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("listening on ws")?;
    rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://")?.strip_suffix("/ws\n")?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_its_own_words() {
        for scheme in ["ws", "wss"] {
            for base in ["", "/a/b"] {
                let said = format!("listening on {scheme}://127.0.0.1:4000{base}/ws\n");
                assert_eq!(address_in(&said), Some(SocketAddr::from(([127, 0, 0, 1], 4000))));
            }
        }
        assert_eq!(address_in("hello\n"), None);
    }
}

//! Our child processes: they are started, awaited, and ended by number with everything they started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::{SHORT, Tree, until};

/// A running program. It ends, with everything it started, when this is dropped.
#[derive(Debug)]
pub struct Child {
    name: String,
    inner: tokio::process::Child,
}

impl Child {
    /// Starts a program that reads nothing.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        Self::spawn_with(command, Stdio::null())
    }

    /// Starts a program with a standard input.
    pub(crate) fn spawn_with(command: &mut Command, input: Stdio) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let inner = command.stdin(input).kill_on_drop(true).spawn();
        Ok(Self { inner: inner.with_context(|| format!("can't start {name}"))?, name })
    }

    /// Its standard output.
    ///
    /// # Errors
    ///
    /// When it was not piped, or was taken before.
    pub fn stdout(&mut self) -> Result<tokio::process::ChildStdout> {
        self.inner.stdout.take().with_context(|| format!("the output of {} is not piped", self.name))
    }

    /// Its standard error.
    ///
    /// # Errors
    ///
    /// When it was not piped, or was taken before.
    pub fn stderr(&mut self) -> Result<tokio::process::ChildStderr> {
        self.inner.stderr.take().with_context(|| format!("the standard error of {} is not piped", self.name))
    }

    /// The number of its process; none if it has ended.
    pub fn id(&self) -> Option<u32> {
        self.inner.id()
    }

    /// It and all it started.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn tree(&self) -> Result<Tree> {
        Ok(Tree::new(self.inner.id().with_context(|| format!("{} has ended", self.name))?))
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When the system can't say.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.inner.wait().await.with_context(|| format!("can't wait for {}", self.name))
    }

    /// Ends it at once, as a power cut would, and waits until it has.
    ///
    /// # Errors
    ///
    /// When the system can't say.
    pub async fn kill(&mut self) -> Result<()> {
        self.inner.kill().await.with_context(|| format!("can't kill {}", self.name))
    }

    /// Waits for its end, which must be a good one.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub async fn succeed(mut self) -> Result<()> {
        let status = self.ended().await?;
        ensure!(status.success(), "{} failed: {status}", self.name);
        Ok(())
    }

    /// Waits until it accepts connections at `address`.
    ///
    /// # Errors
    ///
    /// When it ended or does not in time.
    pub async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        let Self { name, inner } = self;
        until(&format!("{name} to listen"), SHORT, async || {
            if let Some(status) = inner.try_wait()? {
                bail!("{name} ended with {status}");
            }
            Ok(tokio::net::TcpStream::connect(address).await.ok().map(drop))
        })
        .await
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.inner.try_wait().ok().flatten()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended().is_none()
            && let Ok(tree) = self.tree()
        {
            tree.kill();
        }
    }
}

/// A free port, for programs that can't let the system choose. Another program may take it first; then they fail to
/// listen.
///
/// # Errors
///
/// When there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_dropped_child_takes_its_children_along() {
        let child = Child::spawn(Command::new("sh").args(["-c", "sleep 60 & wait"])).unwrap();
        let tree = child.tree().unwrap();
        let members = until("the sleep", SHORT, async || {
            let members = tree.members();
            Ok((members.len() == 2).then_some(members))
        })
        .await
        .unwrap();
        drop(child);
        until("all to end", SHORT, async || {
            let runs =
                |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
            Ok((!members.iter().any(runs)).then_some(()))
        })
        .await
        .unwrap();
    }
}

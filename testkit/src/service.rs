//! A program started as systemd starts a service: it is handed a socket that listens already, and tells how it does.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Child, LONG};

/// Hands the standard input over in the way of sd_listen_fds(3), and becomes the program.
const HAND_OVER: &str = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@""#;

/// A running service. It ends when this is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    told: UnixDatagram,
    _folder: TempDir,
}

impl Service {
    /// A socket for a service, on a port that the system chooses. Connections wait in it until the service accepts them.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn socket() -> Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// A command that hands a socket over to a program, whose arguments are added.
    pub fn handing_over(program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER, "sh"]).arg(program);
        command
    }

    /// Starts a [command](Self::handing_over), with the log in a file.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn start(command: &mut Command, socket: impl Into<OwnedFd>, log: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let told = folder.path().join("told");
        command.env("NOTIFY_SOCKET", &told).stdout(File::create(log)?).stderr(File::options().append(true).open(log)?);
        let told = UnixDatagram::bind(told)?;
        let child = Child::spawn_with(command, socket.into().into())?;
        Ok(Self { child, told, _folder: folder })
    }

    /// The next thing that the service tells systemd.
    ///
    /// # Errors
    ///
    /// When it tells nothing in time.
    pub async fn tells(&self) -> Result<String> {
        let mut told = [0; 512];
        let length = timeout(LONG, self.told.recv(&mut told)).await.context("the service tells nothing")??;
        Ok(String::from_utf8_lossy(&told[..length]).trim_end().to_owned())
    }

    /// Asks it to end.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn terminate(&self) -> Result<()> {
        self.child.tree()?.terminate();
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn ended(mut self) -> Result<ExitStatus> {
        timeout(LONG, self.child.ended()).await.context("the service does not end")?
    }
}

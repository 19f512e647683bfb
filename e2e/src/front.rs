//! Programs between a browser and a server, as other people run them: nginx, and a proxy that carries HTTP alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::{SHORT, until};

/// Ports are tried so often, for one that was free may be taken before the program does.
const TRIES: usize = 3;

/// A program that listens; it ends when this is dropped.
#[derive(Debug)]
pub struct Front {
    _child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Front {
    /// nginx, which passes on to `upstream` all but the two fields without which there is no WebSocket, as it does until it is told otherwise.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not listen in time.
    pub async fn nginx_without_upgrade(upstream: SocketAddr) -> Result<Self> {
        Self::start("/usr/sbin/nginx", |folder, address| {
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary = temporary.map(|kind| format!("{kind}_temp_path {};", folder.display())).concat();
            let config = format!(
                "daemon off; pid {}/pid; error_log stderr error;\nevents {{ }}\nhttp {{ access_log off; {temporary}\n\
                 server {{ listen {address}; location / {{ proxy_pass http://{upstream}; }} }} }}\n",
                folder.display()
            );
            let file = folder.join("nginx.conf");
            fs::write(&file, config)?;
            let mut command = Command::new("/usr/sbin/nginx");
            command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
            Ok(command)
        })
        .await
    }

    /// tinyproxy with the ports for CONNECT that Debian configures: those of encrypted sites.
    ///
    /// # Errors
    ///
    /// As [`Front::nginx_without_upgrade`].
    pub async fn tinyproxy() -> Result<Self> {
        Self::start("/usr/bin/tinyproxy", |folder, address| {
            let (ip, port) = (address.ip(), address.port());
            let config = format!("Port {port}\nListen {ip}\nTimeout 600\nConnectPort 443\nConnectPort 563\n");
            let file = folder.join("tinyproxy.conf");
            fs::write(&file, config)?;
            let mut command = Command::new("/usr/bin/tinyproxy");
            command.arg("-d").arg("-c").arg(file);
            Ok(command)
        })
        .await
    }

    async fn start(program: &str, command: impl Fn(&Path, SocketAddr) -> Result<Command>) -> Result<Self> {
        ensure!(Path::new(program).exists(), "{program} is missing: scripts/setup --tests installs it");
        let mut tries = 0;
        loop {
            let folder = tempfile::tempdir()?;
            let address = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
            let mut command = command(folder.path(), address)?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            let mut child = command.spawn().with_context(|| format!("can't start {program}"))?;
            tries += 1;
            let listens = until("the port to be taken", SHORT, async || {
                ensure!(child.try_wait()?.is_none(), "{program} ended");
                Ok(TcpStream::connect(address).await.ok().map(drop))
            });
            match listens.await {
                Ok(()) => return Ok(Self { _child: child, address, _folder: folder }),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

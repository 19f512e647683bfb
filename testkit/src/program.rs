//! Programs of others, as other people run them. Each is a process with a port of loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Child, free_address};

/// How often another port is tried, because another program may take a free one first.
const TRIES: usize = 3;
/// Debian's folder for them.
const NGINX: &str = "/usr/sbin/nginx";
const HAPROXY: &str = "/usr/sbin/haproxy";
const TINYPROXY: &str = "/usr/bin/tinyproxy";
const CADDY: &str = "/usr/bin/caddy";
const APACHE: &str = "/usr/sbin/apache2";
/// Debian's folder for the modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// A program that listens; it ends when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Program {
    /// nginx, with these lines in its only server.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not listen in time.
    pub async fn nginx(lines: &str) -> Result<Self> {
        is_installed(NGINX)?;
        Self::start(|folder, address| {
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary = temporary.map(|kind| format!("{kind}_temp_path {}; ", folder.display())).concat();
            let (file, log) = (folder.join("conf"), log(folder));
            fs::write(
                &file,
                format!(
                    "daemon off; master_process off; pid {}/pid; error_log {};\nevents {{ }}\n\
                     http {{ access_log off; {temporary}\nserver {{ listen {address}; {lines} }} }}\n",
                    folder.display(),
                    log.display()
                ),
            )?;
            let mut command = Command::new(NGINX);
            command.arg("-p").arg(folder).arg("-c").arg(file).arg("-e").arg(log);
            Ok(command)
        })
        .await
    }

    /// HAProxy with the times of Debian's configuration. The lines are those of its only frontend, and what follows it.
    ///
    /// # Errors
    ///
    /// As [`Program::nginx`].
    pub async fn haproxy(lines: &str) -> Result<Self> {
        is_installed(HAPROXY)?;
        Self::start(|folder, address| {
            let file = folder.join("conf");
            let times = "timeout connect 5000\ntimeout client 50000\ntimeout server 50000";
            fs::write(&file, format!("defaults\nmode http\n{times}\nfrontend front\nbind {address}\n{lines}\n"))?;
            let mut command = Command::new(HAPROXY);
            command.arg("-db").arg("-f").arg(file);
            Ok(command)
        })
        .await
    }

    /// Caddy, with these lines in its only site.
    ///
    /// # Errors
    ///
    /// As [`Program::nginx`].
    pub async fn caddy(lines: &str) -> Result<Self> {
        is_installed(CADDY)?;
        Self::start(|folder, address| {
            let file = folder.join("Caddyfile");
            fs::write(&file, format!("{{\nadmin off\n}}\nhttp://{address} {{\n{lines}\n}}\n"))?;
            let mut command = Command::new(CADDY);
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            command.stderr(fs::File::create(log(folder))?);
            Ok(command)
        })
        .await
    }

    /// Apache with the modules of a proxy, with these lines.
    ///
    /// # Errors
    ///
    /// As [`Program::nginx`].
    pub async fn apache(lines: &str) -> Result<Self> {
        is_installed(APACHE)?;
        Self::start(|folder, address| {
            let (file, log) = (folder.join("conf"), log(folder));
            let modules = ["mpm_event", "authz_core", "proxy", "proxy_http"];
            let modules =
                modules.map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n")).concat();
            fs::write(
                &file,
                format!(
                    "{modules}ServerRoot {0}\nPidFile {0}/pid\nErrorLog {1}\nListen {address}\nServerName localhost\n\
                     User www-data\nGroup www-data\n{lines}\n",
                    folder.display(),
                    log.display()
                ),
            )?;
            let mut command = Command::new(APACHE);
            command.args(["-D", "FOREGROUND", "-f"]).arg(file);
            Ok(command)
        })
        .await
    }

    /// tinyproxy, with these lines in its configuration.
    ///
    /// # Errors
    ///
    /// As [`Program::nginx`].
    pub async fn tinyproxy(lines: &str) -> Result<Self> {
        is_installed(TINYPROXY)?;
        Self::start(|folder, address| {
            let (ip, port, file) = (address.ip(), address.port(), folder.join("conf"));
            let log = log(folder);
            let usual =
                format!("Port {port}\nListen {ip}\nTimeout 600\nLogLevel Info\nLogFile \"{}\"\n", log.display());
            fs::write(&file, format!("{usual}{lines}\n"))?;
            let mut command = Command::new(TINYPROXY);
            command.arg("-d").arg("-c").arg(file);
            Ok(command)
        })
        .await
    }

    /// Starts the command that `command` makes from a new folder and a free port, and waits until it listens there.
    ///
    /// # Errors
    ///
    /// When it can't be started or does not listen in time.
    pub async fn start(command: impl Fn(&Path, SocketAddr) -> Result<Command>) -> Result<Self> {
        let mut tries = 0;
        loop {
            let folder = tempfile::tempdir()?;
            let address = free_address()?;
            let mut child = Child::spawn(&mut command(folder.path(), address)?)?;
            tries += 1;
            match child.listens(address).await {
                Ok(()) => return Ok(Self { child, address, folder }),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// The content of its log so far; HAProxy has none.
    pub fn log(&self) -> String {
        fs::read_to_string(log(self.folder.path())).unwrap_or_default()
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

pub(crate) fn is_installed(program: &str) -> Result<()> {
    ensure!(Path::new(program).exists(), "{program} is missing: scripts/setup --tests installs it");
    Ok(())
}

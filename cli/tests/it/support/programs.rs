//! Programs of others, each as a process of its own on a port of loopback, killed on drop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::PATIENCE;

/// How often it is tried whether a program listens.
const LOOK: Duration = Duration::from_millis(20);

/// A running program with its configuration.
pub struct Program {
    address: SocketAddr,
    dir: TempDir,
    _child: Child,
}

impl Program {
    /// tinyproxy, with these lines in its configuration.
    pub async fn tinyproxy(lines: &str) -> Self {
        Self::start("tinyproxy", &["-d", "-c"], |port, dir| {
            let log = dir.join("log");
            format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogLevel Info\nLogFile \"{}\"\n{lines}\n",
                log.display()
            )
        })
        .await
    }

    /// nginx, with these lines in its only server.
    pub async fn nginx(lines: &str) -> Self {
        Self::start("nginx", &["-c"], |port, dir| {
            let dir = dir.display();
            format!(
                "daemon off; master_process off; pid {dir}/pid; error_log {dir}/log;\nevents {{}}\nhttp {{ access_log off; \
                 client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; \
                 scgi_temp_path {dir}/e;\nserver {{ listen 127.0.0.1:{port}; {lines} }} }}\n"
            )
        })
        .await
    }

    /// Another may take the port before the program does: then it ends, and is started again with another one.
    async fn start(program: &str, args: &[&str], configuration: impl Fn(u16, &PathBuf) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("conf");
        let until = Instant::now() + PATIENCE;
        loop {
            let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            std::fs::write(&file, configuration(address.port(), &dir.path().to_owned())).unwrap();
            let mut command = Command::new(program);
            command.args(args).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.kill_on_drop(true).spawn().expect("scripts/setup --tests installs it");
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(address).await.is_ok() {
                    return Self { address, dir, _child: child };
                }
                assert!(Instant::now() < until, "{program} does not listen");
                sleep(LOOK).await;
            }
            assert!(Instant::now() < until, "{program} does not start");
        }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The log that it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

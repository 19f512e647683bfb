//! The server's binary, killed on drop.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wstp_server::Control;
use wstp_server::store::Store;
use wstp_testkit::{Child, Listening, listening};

use super::{Client, Folder};

/// How the server is started.
#[derive(Default)]
pub struct Options<'a> {
    /// Further arguments.
    pub args: &'a [&'a str],
    /// The folder for hashes; a new one by default.
    pub cache: Option<&'a Path>,
    /// The folder for temporary files; the system's one by default.
    pub temp: Option<&'a Path>,
    /// The user it runs as; the current one by default.
    pub uid: Option<u32>,
    /// A command that starts it: the server and its arguments are added.
    pub wrapper: &'a [&'a str],
    /// The file for its log.
    pub log: Option<&'a Path>,
}

/// A running server.
pub struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
    address: String,
    _cache: Option<tempfile::TempDir>,
    _state: tempfile::TempDir,
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
        let (binary, _binary_folder) = binary(options.uid);
        let mut command = match options.wrapper.split_first() {
            Some((wrapper, args)) => {
                let mut command = Command::new(wrapper);
                command.args(args).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        let state = tempfile::tempdir().unwrap();
        command.env("STATE_DIRECTORY", state.path());
        command.arg(dir).args(["--listen", "127.0.0.1:0", "--log", "warn"]).arg("--cache-dir").arg(cache);
        command.args(options.args);
        if let Some(log) = options.log {
            command.stderr(std::fs::File::create(log).unwrap());
        }
        if let Some(temp) = options.temp {
            command.env("TMPDIR", temp);
        }
        if let Some(uid) = options.uid {
            for folder in [cache, state.path()] {
                std::fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
            }
            command.uid(uid).gid(uid);
        }
        let Listening { child, address, said } = listening(&mut command).await.unwrap();
        Self { child, said, address: address.to_string(), _cache: own_cache, _state: state }
    }

    /// Serves what a configuration file says, with the log in a file.
    pub async fn configured(file: &Path, log: &Path) -> Self {
        let (cache, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_wstp-server"));
        command.arg("--config").arg(file).args(["--listen", "0", "--log", "trace", "--cache-dir"]).arg(cache.path());
        command.env("STATE_DIRECTORY", state.path()).stderr(std::fs::File::create(log).unwrap());
        let Listening { child, address, said } = listening(&mut command).await.unwrap();
        Self { child, said, address: address.to_string(), _cache: Some(cache), _state: state }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A new client, greeted.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// The number of its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.pid();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The most memory the server ever had at once, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits for the end; the exit code and what else was printed.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).await.unwrap();
        (self.child.ended().await.unwrap().code(), rest)
    }
}

/// The binary; for another user a copy, since that user may not enter the build folder.
fn binary(uid: Option<u32>) -> (PathBuf, Option<Folder>) {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_wstp-server"));
    if uid.is_none() {
        return (built, None);
    }
    let folder = Folder::new();
    let copy = folder.path().join("wstp-server");
    std::fs::copy(built, &copy).unwrap();
    (copy, Some(folder))
}

/// A server within the test's own process, for what the command line does not offer.
pub struct Embedded {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), wstp_server::StartError>>,
}

impl Embedded {
    /// Serves with a configuration.
    pub async fn start(config: wstp_server::Config) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(wstp_server::run(listener, config, async {
            let _either_way = stopped.await;
        }));
        Self { address, stop: Some(stop), running }
    }

    /// Serves a store, held by `control`.
    pub async fn of_store(control: Arc<Control>, store: Arc<dyn Store>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(wstp_server::run_store(listener, control, store, async {
            let _either_way = stopped.await;
        }));
        Self { address, stop: Some(stop), running }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops the server and waits for its end.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

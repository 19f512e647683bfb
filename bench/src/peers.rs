//! The peers: nginx and dufs serve the same folder, curl reads from them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use wstp_testkit::{Child, Program};

use crate::corpus::{Corpus, Source};
use crate::private::{PASSWORD, Private, USER};
use crate::tools;

/// A running HTTP server.
#[derive(Debug)]
pub struct Peer {
    program: Program,
    /// The options with which curl reads from it, and the beginning of its URLs.
    options: Vec<String>,
    origin: String,
}

impl Peer {
    /// nginx as Debian configures it (`sendfile`, a worker for each processor), without a log. It does not close
    /// connections after 1,000 requests.
    ///
    /// # Errors
    ///
    /// When it can't be installed or started.
    pub async fn nginx(corpus: &Corpus) -> Result<Self> {
        Ok(Self::open(nginx(corpus, "", "").await?))
    }

    /// The same with TLS for one user. The password is compared as it is, which costs nginx least.
    ///
    /// # Errors
    ///
    /// As [`Peer::nginx`].
    pub async fn private_nginx(corpus: &Corpus, private: &Private) -> Result<Self> {
        let lines = format!(
            "ssl_certificate {}; ssl_certificate_key {}; auth_basic bench; auth_basic_user_file {};",
            private.certificate().display(),
            private.certificate_key().display(),
            private.users().display()
        );
        Ok(Self::with_tls(nginx(corpus, "ssl", &lines).await?, private))
    }

    /// dufs with its defaults, without a log.
    ///
    /// # Errors
    ///
    /// When it can't be installed or started.
    pub async fn dufs(corpus: &Corpus) -> Result<Self> {
        Ok(Self::open(dufs(corpus, &[]).await?))
    }

    /// The same with TLS for one user.
    ///
    /// # Errors
    ///
    /// As [`Peer::dufs`].
    pub async fn private_dufs(corpus: &Corpus, private: &Private) -> Result<Self> {
        let file = |path: PathBuf| path.to_string_lossy().into_owned();
        let (certificate, key) = (file(private.certificate()), file(private.certificate_key()));
        let user = format!("{USER}:{PASSWORD}@/");
        let options = ["--tls-cert", &certificate, "--tls-key", &key, "--auth", &user];
        Ok(Self::with_tls(dufs(corpus, &options).await?, private))
    }

    fn open(program: Program) -> Self {
        let origin = format!("http://{}", program.address());
        Self { program, options: Vec::new(), origin }
    }

    fn with_tls(program: Program, private: &Private) -> Self {
        let certificate = private.certificate().to_string_lossy().into_owned();
        let options = ["--cacert", &certificate, "--user", &format!("{USER}:{PASSWORD}")].map(str::to_owned).to_vec();
        let origin = format!("https://localhost:{}", program.address().port());
        Self { program, options, origin }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.program.address()
    }

    /// The URL of a file.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        self.program.child()
    }
}

async fn nginx(corpus: &Corpus, listen: &str, lines: &str) -> Result<Program> {
    let program = tools::nginx()?;
    let start = Program::start(|folder, address| {
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx_config_with(folder, corpus.dir(), address, listen, lines))?;
        let mut command = Command::new(&program);
        command.arg("-p").arg(folder).arg("-c").arg(config).args(["-e", "stderr"]);
        Ok(command)
    });
    start.await
}

async fn dufs(corpus: &Corpus, options: &[&str]) -> Result<Program> {
    let program = tools::dufs()?;
    let start = Program::start(|_, address| {
        let mut command = Command::new(&program);
        command.arg(corpus.dir()).args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]).args(options);
        command.args(["--log-format", ""]).stdout(Stdio::null());
        Ok(command)
    });
    start.await
}

/// The configuration of nginx that serves `root` and keeps its own files in `folder`.
pub fn nginx_config(folder: &Path, root: &Path, address: SocketAddr) -> String {
    nginx_config_with(folder, root, address, "", "")
}

/// The same with words behind the address, and further lines for the server.
fn nginx_config_with(folder: &Path, root: &Path, address: SocketAddr, listen: &str, lines: &str) -> String {
    // Its workers would run as another user, who may not read a temporary folder of root's.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let folder = folder.display();
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {folder};"));
    format!(
        "{user} daemon off; worker_processes auto; pid {folder}/pid; error_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; autoindex on; keepalive_requests 1000000; default_type application/octet-stream; {}\n\
         server {{ listen {address} {listen}; {lines} root \"{}\"; add_header Access-Control-Allow-Origin *; }} }}\n",
        temporary.join(" "),
        root.display()
    )
}

/// Reads a file with one curl for each of `parts`, which are ranges of it, and keeps nothing.
///
/// # Errors
///
/// When one of them fails or does not get all of its range.
pub async fn curl(peer: &Peer, source: &Source, parts: u64) -> Result<Duration> {
    let began = Instant::now();
    let nowhere = Path::new("/dev/null");
    let ranges = source.ranges(parts);
    let running = ranges.iter().map(|range| start_curl(peer, source, *range, nowhere)).collect::<Result<Vec<_>>>()?;
    for (curl, range) in running.into_iter().zip(&ranges) {
        finish_curl(curl, *range).await?;
    }
    Ok(began.elapsed())
}

/// The same into files, which are compared with the source. That takes time.
///
/// # Errors
///
/// As [`curl`], and when other bytes arrive.
pub async fn curl_and_check(peer: &Peer, source: &Source, parts: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut files: Vec<PathBuf> = Vec::new();
    for (index, range) in source.ranges(parts).into_iter().enumerate() {
        let file = folder.path().join(index.to_string());
        finish_curl(start_curl(peer, source, range, &file)?, range).await?;
        files.push(file);
    }
    source.check_parts(&files)
}

fn start_curl(peer: &Peer, source: &Source, (first, last): (u64, u64), to: &Path) -> Result<Child> {
    let mut command = Command::new(tools::curl()?);
    command.args(&peer.options);
    command.args(["--silent", "--show-error", "--fail", "--range", &format!("{first}-{last}"), "--output"]).arg(to);
    Child::spawn(
        command.args(["--write-out", "%{http_code} %{size_download}", &peer.url(&source.name)]).stdout(Stdio::piped()),
    )
}

async fn finish_curl(mut curl: Child, (first, last): (u64, u64)) -> Result<()> {
    let mut said = String::new();
    curl.stdout()?.read_to_string(&mut said).await.context("curl says nothing")?;
    curl.succeed().await?;
    let wanted = format!("206 {}", last - first + 1);
    ensure!(said == wanted, "curl got {said:?} instead of {wanted:?}");
    Ok(())
}

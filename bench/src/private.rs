//! The user and the certificate of servers with users and TLS: the same for ours and for its peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::load::Key;
use crate::ours::program;

/// The user's name.
pub const USER: &str = "bench";
/// The user's password.
pub const PASSWORD: &str = "correct horse battery";

/// A certificate for `localhost`, and a user of ours.
pub struct Private {
    folder: TempDir,
    key: Key,
}

impl Private {
    /// Makes both.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(folder.path().join("cert.pem"), made.cert.pem())?;
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem())?;
        fs::write(folder.path().join("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n"))?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let state = folder.path().join("state");
        manage(&state, &["user", "add", USER], PASSWORD).await?;
        let token = manage(&state, &["token", "add", "--user", USER], "").await?.trim().to_owned();
        Ok(Self { folder, key: Key { tls: TlsConnector::from(Arc::new(config)), token } })
    }

    /// The file with the certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The file with its key.
    pub fn certificate_key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The file with the user's password, as nginx reads it.
    pub fn users(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    /// Opens our server.
    pub fn key(&self) -> Key {
        self.key.clone()
    }

    /// The options that our server is started with.
    pub fn options(&self) -> Vec<String> {
        let file = |path: PathBuf| path.to_string_lossy().into_owned();
        let (state, certificate) = (self.folder.path().join("state"), self.certificate());
        let options = [("--state-dir", state), ("--tls", certificate), ("--tls-key", self.certificate_key())];
        options.into_iter().flat_map(|(name, path)| [name.to_owned(), file(path)]).collect()
    }
}

/// Runs a command of our server about its users, and returns what it prints.
async fn manage(state: &Path, arguments: &[&str], typed: &str) -> Result<String> {
    let mut command = Command::new(program("WSTP_SERVER", "wstp-server")?);
    command.args(arguments).arg("--state-dir").arg(state).stderr(Stdio::null());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("it has an input")?;
    // Some commands end without reading it.
    let _unread = input.write_all(format!("{typed}\n").as_bytes()).await;
    drop(input);
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "{arguments:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

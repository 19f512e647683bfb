//! An authority that gives certificates by ACME: Pebble, of the makers of Let's Encrypt, and the DNS that it asks.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::program::{Program, is_installed};
use crate::{LONG, free_address, until};

const PEBBLE: &str = "/usr/bin/pebble";
const DNS: &str = "/usr/bin/pebble-challtestsrv";
/// A name that it gives no certificate for.
const BLOCKED: &str = "blocked.example";

/// A running authority; it ends when this is dropped. Every name leads to loopback. Its answers tell of wrong nonces now
/// and then, as those of a busy authority do.
#[derive(Debug)]
pub struct Authority {
    _dns: Program,
    pebble: Program,
    management: SocketAddr,
    folder: TempDir,
}

impl Authority {
    /// An authority that looks for the proofs of names at this port.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not listen in time.
    pub async fn start(port: u16) -> Result<Self> {
        is_installed(PEBBLE)?;
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        fs::write(folder.path().join("ca.pem"), made.cert.pem())?;
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem())?;
        let dns = Program::start(|own, address| {
            let mut command = Command::new(DNS);
            let log = fs::File::create(own.join("log"))?;
            command.stdout(log.try_clone()?).stderr(log);
            command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
            command.args(["-defaultIPv4", "127.0.0.1", "-dns01", &address.to_string()]);
            command.args(["-management", &free_address()?.to_string()]);
            Ok(command)
        })
        .await?;
        let management = free_address()?;
        let pebble = Program::start(|own, address| {
            let config = serde_json::json!({ "pebble": {
                "listenAddress": address, "managementListenAddress": management, "tlsPort": port, "httpPort": port,
                "certificate": folder.path().join("ca.pem"), "privateKey": folder.path().join("key.pem"),
                "domainBlocklist": [BLOCKED],
            }});
            fs::write(own.join("conf"), config.to_string())?;
            let mut command = Command::new(PEBBLE);
            let log = fs::File::create(own.join("log"))?;
            command.stdout(log.try_clone()?).stderr(log);
            command.args(["-dnsserver", &dns.address().to_string(), "-config"]).arg(own.join("conf"));
            command.env("PEBBLE_VA_NOSLEEP", "1");
            Ok(command)
        })
        .await?;
        Ok(Self { _dns: dns, pebble, management, folder })
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.pebble.address())
    }

    /// The file with the certificate by which its own server is trusted.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The file with the certificate by which those are trusted that it gives.
    ///
    /// # Errors
    ///
    /// When it does not tell.
    pub async fn root(&self) -> Result<PathBuf> {
        let (file, url) = (self.folder.path().join("root.pem"), format!("https://{}/roots/0", self.management));
        until("the authority's root", LONG, async || {
            let mut command = Command::new("curl");
            command.args(["--silent", "--fail", "--cacert"]).arg(self.ca()).arg("--output").arg(&file).arg(&url);
            Ok(command.status().await?.success().then_some(()))
        })
        .await?;
        ensure!(fs::read_to_string(&file)?.contains("BEGIN CERTIFICATE"), "{url} is no certificate");
        Ok(file)
    }

    /// A name for which it refuses every order.
    pub fn blocked(&self) -> &'static str {
        BLOCKED
    }

    /// The host and port of its directory.
    pub fn address(&self) -> SocketAddr {
        self.pebble.address()
    }
}

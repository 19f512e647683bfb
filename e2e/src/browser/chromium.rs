//! The process of Chromium with the extension.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use thirtyfour::prelude::*;
use tokio::process::{Child, Command};
use wstp_testkit::{Driver, LONG, until};

use super::{Browser, Profile};
use crate::Extension;

/// A Chromium that runs without control yet. It ends when this is dropped.
#[derive(Debug)]
pub struct Chromium {
    process: Child,
    log: PathBuf,
    disk: PathBuf,
    extension: Extension,
}

impl Chromium {
    /// Starts it with the profile and the extension. `CHROMIUM` names another program.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn start(profile: &Profile, extension: &Extension) -> Result<Self> {
        let _ = fs::remove_file(profile.data().join(PORT_FILE));
        let log = profile.root.join("chromium.log");
        let mut command = command(profile, extension);
        match &profile.display {
            // Its own windows instead of a desktop's, which D-Bus would reach. The profile keeps what they remember.
            Some(display) => command.env("DISPLAY", display).env("HOME", &profile.root).envs([
                ("DBUS_SESSION_BUS_ADDRESS", "disabled:"),
                ("GSETTINGS_BACKEND", "memory"),
                ("NO_AT_BRIDGE", "1"),
            ]),
            None => command.arg("--headless=new"),
        };
        let process = command
            // A killed Chromium leaves its lock's folder behind. Beside the profile it is removed with it.
            .env("TMPDIR", &profile.root)
            // It has precedence over LANG and the like (gettext).
            .env("LANGUAGE", profile.language.unwrap_or("en"))
            .args(["--enable-logging=stderr", "--remote-debugging-port=0", "--window-size=1200,900", "about:blank"])
            .stderr(File::create(&log)?)
            .spawn()
            .context("can't start Chromium")?;
        let disk = disk(profile, process.id().context("Chromium has ended")?);
        Ok(Self { process, log, disk, extension: extension.clone() })
    }

    /// Waits until it listens for DevTools. Returns the port and the path for the whole browser.
    ///
    /// # Errors
    ///
    /// When it ends instead, or never does.
    pub async fn listens(&mut self) -> Result<(u16, String)> {
        let port_file = self.disk.join(PORT_FILE);
        until("Chromium to start", LONG, async || {
            if let Some(status) = self.process.try_wait()? {
                bail!("Chromium ended with {status}: {}", fs::read_to_string(&self.log).unwrap_or_default());
            }
            let said = fs::read_to_string(&port_file).unwrap_or_default();
            Ok(said.split_once('\n').and_then(|(port, path)| Some((port.parse::<u16>().ok()?, path.trim().to_owned()))))
        })
        .await
    }

    /// Takes control of it.
    ///
    /// # Errors
    ///
    /// When it has ended, or chromedriver can't reach it.
    pub async fn control(mut self) -> Result<Browser> {
        let devtools = self.listens().await?;
        // The HTTP client of the WebDriver library, when built along with `wstp`, has TLS and needs a provider, though
        // none is used here.
        let _installed_before = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let driver = Driver::start().await?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_debugger_address(&format!("127.0.0.1:{}", devtools.0))?;
        let session = WebDriver::new(driver.url(), wanted).await.context("chromedriver can't reach Chromium")?;
        session.set_script_timeout(LONG).await?;
        let Self { process: chromium, log, disk, extension } = self;
        Ok(Browser { session, chromium, devtools, log, disk, extension, _driver: driver })
    }
}

/// Opens Chromium with the extension on the user's screen. It ends when the child is dropped.
///
/// # Errors
///
/// When it can't be started.
pub fn launch_for_the_user(profile: &Profile, extension: &Extension, first_page: &str) -> Result<Child> {
    command(profile, extension).arg(first_page).stderr(Stdio::null()).spawn().context("can't start Chromium")
}

/// Runs a program in a separate name space, with a disk of a given size mounted over a folder.
const WITH_DISK: &str = r#"mount -t tmpfs -o size="$1" disk "$2" && cp -a "$3/." "$2" && shift 3 && exec "$@""#;
/// The file in which Chromium writes the port of its DevTools.
const PORT_FILE: &str = "DevToolsActivePort";

/// The browser's folder from its own view.
fn disk(profile: &Profile, process: u32) -> PathBuf {
    match profile.disk {
        None => profile.data(),
        Some(_) => PathBuf::from(format!("/proc/{process}/root{}", profile.data().display())),
    }
}

fn command(profile: &Profile, extension: &Extension) -> Command {
    let program = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
    let ours = extension.dir().display().to_string();
    let extensions = match &profile.neighbour {
        None => ours,
        Some((dir, true)) => format!("{ours},{}", dir.display()),
        Some((dir, false)) => format!("{},{ours}", dir.display()),
    };
    let mut command = match profile.disk {
        None => Command::new(program),
        Some(bytes) => {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", WITH_DISK, "sh"]).arg(bytes.to_string());
            command.arg(profile.data()).arg(profile.seed()).arg(program);
            command
        }
    };
    command
        .arg(format!("--user-data-dir={}", profile.data().display()))
        .arg(format!("--disable-extensions-except={extensions}"))
        .arg(format!("--load-extension={extensions}"))
        .args(["--no-first-run", "--disable-quic", "--disable-sync", "--disable-breakpad", "--disable-gpu"])
        .args(["--disable-background-networking", "--disable-component-update", "--password-store=basic"])
        .args(["--hide-crash-restore-bubble", "--lang=en-US"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if let Some(proxy) = profile.proxy {
        command.arg(format!("--proxy-server=http://{proxy}")).arg("--proxy-bypass-list=<-loopback>");
    }
    if rustix::process::geteuid().is_root() || profile.disk.is_some() {
        // Chromium's sandbox refuses to run as root.
        command.arg("--no-sandbox");
    }
    command
}

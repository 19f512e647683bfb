//! Chromium with the extension in it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::devtools::DevTools;
use crate::{Driver, Extension};
use wstp_testkit::{LONG, SHORT, Tree, until};

/// The parts that outlive a browser: its profile and the folder it saves to.
#[derive(Debug)]
pub struct Profile {
    root: PathBuf,
    downloads: PathBuf,
    /// The size of its own disk, in bytes.
    disk: Option<u64>,
    /// Another extension, and whether it was installed after ours.
    neighbour: Option<(PathBuf, bool)>,
    /// The proxy of plain HTTP that it uses for all traffic.
    proxy: Option<SocketAddr>,
    /// Removes a temporary profile.
    _temporary: Option<TempDir>,
}

impl Profile {
    /// A new profile that saves into its own folder. Both are removed when it is dropped.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn new() -> Result<Self> {
        let temporary = tempfile::tempdir().context("no room for a profile")?;
        let downloads = temporary.path().join("downloads");
        let unwatched = Self::unwatched(temporary.path(), &downloads)?;
        Ok(Self { _temporary: Some(temporary), ..unwatched })
    }

    /// A new profile whose browser reaches every address through this proxy, also this machine.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn behind(proxy: SocketAddr) -> Result<Self> {
        Ok(Self { proxy: Some(proxy), ..Self::new()? })
    }

    /// A new profile on a disk of this many bytes, which ends with the browser. Saved files go elsewhere.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn on_small_disk(bytes: u64) -> Result<Self> {
        let profile = Self::new()?;
        fs::rename(profile.data(), profile.seed())?;
        fs::create_dir(profile.data())?;
        Ok(Self { disk: Some(bytes), ..profile })
    }

    /// A new profile that saves into `downloads`. It is removed when dropped, without the saved files.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn saving_to(downloads: &Path) -> Result<Self> {
        let temporary = tempfile::tempdir().context("no room for a profile")?;
        let kept = Self::kept(temporary.path(), downloads)?;
        Ok(Self { _temporary: Some(temporary), ..kept })
    }

    /// The profile in `root`, made if it is missing. It saves into `downloads` and stays.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn kept(root: &Path, downloads: &Path) -> Result<Self> {
        Self::in_folder(root, downloads, true)
    }

    /// The same for tests and measurements. No service is asked whether files of some kinds are dangerous. Otherwise
    /// each save would wait for an answer, for seconds without a network.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn unwatched(root: &Path, downloads: &Path) -> Result<Self> {
        Self::in_folder(root, downloads, false)
    }

    fn in_folder(root: &Path, downloads: &Path, is_watched: bool) -> Result<Self> {
        fs::create_dir_all(downloads).with_context(|| format!("can't create {}", downloads.display()))?;
        let downloads = downloads.canonicalize()?;
        let folder = root.join("chromium/Default");
        fs::create_dir_all(&folder).with_context(|| format!("can't create {}", folder.display()))?;
        let file = folder.join("Preferences");
        let known = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut preferences: Value = known.unwrap_or_else(|| json!({}));
        preferences["download"]["default_directory"] = json!(downloads);
        preferences["download"]["prompt_for_download"] = json!(false);
        if !is_watched {
            preferences["safebrowsing"]["enabled"] = json!(false);
        }
        preferences["extensions"]["ui"]["developer_mode"] = json!(true);
        fs::write(&file, preferences.to_string())?;
        Ok(Self { root: root.to_owned(), downloads, disk: None, neighbour: None, proxy: None, _temporary: None })
    }

    /// The same with another extension beside ours that may do everything with downloads. Its service worker runs
    /// `script`. The extension that was installed last has the last word on names.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn with_neighbour(mut self, script: &str, is_last: bool) -> Result<Self> {
        let dir = self.root.join("neighbour");
        fs::create_dir(&dir)?;
        let manifest = json!({ "manifest_version": 3, "name": "Neighbour", "version": "1",
            "permissions": ["downloads"], "background": { "service_worker": "script.js" } });
        fs::write(dir.join("manifest.json"), manifest.to_string())?;
        fs::write(dir.join("script.js"), script)?;
        self.neighbour = Some((dir, is_last));
        Ok(self)
    }

    /// The same with Chrome's setting to ask where to save each file.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn asking_where_to_save(self) -> Result<Self> {
        let file = self.data().join("Default/Preferences");
        let mut preferences: Value = serde_json::from_slice(&fs::read(&file)?)?;
        preferences["download"]["prompt_for_download"] = json!(true);
        fs::write(&file, preferences.to_string())?;
        Ok(self)
    }

    /// The folder that it saves to.
    pub fn downloads(&self) -> &Path {
        &self.downloads
    }

    fn data(&self) -> PathBuf {
        self.root.join("chromium")
    }

    /// The first files on its own disk.
    fn seed(&self) -> PathBuf {
        self.root.join("seed")
    }
}

/// The look that pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appearance {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

impl Appearance {
    /// Its name in media queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A running headless Chromium under the control of a chromedriver. Both end when this is dropped.
#[derive(Debug)]
pub struct Browser {
    session: WebDriver,
    chromium: Child,
    /// The DevTools socket of the whole browser.
    devtools: (u16, String),
    /// Its output, with the consoles of its pages and workers.
    log: PathBuf,
    disk: PathBuf,
    extension: Extension,
    _driver: Driver,
}

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
        let process = command(profile, extension)
            // A killed Chromium leaves its lock's folder behind. Beside the profile it is removed with it.
            .env("TMPDIR", &profile.root)
            .args([
                "--headless=new",
                "--enable-logging=stderr",
                "--remote-debugging-port=0",
                "--window-size=1200,900",
                "about:blank",
            ])
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
        let driver = Driver::start().await?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_debugger_address(&format!("127.0.0.1:{}", devtools.0))?;
        let session = WebDriver::new(driver.url(), wanted).await.context("chromedriver can't reach Chromium")?;
        session.set_script_timeout(LONG).await?;
        let Self { process: chromium, log, disk, extension } = self;
        Ok(Browser { session, chromium, devtools, log, disk, extension, _driver: driver })
    }
}

impl Browser {
    /// Starts Chromium with the profile and the extension and takes control of it.
    ///
    /// # Errors
    ///
    /// As [`Chromium::start`] and [`Chromium::control`].
    pub async fn launch(profile: &Profile, extension: &Extension) -> Result<Self> {
        Chromium::start(profile, extension)?.control().await
    }

    /// The WebDriver session.
    pub fn session(&self) -> &WebDriver {
        &self.session
    }

    /// The extension in it.
    pub fn extension(&self) -> &Extension {
        &self.extension
    }

    /// The folder of all its files, on its own disk if its profile has one.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Its processes.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn processes(&self) -> Result<Tree> {
        Ok(Tree::new(self.chromium.id().context("Chromium has ended")?))
    }

    /// Its output since it was started, with that to the consoles of its pages and workers.
    ///
    /// # Errors
    ///
    /// When the output can't be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Fails if any part of the extension has panicked since the browser was started.
    ///
    /// # Errors
    ///
    /// With the whole log.
    pub fn check_no_panic(&self) -> Result<()> {
        let log = self.log()?;
        ensure!(!log.contains("panicked"), "a part of the extension panicked: {log}");
        Ok(())
    }

    /// Ends all its processes at once with SIGKILL.
    ///
    /// # Errors
    ///
    /// When it had ended already.
    pub async fn kill(mut self) -> Result<()> {
        self.processes()?.kill();
        self.chromium.wait().await.context("can't wait for Chromium")?;
        Ok(())
    }

    /// Closes it as a user does, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn close(mut self) -> Result<()> {
        self.processes()?.terminate();
        timeout(SHORT, self.chromium.wait()).await.context("Chromium does not close")??;
        Ok(())
    }

    /// Closes every tab and leaves an empty one.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn close_pages(&self) -> Result<()> {
        let old = self.session.windows().await?;
        let empty = self.session.new_tab().await?;
        for window in old {
            self.session.switch_to_window(window).await?;
            self.session.close_window().await?;
        }
        self.session.switch_to_window(empty).await?;
        Ok(())
    }

    /// Sends a DevTools command to the page that is open now.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn devtools(&self, method: &str, parameters: Value) -> Result<Value> {
        self.session.cdp().send_raw(method, parameters).await.with_context(|| format!("DevTools refuses {method}"))
    }

    /// Ends the extension's service worker, as Chrome does when it is idle, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it continues to run.
    pub async fn stop_service_worker(&self) -> Result<()> {
        self.strike_service_worker().await?;
        until("the service worker to end", SHORT, async || Ok((!self.service_worker_runs().await?).then_some(()))).await
    }

    /// Ends the extension's service worker. It may be started again at the same moment.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn strike_service_worker(&self) -> Result<()> {
        self.devtools("ServiceWorker.enable", json!({})).await?;
        self.devtools("ServiceWorker.stopAllWorkers", json!({})).await?;
        Ok(())
    }

    /// Tells the extension's offscreen document and its workers that there is no network, until [`Offline::end`].
    /// Sockets don't mind.
    ///
    /// # Errors
    ///
    /// The error of DevTools, or when there is no offscreen document.
    pub async fn go_offline(&self) -> Result<Offline> {
        let mut devtools = self.connect_devtools().await?;
        let document = self.offscreen(&mut devtools).await?.context("there is no offscreen document")?;
        let session = devtools.attach(&document).await?;
        devtools.command(Some(&session), "Network.enable", json!({})).await?;
        let mut offline = Offline { devtools, session };
        offline.set(true).await?;
        Ok(offline)
    }

    /// Closes the extension's offscreen document with all its workers; false if there is none.
    ///
    /// # Errors
    ///
    /// The error of DevTools, or when it stays.
    pub async fn end_offscreen(&self) -> Result<bool> {
        let mut devtools = self.connect_devtools().await?;
        let Some(document) = self.offscreen(&mut devtools).await? else { return Ok(false) };
        devtools.command(None, "Target.closeTarget", json!({ "targetId": document["targetId"] })).await?;
        until("the offscreen document to close", SHORT, async || {
            let targets = devtools.targets().await?;
            Ok(targets.iter().all(|target| target["targetId"] != document["targetId"]).then_some(()))
        })
        .await?;
        Ok(true)
    }

    pub(crate) async fn connect_devtools(&self) -> Result<DevTools> {
        DevTools::connect(self.devtools.0, &self.devtools.1).await
    }

    pub(crate) async fn offscreen(&self, devtools: &mut DevTools) -> Result<Option<Value>> {
        let url = self.extension.url("offscreen.html");
        Ok(devtools.targets().await?.into_iter().find(|target| target["url"] == json!(url)))
    }

    /// Whether the extension's service worker runs now.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn service_worker_runs(&self) -> Result<bool> {
        Ok(self.targets("service_worker").await? > 0)
    }

    /// How many targets of a DevTools kind the extension has.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn targets(&self, kind: &str) -> Result<usize> {
        let found = self.devtools("Target.getTargets", json!({ "filter": [{}] })).await?;
        let ours = self.extension.url("");
        let is_ours = |target: &&Value| {
            target["type"] == kind && target["url"].as_str().is_some_and(|url| url.starts_with(&ours))
        };
        Ok(found["targetInfos"].as_array().context("DevTools lists no targets")?.iter().filter(is_ours).count())
    }

    /// Asks pages to be light or dark.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn appear(&self, appearance: Appearance) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": appearance.name() }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }
}

/// An extension that was told that there is no network.
#[derive(Debug)]
pub struct Offline {
    devtools: DevTools,
    session: String,
}

impl Offline {
    /// Tells it that there is a network again.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn end(mut self) -> Result<()> {
        self.set(false).await
    }

    async fn set(&mut self, offline: bool) -> Result<()> {
        let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        // The emulation of the document holds for its workers, too.
        self.devtools.command(Some(&self.session), "Network.emulateNetworkConditions", conditions).await.map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session needs no farewell: both ends of it are about to end.
        let _ = self.session.clone().leak();
        if let Some(pid) = self.chromium.id() {
            Tree::new(pid).kill();
        }
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

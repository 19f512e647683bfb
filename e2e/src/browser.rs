//! Chromium with the extension in it.

mod chromium;
mod profile;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::process::Child;
use tokio::time::timeout;

pub use self::chromium::{Chromium, launch_for_the_user};
pub use self::profile::Profile;
use crate::Extension;
use crate::devtools::DevTools;
use wstp_testkit::{Driver, SHORT, Tree, until};

/// The look that pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appearance {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
    /// The system's own few colours.
    Forced,
}

impl Appearance {
    /// Its name in reports and of screenshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Forced => "forced",
        }
    }

    /// The feature of media queries that asks for it, and its value.
    fn feature(self) -> (&'static str, &'static str) {
        match self {
            Self::Light | Self::Dark => ("prefers-color-scheme", self.name()),
            Self::Forced => ("forced-colors", "active"),
        }
    }
}

/// A running Chromium under the control of a chromedriver. Both end when this is dropped.
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

    /// Asks pages to be light or dark, or has them drawn in the system's colours.
    ///
    /// # Errors
    ///
    /// The error of DevTools.
    pub async fn appear(&self, appearance: Appearance) -> Result<()> {
        let (name, value) = appearance.feature();
        let features = json!([{ "name": name, "value": value }]);
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

//! Everything that one test needs, in the order in which it has to end.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{Browser, Extension, Page, Profile, View};
use wstp_testkit::{Contents, Proxy, SHORT, Server, hash_file, until};

/// A folder, a server on it, a proxy before the server, and a browser with the extension. All of it ends when this is
/// dropped.
#[derive(Debug)]
pub struct Stage {
    browser: Option<Browser>,
    /// The proxy between extension and server.
    pub proxy: Proxy,
    /// The server of the folder.
    pub server: Server,
    profile: Profile,
    extension: Extension,
    files: TempDir,
}

impl Stage {
    /// Serves files of the given paths and sizes. Their content follows from their paths.
    ///
    /// # Errors
    ///
    /// When a part can't be started.
    pub async fn serving(files: &[(&str, u64)]) -> Result<Self> {
        Self::serving_with(files, &[]).await
    }

    /// The same, with further arguments for the server.
    ///
    /// # Errors
    ///
    /// As [`Stage::serving`].
    pub async fn serving_with(files: &[(&str, u64)], arguments: &[&str]) -> Result<Self> {
        let folder = folder_of(files)?;
        let server = Server::start_with(folder.path(), SocketAddr::from(([127, 0, 0, 1], 0)), arguments).await?;
        let proxy = Proxy::start(server.address()).await?;
        Self::with(folder, server, proxy).await
    }

    /// Serves files as a configuration says: its lines follow those of the state, and a share of the folder is `FOLDER`.
    /// The server's log is the file `log` beside the configuration.
    ///
    /// # Errors
    ///
    /// As [`Stage::serving`].
    pub async fn configured(files: &[(&str, u64)], lines: &str) -> Result<Self> {
        let folder = folder_of(files)?;
        let file = folder.path().join("wstp.toml");
        let state = folder.path().join("state");
        let lines = lines.replace("FOLDER", &folder.path().display().to_string());
        fs::write(&file, format!("state_dir = {state:?}\n{lines}"))?;
        let server = Server::configured(&file, &folder.path().join("log")).await?;
        let proxy = Proxy::start(server.address()).await?;
        Self::with(folder, server, proxy).await
    }

    /// The same, to a browser whose disk has only this many bytes.
    ///
    /// # Errors
    ///
    /// As [`Stage::serving`].
    pub async fn serving_to_small_disk(files: &[(&str, u64)], disk: u64) -> Result<Self> {
        Self::serving_to(files, Profile::on_small_disk(disk)?).await
    }

    /// The same to a browser with this profile.
    ///
    /// # Errors
    ///
    /// As [`Stage::serving`].
    pub async fn serving_to(files: &[(&str, u64)], profile: Profile) -> Result<Self> {
        let folder = folder_of(files)?;
        let server = Server::start(folder.path()).await?;
        let proxy = Proxy::start(server.address()).await?;
        Self::with_profile(folder, server, proxy, profile).await
    }

    /// The same, to a browser behind a proxy of plain HTTP.
    ///
    /// # Errors
    ///
    /// As [`Stage::serving`].
    pub async fn serving_behind(files: &[(&str, u64)], proxy: SocketAddr) -> Result<Self> {
        let folder = folder_of(files)?;
        let server = Server::start(folder.path()).await?;
        let line = Proxy::start(server.address()).await?;
        Self::with_profile(folder, server, line, Profile::behind(proxy)?).await
    }

    /// Serves an empty folder through a [`Proxy::bad_line`].
    ///
    /// # Errors
    ///
    /// When a part can't be started.
    pub async fn on_a_bad_line(seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path()).await?;
        let proxy = Proxy::bad_line(server.address(), seed).await?;
        Self::with(folder, server, proxy).await
    }

    async fn with(files: TempDir, server: Server, proxy: Proxy) -> Result<Self> {
        Self::with_profile(files, server, proxy, Profile::new()?).await
    }

    async fn with_profile(files: TempDir, server: Server, proxy: Proxy, profile: Profile) -> Result<Self> {
        let extension = Extension::built()?;
        let browser = Some(Browser::launch(&profile, &extension).await?);
        Ok(Self { browser, proxy, server, profile, extension, files })
    }

    /// The text to type to reach the server, through the proxy.
    pub fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    /// The served folder.
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    /// The folder that Chromium saves to.
    pub fn downloads(&self) -> &Path {
        self.profile.downloads()
    }

    /// The browser.
    ///
    /// # Errors
    ///
    /// When it was killed and not started again.
    pub fn browser(&self) -> Result<&Browser> {
        self.browser.as_ref().context("the browser does not run")
    }

    /// The browser, and the server to be stopped beside it.
    ///
    /// # Errors
    ///
    /// As [`Stage::browser`].
    pub fn browser_and_server(&mut self) -> Result<(&Browser, &mut Server)> {
        Ok((self.browser.as_ref().context("the browser does not run")?, &mut self.server))
    }

    /// Opens a page of the extension.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn open(&self, page: Page) -> Result<View<'_>> {
        View::open(self.browser()?, page).await
    }

    /// Opens the popup and connects it to the server.
    ///
    /// # Errors
    ///
    /// When the folder does not appear.
    pub async fn open_connected(&self) -> Result<View<'_>> {
        let view = self.open(Page::Popup).await?;
        view.connect(&self.address()).await?;
        Ok(view)
    }

    /// Begins to download a file of the shown folder, lets this many bytes through and then nothing more, and shows the
    /// transfers.
    ///
    /// # Errors
    ///
    /// When it does not get so far in time.
    pub async fn download_part(&self, view: &View<'_>, name: &str, bytes: u64) -> Result<()> {
        view.wait_for_name(name).await?;
        self.proxy.hold_after(bytes);
        view.download(name).await?;
        self.proxy.held().await?;
        view.show_transfers().await
    }

    /// The same with a third of a file of `size` bytes, part of it verified. Without a verified part the user is not
    /// told of a change.
    ///
    /// # Errors
    ///
    /// When it does not get so far in time.
    pub async fn download_verified_part(&self, view: &View<'_>, name: &str, size: u64) -> Result<()> {
        view.wait_for_name(name).await?;
        self.proxy.limit_rate(size / 16);
        view.download(name).await?;
        view.show_transfers().await?;
        view.wait_for_verified(name, 33).await?;
        self.proxy.hold_after(0);
        self.proxy.limit_rate(u64::MAX);
        Ok(())
    }

    /// Ends the browser with SIGKILL, and waits until its connections have ended too. Data that the proxy lets through
    /// from then on is for the next browser.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill_browser(&mut self) -> Result<()> {
        self.browser.take().context("the browser does not run")?.kill().await?;
        until("the dead browser's connections to end", SHORT, async || Ok((self.proxy.open() == 0).then_some(()))).await
    }

    /// Closes the browser in good order.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not close.
    pub async fn close_browser(&mut self) -> Result<()> {
        self.browser.take().context("the browser does not run")?.close().await
    }

    /// Starts the browser again with the same profile.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub async fn start_browser(&mut self) -> Result<()> {
        self.browser = Some(Browser::launch(&self.profile, &self.extension).await?);
        Ok(())
    }

    /// Fails unless the saved file has the bytes of the file at `path` in the served folder and is in the downloads
    /// folder.
    ///
    /// # Errors
    ///
    /// When the two differ, or one can't be read.
    pub fn check_saved(&self, path: &str, saved: &Path) -> Result<()> {
        ensure!(saved.starts_with(self.downloads()), "{} is not in the downloads folder", saved.display());
        check_same(&self.folder().join(path), saved)
    }

    /// Files below the downloads folder.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn saved_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut folders = vec![self.downloads().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        Ok(files)
    }
}

/// A folder with files of the given paths and sizes.
fn folder_of(files: &[(&str, u64)]) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for (path, size) in files {
        Contents::new(*path, *size).write(&folder.path().join(path))?;
    }
    Ok(folder)
}

fn check_same(source: &Path, saved: &Path) -> Result<()> {
    let (left, right) = (hash_file(source)?, hash_file(saved)?);
    let sizes = (fs::metadata(source)?.len(), fs::metadata(saved)?.len());
    ensure!(sizes.0 == sizes.1, "{} has {} bytes, the source has {}", saved.display(), sizes.1, sizes.0);
    ensure!(left == right, "{} has as many bytes as its source, but not the same", saved.display());
    Ok(())
}

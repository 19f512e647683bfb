//! The folders of a browser.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Desktop;

/// The parts that outlive a browser: its profile and the folder it saves to.
#[derive(Debug)]
pub struct Profile {
    pub(super) root: PathBuf,
    downloads: PathBuf,
    /// The size of its own disk, in bytes.
    pub(super) disk: Option<u64>,
    /// Another extension, and whether it was installed after ours.
    pub(super) neighbour: Option<(PathBuf, bool)>,
    /// The proxy of plain HTTP that it uses for all traffic.
    pub(super) proxy: Option<SocketAddr>,
    /// The display that it shows its windows on.
    pub(super) display: Option<String>,
    /// The language of the browser, if not the machine's.
    pub(super) language: Option<&'static str>,
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
        Ok(Self {
            root: root.to_owned(),
            downloads,
            disk: None,
            neighbour: None,
            proxy: None,
            display: None,
            language: None,
            _temporary: None,
        })
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

    /// The same with windows on a desktop.
    #[must_use]
    pub fn on(self, desktop: &Desktop) -> Self {
        Self { display: Some(desktop.display().to_owned()), ..self }
    }

    /// The same for a browser in another language, such as `de`. Chromium has its words in the package
    /// `chromium-l10n`.
    #[must_use]
    pub fn speaking(self, language: &'static str) -> Self {
        Self { language: Some(language), ..self }
    }

    /// The folder that it saves to.
    pub fn downloads(&self) -> &Path {
        &self.downloads
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("chromium")
    }

    /// The first files on its own disk.
    pub(super) fn seed(&self) -> PathBuf {
        self.root.join("seed")
    }
}

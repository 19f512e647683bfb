//! Folders that are fetched as a whole: a user's actions on them, and their traces.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_engine::folder::journal;

use crate::{Row, Stage, View};
use wstp_testkit::{LONG, hash_file};

/// The names in the sandbox's folder of transfers.
const LIST_SANDBOX: &str = "const done = arguments[0]; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    const folder = await root.getDirectoryHandle('transfers', { create: true }); \
    return await Array.fromAsync(folder.keys()); })().then(done, () => done(null))";

impl View<'_> {
    /// Presses the button of a folder in the list.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub async fn download_folder(&self, name: &str) -> Result<()> {
        self.show_folder().await?;
        self.wait_for_name(name).await?;
        self.hover_entry(name).await?;
        self.click(&format!("{} [data-testid=download-folder]", crate::view::named("entry", name))).await
    }

    /// Fetches the shown folder.
    ///
    /// # Errors
    ///
    /// When there is no such button in time.
    pub async fn download_this(&self) -> Result<()> {
        self.show_folder().await?;
        self.click("[data-testid=download-this]").await
    }

    /// Waits until a folder is complete, saves it, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// When it does not get there in time.
    pub async fn save_folder(&self, name: &str) -> Result<Row> {
        self.show_transfers().await?;
        let row = self.wait_for_state(name, &["complete"]).await?;
        self.press(&row, "save").await?;
        self.wait_for_state(name, &["saved"]).await
    }

    /// Opens a transfer's row, if it is not open.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub async fn expand(&self, row: &Row) -> Result<()> {
        let expand = format!("[data-testid=transfer][data-id='{}'] [data-testid=expand]", row.id);
        self.click(&format!("{expand}[aria-expanded=false]")).await
    }

    /// The files that an open row shows: path and tone.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn files_shown(&self) -> Result<Vec<(String, String)>> {
        let script =
            "return [...document.querySelectorAll('[data-testid=file]')].map(e => [e.dataset.name, e.dataset.tone])";
        Ok(serde_json::from_value(self.run(script, json!([])).await?)?)
    }

    /// Waits until an open row shows the files that are `wanted`.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_files(&self, what: &str, wanted: impl Fn(&[(String, String)]) -> bool) -> Result<()> {
        self.wait(what, LONG, async || Ok(wanted(&self.files_shown().await?).then_some(()))).await
    }

    /// Waits until the journal of the only transfer, a folder's, says that at least this many files are safely on disk.
    /// Returns their number and their bytes.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_committed_files(&self, least: usize) -> Result<(usize, u64)> {
        self.wait("enough files to be committed", LONG, async || {
            let Some(bytes) = self.journal().await? else { return Ok(None) };
            let (recovered, _) = journal::replay([bytes.as_slice(), &[]]);
            let sizes: Vec<_> = recovered.stored().map(|(_, stored)| stored.size).collect();
            Ok((sizes.len() >= least).then(|| (sizes.len(), sizes.iter().sum())))
        })
        .await
    }

    /// Waits until the sandbox has no data of any transfer.
    ///
    /// # Errors
    ///
    /// When data is still there after a while.
    pub async fn wait_for_empty_sandbox(&self) -> Result<()> {
        self.wait("the sandbox to be empty", LONG, async || {
            let names: Option<Vec<String>> = serde_json::from_value(self.run_async(LIST_SANDBOX).await?)?;
            Ok(names.filter(Vec::is_empty).map(drop))
        })
        .await
    }
}

impl Stage {
    /// Fails unless the saved copy of the served folder `path` is the same: files, structure, bytes, and nothing else.
    /// The names have to be such that Chrome saves them unchanged.
    ///
    /// # Errors
    ///
    /// When there is a difference.
    pub fn check_saved_folder(&self, path: &str) -> Result<()> {
        let (served, saved) = (hashes(&self.folder().join(path))?, hashes(&self.downloads().join(path))?);
        for (file, hash) in &served {
            let other = saved.get(file).with_context(|| format!("{} was not saved", file.display()))?;
            ensure!(hash == other, "{} was saved with other bytes", file.display());
        }
        let more: Vec<_> = saved.keys().filter(|file| !served.contains_key(*file)).collect();
        ensure!(more.is_empty(), "these were saved and are not on the server: {more:?}");
        Ok(())
    }
}

/// The files below a folder and the hashes of their content.
///
/// # Errors
///
/// When one can't be read.
pub fn hashes(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("can't read {}", next.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder)?.to_owned();
                files.insert(path, hash_file(&entry.path())?);
            }
        }
    }
    Ok(files)
}

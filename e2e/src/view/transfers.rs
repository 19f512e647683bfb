//! The transfers that a page shows, and the files that they leave behind.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use wstp_testkit::{LONG, LONGEST};

use super::{View, quoted, testid};
use crate::Committed;

const ROWS: &str = "return [...document.querySelectorAll('[data-testid=\"transfer\"]')].map(row => ({ \
    id: row.dataset.id, name: row.dataset.name, state: row.dataset.state, text: row.innerText, \
    buttons: [...row.querySelectorAll('button[data-testid]')].map(b => b.dataset.testid) }))";

/// The bytes of the first journal in the sandbox. Null if there is none, or while it is being written.
const READ_JOURNAL: &str = "const done = arguments[0]; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    for await (const folder of (await root.getDirectoryHandle('transfers')).values()) { \
        const file = await (await folder.getFileHandle('journal')).getFile(); \
        return Array.from(new Uint8Array(await file.arrayBuffer())); \
    } return null; })().then(done, () => done(null))";

/// A transfer as its row shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names the transfer.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// The name of its state, in lower case.
    pub state: String,
    /// All text in it.
    pub text: String,
    /// Its buttons.
    pub buttons: Vec<String>,
}

impl View<'_> {
    /// All shown transfers.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn rows(&self) -> Result<Vec<Row>> {
        let found = self.run(ROWS, json!([])).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let row = |value: &Value| Row {
            id: text(&value["id"]),
            name: text(&value["name"]),
            state: text(&value["state"]),
            text: text(&value["text"]),
            buttons: value["buttons"].as_array().into_iter().flatten().map(text).collect(),
        };
        Ok(found.as_array().context("the page lists no rows")?.iter().map(row).collect())
    }

    /// Waits until `wanted` accepts the rows, and returns its value.
    ///
    /// # Errors
    ///
    /// When they are not in time.
    pub async fn wait_for_rows<T>(&self, what: &str, wanted: impl Fn(&[Row]) -> Option<T>) -> Result<T> {
        self.wait(what, LONG, async || Ok(wanted(&self.rows().await?))).await
    }

    /// Waits until this much of a transfer's file is verified.
    ///
    /// # Errors
    ///
    /// When it is not in time.
    pub async fn wait_for_verified(&self, name: &str, percent: u64) -> Result<()> {
        const MAP: &str = "return document.querySelector(arguments[0])?.getAttribute('aria-label') ?? ''";
        let map = format!("{}[data-name={}] [role=img]", testid("transfer"), quoted(name));
        self.wait("part of the file to be verified", LONG, async || {
            let words = self.run(MAP, json!([map])).await?;
            let words = words.as_str().and_then(|words| words.strip_suffix(" % verified"));
            let verified: Option<u64> = words.and_then(|words| words.rsplit(' ').next()?.parse().ok());
            Ok(verified.filter(|verified| *verified >= percent).map(drop))
        })
        .await
    }

    /// Waits until a transfer, named by its ID or its file's name, is in one of `states`. It waits as long as its row
    /// changes.
    ///
    /// # Errors
    ///
    /// When its row no longer changes, when it takes longer than any test may, or when it failed or was cancelled.
    pub async fn wait_for_state(&self, which: &str, states: &[&str]) -> Result<Row> {
        let what = format!("{which:?} to be {}", states.join(" or "));
        let end = Instant::now() + LONGEST;
        let mut seen = None;
        while Instant::now() < end {
            let changed = self
                .wait(&what, LONG, async || {
                    let row = self.rows().await?.into_iter().find(|row| row.id == which || row.name == which);
                    Ok(row.filter(|row| Some(row) != seen.as_ref()))
                })
                .await?;
            if states.contains(&changed.state.as_str()) {
                return Ok(changed);
            }
            if ["failed", "cancelled"].contains(&changed.state.as_str()) {
                bail!("{which:?} should be {} and is {}: {}", states.join(" or "), changed.state, changed.text);
            }
            seen = Some(changed);
        }
        bail!("waited {} s in vain for {what}: {seen:?}", LONGEST.as_secs())
    }

    /// Presses a button of a transfer.
    ///
    /// # Errors
    ///
    /// When it has no such button in time.
    pub async fn press(&self, transfer: &Row, button: &str) -> Result<()> {
        let row = format!("{}[data-id={}]", testid("transfer"), quoted(&transfer.id));
        self.click(&format!("{row} {}", testid(button))).await
    }

    /// Waits until a file is complete, saves it, and returns the path that Chromium reports for the saved file.
    ///
    /// # Errors
    ///
    /// When it does not get there in time.
    pub async fn save(&self, name: &str) -> Result<PathBuf> {
        self.show_transfers().await?;
        let before = self.saved().await?.len();
        let row = self.wait_for_state(name, &["complete"]).await?;
        self.press(&row, "save").await?;
        self.wait_for_state(name, &["saved"]).await?;
        let saved = self.saved().await?;
        if saved.len() != before + 1 {
            bail!("saving one file made {} downloads", saved.len() - before);
        }
        saved.into_iter().next_back().context("Chromium knows of no download")
    }

    /// The files that Chromium reports as saved, oldest first.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn saved(&self) -> Result<Vec<PathBuf>> {
        let script = "const done = arguments[0]; chrome.downloads.search({ state: 'complete', orderBy: ['startTime'], limit: 0 }, \
            items => done(items.map(item => item.filename)))";
        self.front().await?;
        let found = self.browser.session().execute_async(script, vec![]).await?;
        Ok(found.convert()?)
    }

    /// Waits until the journal of the only transfer says that at least this many bytes are safely on disk.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_committed(&self, least: u64) -> Result<Committed> {
        self.wait("enough to be committed", LONG, async || {
            let journal = self.journal().await?;
            Ok(journal.map(|bytes| Committed::read(&bytes)).filter(|committed| committed.bytes() >= least))
        })
        .await
    }

    /// The bytes of the journal of the only transfer, if there is one that can be read now.
    pub(crate) async fn journal(&self) -> Result<Option<Vec<u8>>> {
        Ok(serde_json::from_value(self.run_async(READ_JOURNAL).await?)?)
    }
}

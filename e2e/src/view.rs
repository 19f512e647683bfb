//! The popup and the manager page, from a user's view.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::{Appearance, Browser, Committed, screenshots};
use wstp_testkit::{LONG, LONGEST, SHORT, until};

/// A page of the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The page behind the toolbar button; here in a tab, because no driver reaches the real one.
    Popup,
    /// The full tab.
    Manager,
}

impl Page {
    /// Its name in URLs and of its screenshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Popup => "popup",
            Self::Manager => "manager",
        }
    }

    fn size(self) -> (u32, u32) {
        match self {
            Self::Popup => (400, 600),
            Self::Manager => (1200, 800),
        }
    }
}

/// Ends all animations and transitions.
const SETTLE: &str =
    "document.getAnimations().filter(a => a.effect.getComputedTiming().endTime < Infinity).forEach(a => a.finish())";

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

/// One page of the extension, open in a tab.
#[derive(Debug)]
pub struct View<'a> {
    browser: &'a Browser,
    window: WindowHandle,
}

impl<'a> View<'a> {
    /// Opens a page in a new tab and waits until it shows content.
    ///
    /// # Errors
    ///
    /// When it does not come up in time.
    pub async fn open(browser: &'a Browser, page: Page) -> Result<Self> {
        let session = browser.session();
        let window = session.new_tab().await?;
        let view = Self { browser, window };
        view.front().await?;
        let (width, height) = page.size();
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        session.goto(browser.extension().url(&format!("{}.html", page.name()))).await?;
        view.wait_for("the page to come up", SHORT, "[data-testid]").await?;
        Ok(view)
    }

    /// Closes the tab.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn close(self) -> Result<()> {
        self.front().await?;
        let session = self.browser.session();
        session.close_window().await?;
        let rest = session.windows().await?.into_iter().next().context("no tab is left")?;
        session.switch_to_window(rest).await?;
        Ok(())
    }

    /// Types a server's address and connects.
    ///
    /// # Errors
    ///
    /// When there is no field for it.
    pub async fn ask_for(&self, address: &str) -> Result<()> {
        self.front().await?;
        let input = self.wait_for("the field for the server", SHORT, &testid("server-input")).await?;
        input.clear().await?;
        input.send_keys(address).await?;
        self.click(&testid("connect")).await
    }

    /// Connects to a server and waits until its folder is shown.
    ///
    /// # Errors
    ///
    /// When that does not happen in time, with the page's text.
    pub async fn connect(&self, address: &str) -> Result<()> {
        self.ask_for(address).await?;
        let shown = format!("{}, {}", testid("crumb"), testid("error"));
        self.wait_for(&format!("the folder of {address}"), SHORT, &shown).await?;
        match self.errors().await?.first() {
            Some(error) => bail!("{error}"),
            None => Ok(()),
        }
    }

    /// The names shown in the open folder, in order.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn names(&self) -> Result<Vec<String>> {
        let found = self
            .run(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.dataset.name)",
                json!([testid("entry")]),
            )
            .await?;
        Ok(serde_json::from_value(found)?)
    }

    /// Waits until the open folder shows a name.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_name(&self, name: &str) -> Result<()> {
        self.wait_for(&format!("{name:?} in the folder"), SHORT, &named("entry", name)).await.map(drop)
    }

    /// Clicks an entry: opens a folder, downloads a file.
    ///
    /// # Errors
    ///
    /// When it is not there in time.
    pub async fn click_entry(&self, name: &str) -> Result<()> {
        self.click(&named("entry", name)).await
    }

    /// Opens the folders on the path to a file, from the shown one, and clicks the file.
    ///
    /// # Errors
    ///
    /// When one of them does not appear in time.
    pub async fn download(&self, path: &str) -> Result<()> {
        self.show_folder().await?;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            self.click_entry(name).await?;
            if names.peek().is_some() {
                self.wait_for_crumb(name).await?;
            }
        }
        Ok(())
    }

    /// Goes to the folder above.
    ///
    /// # Errors
    ///
    /// When there is no way back.
    pub async fn back(&self) -> Result<()> {
        self.click(&testid("back")).await
    }

    /// Goes to one of the folders above by its breadcrumb.
    ///
    /// # Errors
    ///
    /// When there is no such breadcrumb in time.
    pub async fn click_crumb(&self, name: &str) -> Result<()> {
        self.click(&named("crumb", name)).await
    }

    /// Waits until a text is on the page or in one of its fields.
    ///
    /// # Errors
    ///
    /// When it does not appear in time.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        let script = "return [document.body.innerText, ...[...document.querySelectorAll('input')].map(i => i.value)]\
            .some(shown => shown.includes(arguments[0]))";
        self.wait(&format!("the text {text:?}"), SHORT, async || {
            Ok((self.run(script, json!([text])).await? == json!(true)).then_some(()))
        })
        .await
    }

    /// Waits until the last of the breadcrumbs reads `name`.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_crumb(&self, name: &str) -> Result<()> {
        let script = "const all = document.querySelectorAll(arguments[0]); return all.length ? all[all.length - 1].textContent.trim() : null";
        self.wait(&format!("the folder {name:?}"), SHORT, async || {
            Ok((self.run(script, json!([testid("crumb")])).await?.as_str() == Some(name)).then_some(()))
        })
        .await
    }

    /// Brings the list of files to the front, if it shares its place with the transfers.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn show_folder(&self) -> Result<()> {
        self.click_if_there(&testid("tab-browse")).await
    }

    /// Brings the transfers to the front, if they share their place with the list of files.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn show_transfers(&self) -> Result<()> {
        self.click_if_there(&testid("tab-transfers")).await
    }

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

    /// Runs a script that calls its argument with the result.
    pub(crate) async fn run_async(&self, script: &str) -> Result<Value> {
        self.front().await?;
        Ok(self.browser.session().execute_async(script, vec![]).await?.json().clone())
    }

    /// Presses keys, one after the other, wherever the focus is.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn keys(&self, keys: &[Key]) -> Result<()> {
        self.front().await?;
        for key in keys {
            self.browser.session().action_chain().send_keys(key.clone()).perform().await?;
        }
        Ok(())
    }

    /// Moves the pointer onto an entry.
    pub(crate) async fn hover_entry(&self, name: &str) -> Result<()> {
        let entry = self.wait_for("the entry", SHORT, &named("entry", name)).await?;
        self.browser.session().action_chain().move_to_element_center(&entry).perform().await?;
        Ok(())
    }

    /// The complaint that the page shows.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn errors(&self) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim()).filter(t => t)";
        Ok(serde_json::from_value(self.run(script, json!([testid("error")])).await?)?)
    }

    /// Waits until the page shows a complaint.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_error(&self) -> Result<String> {
        self.wait("an error in words", LONG, async || Ok(self.errors().await?.into_iter().next())).await
    }

    /// Runs a script in the page and gives what it returns.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn run(&self, script: &str, arguments: Value) -> Result<Value> {
        self.front().await?;
        let arguments: Vec<Value> = arguments.as_array().cloned().unwrap_or_default();
        Ok(self.browser.session().execute(script, arguments).await?.json().clone())
    }

    /// Writes pictures of the page to `target/screenshots/NAME-light.png` and `NAME-dark.png`.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub async fn screenshot(&self, name: &str) -> Result<()> {
        self.front().await?;
        for appearance in [Appearance::Dark, Appearance::Light] {
            self.browser.appear(appearance).await?;
            self.run(SETTLE, json!([])).await?;
            let file = screenshots()?.join(format!("{name}-{}.png", appearance.name()));
            self.browser.session().screenshot(&file).await?;
        }
        Ok(())
    }

    /// Clicks the first element that a selector finds, and waits for it.
    ///
    /// # Errors
    ///
    /// When it can't be clicked in time.
    pub async fn click(&self, selector: &str) -> Result<()> {
        self.front().await?;
        self.wait(&format!("{selector} to take a click"), SHORT, async || {
            match self.browser.session().find(By::Css(selector)).await {
                // A row that was drawn again, or is covered, is tried again.
                Ok(element) => Ok(element.click().await.ok()),
                Err(_) => Ok(None),
            }
        })
        .await
    }

    async fn click_if_there(&self, selector: &str) -> Result<()> {
        let found = self.run("return !!document.querySelector(arguments[0])", json!([selector])).await?;
        if found == json!(true) { self.click(selector).await } else { Ok(()) }
    }

    pub(crate) async fn wait_for(&self, what: &str, limit: Duration, selector: &str) -> Result<WebElement> {
        self.wait(what, limit, async || Ok(self.browser.session().find(By::Css(selector)).await.ok())).await
    }

    /// Waits. On failure it reports the page's text and leaves a picture of the page.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        check: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let waited = until(what, limit, check).await;
        if waited.is_err() {
            let shown = self.run("return document.body.innerText", json!([])).await.unwrap_or_default();
            let picture = screenshots()?.join(format!("failure-{}.png", std::process::id()));
            let _ = self.browser.session().screenshot(&picture).await;
            return waited.with_context(|| format!("the page shows: {}", shown.as_str().unwrap_or_default()));
        }
        waited
    }

    /// Sends further commands to this tab.
    async fn front(&self) -> Result<()> {
        self.browser.session().switch_to_window(self.window.clone()).await.context("the tab is gone")
    }
}

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

/// The selector of the element with a test's name.
fn testid(id: &str) -> String {
    format!("[data-testid=\"{id}\"]")
}

/// The selector of the element with a test's name and a file's name.
pub(crate) fn named(id: &str, name: &str) -> String {
    format!("{}[data-name={}]", testid(id), quoted(name))
}

/// A string in CSS.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\{:x} ", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_quotes_and_controls_stay_one_css_string() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\a d\"");
        assert_eq!(named("entry", "x"), "[data-testid=\"entry\"][data-name=\"x\"]");
    }
}

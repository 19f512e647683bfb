//! The popup and the manager page, from a user's view.

mod browsing;
mod transfers;

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

pub use self::transfers::Row;
use crate::paths::{axe, screenshots};
use crate::{Appearance, Browser};
use wstp_testkit::{LONG, SHORT, until};

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

    /// Its width and height in pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Popup => (400, 600),
            Self::Manager => (1200, 800),
        }
    }
}

/// Ends all animations and transitions.
const SETTLE: &str =
    "document.getAnimations().filter(a => a.effect.getComputedTiming().endTime < Infinity).forEach(a => a.finish())";

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
        let address = browser.extension().url(&format!("{}.html", page.name()));
        Self::open_address(browser, &address, page.size()).await
    }

    /// Opens any page in a new tab, as large as said in pixels, and waits until it shows content.
    ///
    /// # Errors
    ///
    /// When it does not come up in time.
    pub async fn open_address(browser: &'a Browser, address: &str, size: (u32, u32)) -> Result<Self> {
        let window = browser.session().new_tab().await?;
        let view = Self { browser, window };
        view.front().await?;
        view.resize(size).await?;
        browser.session().goto(address).await?;
        view.wait_for("the page to come up", SHORT, "[data-testid]").await?;
        Ok(view)
    }

    /// Makes the page as large as said, in pixels.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn resize(&self, (width, height): (u32, u32)) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        Ok(())
    }

    /// Types into the field with this test's name, in place of its content.
    ///
    /// # Errors
    ///
    /// When there is no such field in time.
    pub async fn fill(&self, id: &str, text: &str) -> Result<()> {
        self.front().await?;
        let field = self.wait_for(&format!("the field {id}"), SHORT, &testid(id)).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Picks a value of the choice with this test's name.
    ///
    /// # Errors
    ///
    /// When there is no such choice in time.
    pub async fn pick(&self, id: &str, value: &str) -> Result<()> {
        const PICK: &str = "const field = document.querySelector(arguments[0]); field.value = arguments[1]; \
            field.dispatchEvent(new Event('change', { bubbles: true }))";
        self.front().await?;
        self.wait_for(&format!("the choice {id}"), SHORT, &testid(id)).await?;
        self.run(PICK, json!([testid(id), value])).await.map(drop)
    }

    /// Waits until a script returns this value. It may load the page anew meanwhile.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_until(&self, script: &str, value: Value) -> Result<()> {
        self.wait(&format!("{script} to be {value}"), SHORT, async || {
            Ok(self.run(script, json!([])).await.is_ok_and(|found| found == value).then_some(()))
        })
        .await
    }

    /// Waits until the page shows these words.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_words(&self, words: &str) -> Result<()> {
        self.wait(&format!("the words {words:?}"), LONG, async || {
            let shown = self.run("return document.body.innerText", json!([])).await?;
            Ok(shown.as_str().is_some_and(|shown| shown.contains(words)).then_some(()))
        })
        .await
    }

    /// The rules of accessibility that the page breaks, in words, as axe-core finds them.
    ///
    /// # Errors
    ///
    /// When axe-core is not there (`scripts/setup --tests`), or the browser's error.
    pub async fn violations(&self) -> Result<Vec<String>> {
        const RUN: &str = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then(
                (found) => done(found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`)),
                (error) => done([String(error)]))";
        let axe = std::fs::read_to_string(axe()?).context("axe-core is missing: run scripts/setup --tests")?;
        self.run(&axe, json!([])).await?;
        Ok(serde_json::from_value(self.run_async(RUN).await?)?)
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

    /// Presses the keys of a text, wherever the focus is.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn press_keys(&self, text: &str) -> Result<()> {
        self.front().await?;
        Ok(self.browser.session().action_chain().send_keys(text).perform().await?)
    }

    /// Presses a key while another one is held, wherever the focus is.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn chord(&self, held: Key, key: impl Into<char>) -> Result<()> {
        self.front().await?;
        let key: char = key.into();
        let chain = self.browser.session().action_chain().key_down(held.clone()).key_down(key).key_up(key);
        Ok(chain.key_up(held).perform().await?)
    }

    /// Clicks the first element that a selector finds with the right button, and waits for it.
    ///
    /// # Errors
    ///
    /// When it is not there in time.
    pub async fn context_click(&self, selector: &str) -> Result<()> {
        self.front().await?;
        let element = self.wait_for(selector, SHORT, selector).await?;
        Ok(self.browser.session().action_chain().context_click_element(&element).perform().await?)
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
        self.picture(name, Appearance::Dark).await?;
        self.picture(name, Appearance::Light).await
    }

    /// Writes a picture of the page, as it looks so, to `target/screenshots/NAME-APPEARANCE.png`. It keeps that look.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub async fn picture(&self, name: &str, appearance: Appearance) -> Result<()> {
        self.front().await?;
        self.browser.appear(appearance).await?;
        self.run(SETTLE, json!([])).await?;
        let file = screenshots()?.join(format!("{name}-{}.png", appearance.name()));
        self.browser.session().screenshot(&file).await?;
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

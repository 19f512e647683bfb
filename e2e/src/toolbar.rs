//! The popup as the toolbar opens it. Chromedriver does not see that one; DevTools do.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Browser;
use crate::devtools::DevTools;
use wstp_testkit::{SHORT, until};

/// The open popup of the toolbar button.
#[derive(Debug)]
pub struct ToolbarPopup {
    devtools: DevTools,
    session: String,
    target: Value,
}

impl ToolbarPopup {
    /// Opens it from the page of the extension that is in front, and waits until it has the keyboard.
    ///
    /// # Errors
    ///
    /// When it does not come up in time.
    pub async fn open(browser: &Browser) -> Result<Self> {
        const OPEN: &str = "const done = arguments[0]; \
            chrome.action.openPopup().then(() => done(''), error => done(String(error)))";
        let mut devtools = browser.connect_devtools().await?;
        let before = devtools.targets().await?;
        let refused = browser.session().execute_async(OPEN, Vec::<Value>::new()).await?;
        ensure!(refused.json() == &json!(""), "Chromium opens no popup: {}", refused.json());
        let url = browser.extension().url("popup.html");
        let popup = until("the toolbar's popup to open", SHORT, async || {
            let is_new = |target: &Value| {
                target["url"] == json!(url) && before.iter().all(|other| other["targetId"] != target["targetId"])
            };
            Ok(devtools.targets().await?.into_iter().find(is_new))
        })
        .await?;
        let session = devtools.attach(&popup).await?;
        let mut popup = Self { devtools, session, target: popup["targetId"].clone() };
        until("the popup to have the keyboard", SHORT, async || {
            let is_ready = "document.hasFocus() && !!document.querySelector('[data-testid]')";
            Ok((popup.evaluate(is_ready).await? == json!(true)).then_some(()))
        })
        .await?;
        Ok(popup)
    }

    /// Presses the keys of a text, one after the other.
    ///
    /// # Errors
    ///
    /// Errors that DevTools report.
    pub async fn type_text(&mut self, text: &str) -> Result<()> {
        for key in text.chars() {
            self.press(json!({ "key": key, "text": key })).await?;
        }
        Ok(())
    }

    /// Presses Enter.
    ///
    /// # Errors
    ///
    /// Errors that DevTools report.
    pub async fn press_enter(&mut self) -> Result<()> {
        self.press(json!({ "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" })).await
    }

    /// Waits until a text can be read in it.
    ///
    /// # Errors
    ///
    /// When it can't in time.
    pub async fn wait_for_text(&mut self, text: &str) -> Result<()> {
        let shown = format!("document.body.innerText.includes({})", json!(text));
        until(&format!("the text {text:?} in the popup"), SHORT, async || {
            Ok((self.evaluate(&shown).await? == json!(true)).then_some(()))
        })
        .await
    }

    /// Waits until an expression is true in it.
    ///
    /// # Errors
    ///
    /// When it is not in time.
    pub async fn wait_until(&mut self, what: &str, expression: &str) -> Result<()> {
        until(what, SHORT, async || Ok((self.evaluate(expression).await? == json!(true)).then_some(()))).await
    }

    /// The value of an expression in the popup.
    ///
    /// # Errors
    ///
    /// When it was closed.
    pub async fn evaluate(&mut self, expression: &str) -> Result<Value> {
        self.devtools.evaluate(&self.session, expression).await?.context("the popup was closed")
    }

    /// Closes it.
    ///
    /// # Errors
    ///
    /// When it was closed before.
    pub async fn close(mut self) -> Result<()> {
        self.devtools.command(None, "Target.closeTarget", json!({ "targetId": self.target })).await.map(drop)
    }

    async fn press(&mut self, key: Value) -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let mut event = key.clone();
            event["type"] = json!(kind);
            self.devtools.command(Some(&self.session), "Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }
}

//! A server and its folders, as a page shows them.

use anyhow::{Result, bail};
use serde_json::json;
use wstp_testkit::SHORT;

use super::{View, named, testid};

impl View<'_> {
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

    /// Waits until the open folder shows exactly these names, in this order.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_names(&self, names: &[&str]) -> Result<()> {
        self.wait(&format!("the entries {names:?}"), SHORT, async || Ok((self.names().await? == names).then_some(())))
            .await
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

    /// Moves the pointer to a place on the page.
    pub(crate) async fn move_pointer(&self, x: u32, y: u32) -> Result<()> {
        self.front().await?;
        let moved = json!({ "type": "mouseMoved", "x": x, "y": y });
        self.browser.devtools("Input.dispatchMouseEvent", moved).await.map(drop)
    }

    /// Moves the pointer onto an entry.
    pub(crate) async fn hover_entry(&self, name: &str) -> Result<()> {
        let entry = self.wait_for("the entry", SHORT, &named("entry", name)).await?;
        self.browser.session().action_chain().move_to_element_center(&entry).perform().await?;
        Ok(())
    }
}

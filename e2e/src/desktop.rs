//! A screen with a window manager, for the windows that no driver reaches: those in which Chromium asks the user.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use serde_json::json;
use wstp_testkit::{SHORT, until};

use crate::View;

/// Part of the title of the window in which the user picks a folder.
const PICKER: &str = "Select where this site can save changes";
/// Longer than Chromium ignores answers to a question that it has just shown.
const IGNORED: Duration = Duration::from_secs(2);
/// Counts what the page hears of the pointer. A key that comes to the page too late presses no button there.
const LISTEN: &str = "document.activeElement?.blur(); addEventListener('mousemove', () => window.heard++, true)";

/// The answer to Chromium's question whether a page may write into a picked folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Allow,
    /// It may not.
    Refuse,
}

/// The screen. It ends when this is dropped.
#[derive(Debug)]
pub struct Desktop {
    display: String,
    _screen: Child,
    _manager: Child,
}

impl Desktop {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When a part can't be started.
    pub async fn start() -> Result<Self> {
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("can't start Xvfb")?;
        let mut lines = BufReader::new(screen.stdout.take().expect("stdout is piped")).lines();
        let number = timeout(SHORT, lines.next_line()).await.context("Xvfb does not start")??;
        let display = format!(":{}", number.context("Xvfb ended")?.trim());
        let manager = Command::new("openbox")
            .args(["--sm-disable"])
            .env("DISPLAY", &display)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("can't start openbox")?;
        let desktop = Self { display, _screen: screen, _manager: manager };
        until("the window manager to be there", SHORT, async || Ok(desktop.tool(&["get_desktop"]).await.ok())).await?;
        Ok(desktop)
    }

    /// The name of the display, for programs.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Closes the window in which the user picks a folder, once it is there.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub async fn close_picker(&self, view: &View<'_>) -> Result<()> {
        self.wait_for_picker(view).await?;
        self.tool(&["key", "Escape"]).await?;
        self.wait_for_no_picker().await
    }

    /// Picks a folder in that window, and answers whether the page may write there.
    ///
    /// # Errors
    ///
    /// When there is no such window or question in time.
    pub async fn pick(&self, view: &View<'_>, folder: &Path, answer: Answer) -> Result<()> {
        self.wait_for_picker(view).await?;
        view.run(LISTEN, json!([])).await?;
        self.tool(&["type", folder.to_str().context("the path is no text")?]).await?;
        self.tool(&["key", "alt+o"]).await?;
        self.wait_for_no_picker().await?;
        // A page hears nothing while Chromium asks.
        until("Chromium to ask whether that is allowed", SHORT, async || Ok((!hears(view).await?).then_some(())))
            .await?;
        if answer == Answer::Allow {
            // The focus is on the other button.
            self.tool(&["key", "Tab"]).await?;
        }
        // Chromium ignores an answer that comes faster than a person could read.
        until("Chromium to take the answer", SHORT, async || {
            self.tool(&["key", "space"]).await?;
            let taken = until("the question to go", IGNORED, async || Ok(hears(view).await?.then_some(())));
            Ok(taken.await.ok())
        })
        .await
    }

    async fn wait_for_picker(&self, view: &View<'_>) -> Result<()> {
        view.wait("the window to pick a folder", SHORT, async || Ok(self.has_picker().await.then_some(()))).await
    }

    async fn wait_for_no_picker(&self) -> Result<()> {
        until("that window to close", SHORT, async || Ok((!self.has_picker().await).then_some(()))).await
    }

    async fn has_picker(&self) -> bool {
        self.tool(&["search", "--onlyvisible", "--name", PICKER]).await.is_ok()
    }

    async fn tool(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("xdotool");
        let ended =
            command.args(arguments).env("DISPLAY", &self.display).output().await.context("can't run xdotool")?;
        ensure!(ended.status.success(), "xdotool {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        Ok(())
    }
}

/// Whether a page hears of the pointer.
async fn hears(view: &View<'_>) -> Result<bool> {
    view.run("window.heard = 0", json!([])).await?;
    for x in [200, 210] {
        view.move_pointer(x, 300).await?;
    }
    Ok(view.run("return window.heard > 0", json!([])).await? == json!(true))
}

//! The text of single elements of a view, and typing into its fields.

use anyhow::Result;
use serde_json::json;
use thirtyfour::prelude::*;

use crate::View;
use wstp_testkit::SHORT;

impl View<'_> {
    /// Waits until the first element a selector finds reads exactly `text`.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_content(&self, selector: &str, text: &str) -> Result<()> {
        let script = "return document.querySelector(arguments[0])?.textContent.trim() ?? null";
        self.wait(&format!("{selector} to read {text:?}"), SHORT, async || {
            Ok((self.run(script, json!([selector])).await?.as_str() == Some(text)).then_some(()))
        })
        .await
    }

    /// Waits until a selector finds exactly this many elements.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_count(&self, selector: &str, count: usize) -> Result<()> {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.wait(&format!("{count} of {selector}"), SHORT, async || {
            Ok((self.run(script, json!([selector])).await? == json!(count)).then_some(()))
        })
        .await
    }

    /// Waits until the field a selector finds holds exactly `value`.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn wait_for_value(&self, selector: &str, value: &str) -> Result<()> {
        let script = "return document.querySelector(arguments[0])?.value ?? null";
        self.wait(&format!("{selector} to hold {value:?}"), SHORT, async || {
            Ok((self.run(script, json!([selector])).await?.as_str() == Some(value)).then_some(()))
        })
        .await
    }

    /// Types a value into a field, and replaces its content.
    ///
    /// # Errors
    ///
    /// When there is no such field in time.
    pub async fn enter_text(&self, selector: &str, value: &str) -> Result<()> {
        let field = self.wait_for(selector, SHORT, selector).await?;
        field.click().await?;
        field.send_keys(Key::Control + "a").await?;
        field.send_keys(Key::Backspace + value).await?;
        self.wait_for_value(selector, value).await
    }

    /// Types a value into a field in place of its content, and presses Enter.
    ///
    /// # Errors
    ///
    /// When there is no such field in time.
    pub async fn enter(&self, selector: &str, value: &str) -> Result<()> {
        self.enter_text(selector, value).await?;
        self.wait_for(selector, SHORT, selector).await?.send_keys(Key::Enter + "").await?;
        self.wait_for_value(selector, value).await
    }

    /// Sets how many connections a transfer has, if the program chose the number before.
    ///
    /// # Errors
    ///
    /// As [`View::change_connections`].
    pub async fn fix_connections(&self, connections: u8) -> Result<()> {
        self.change_connections(0..connections).await
    }

    /// Raises how many connections a transfer has from one number to another; 0 is as many as help.
    ///
    /// # Errors
    ///
    /// When the settings do not show it in time.
    pub async fn change_connections(&self, numbers: std::ops::Range<u8>) -> Result<()> {
        self.step_connections("More", numbers.map(|number| number + 1)).await
    }

    /// Lowers how many connections a transfer has from one number to another, at least 1.
    ///
    /// # Errors
    ///
    /// When the settings do not show it in time.
    pub async fn lower_connections(&self, from: u8, to: u8) -> Result<()> {
        self.step_connections("Fewer", (to..from).rev()).await
    }

    /// Presses one of the two buttons until the last of the numbers on the way is shown.
    async fn step_connections(&self, button: &str, numbers: impl Iterator<Item = u8>) -> Result<()> {
        self.click("[data-testid=open-settings]").await?;
        for number in numbers {
            self.click(&format!("[role=group]:has([data-testid=set-connections]) [aria-label={button}]")).await?;
            self.wait_for_content("[data-testid=set-connections]", &number.to_string()).await?;
        }
        self.click("[data-testid=close-sheet]").await
    }
}

//! The history of what was saved.

use anyhow::{Result, ensure};
use serde_json::json;
use wstp_e2e::{Appearance, Page, Stage};

const NAMES: &str = "return [...document.querySelectorAll('[data-testid=past]')].map(row => row.dataset.name).join()";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_is_found_cleared_and_brought_back() -> Result<()> {
    let mut stage = Stage::serving(&[("a.bin", 3_000_000), ("photo\u{202e}gnp.exe", 2_000_000), ("c.bin", 10)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.click("[data-testid=open-history]").await?;
    view.wait_for_text("Nothing saved yet").await?;
    view.screenshot("manager-history-empty").await?;
    view.click("[data-testid=close-sheet]").await?;
    view.connect(&stage.address()).await?;
    for name in ["a.bin", "photo\u{202e}gnp.exe"] {
        view.download(name).await?;
        view.save(name).await?;
    }
    view.click("[data-testid=open-history]").await?;
    view.wait_until(NAMES, json!("photo\u{202e}gnp.exe,a.bin")).await?;
    view.wait_for_text("2 saves, 5.00 MB").await?;
    view.wait_for_text("photo[U+202E]gnp.exe").await?;
    for (appearance, size) in [(Appearance::Light, Page::Manager.size()), (Appearance::Dark, (320, 640))] {
        stage.browser()?.appear(appearance).await?;
        view.resize(size).await?;
        view.screenshot(&format!("manager-history-{}", size.0)).await?;
        let (found, faults) = (view.violations().await?, crate::reflow::faults(&view).await?);
        ensure!(found.is_empty() && faults.is_empty(), "{appearance:?}: {found:?} {faults:?}");
    }
    view.resize(Page::Manager.size()).await?;
    view.enter_text("[data-testid=search-history]", "A.B").await?;
    view.wait_until(NAMES, json!("a.bin")).await?;
    view.wait_for_text("1 save, 3.00 MB").await?;
    view.enter_text("[data-testid=search-history]", "").await?;
    view.click("[data-testid=clear-history]").await?;
    view.wait_for_text("Nothing saved yet").await?;
    view.click("[data-testid=toast-action]").await?;
    view.wait_until(NAMES, json!("photo\u{202e}gnp.exe,a.bin")).await?;

    // Nothing is remembered of what is saved after the user switched it off, and the rest outlives the browser.
    view.click("[data-testid=open-settings]").await?;
    view.click("[data-testid=set-history]").await?;
    view.click("[data-testid=close-sheet]").await?;
    view.download("c.bin").await?;
    view.save("c.bin").await?;
    stage.close_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    view.click("[data-testid=open-history]").await?;
    view.wait_until(NAMES, json!("photo\u{202e}gnp.exe,a.bin")).await?;
    stage.browser()?.check_no_panic()
}

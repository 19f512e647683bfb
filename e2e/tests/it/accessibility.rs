//! Every view in each of its states, as axe-core sees it: light and wide, dark and 320 pixels narrow.

use anyhow::{Result, ensure};
use serde_json::json;
use wstp_e2e::{Appearance, Key, Page, Stage, View};
use wstp_testkit::make_samples;

/// The findings so far, each with its view and state.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    async fn look(&mut self, stage: &Stage, view: &View<'_>, wide: (u32, u32), state: &str) -> Result<()> {
        for (appearance, size) in [(Appearance::Light, wide), (Appearance::Dark, (320, 640))] {
            stage.browser()?.appear(appearance).await?;
            view.resize(size).await?;
            let found = view.violations().await?;
            self.0.extend(found.into_iter().map(|found| format!("{state}, {}: {found}", appearance.name())));
        }
        view.resize(wide).await
    }
}

/// Brings the view into one state after the other, and looks at each.
async fn look_at_all(page: Page) -> Result<()> {
    let stage = Stage::serving(&[("album/1.jpg", 10), ("album/2.jpg", 20), ("photo\u{202e}gnp.exe", 30)]).await?;
    make_samples(stage.folder())?;
    let wide = if page == Page::Popup { (400, 600) } else { (1200, 800) };
    let mut findings = Findings::default();
    let view = stage.open(page).await?;
    findings.look(&stage, &view, wide, "first start").await?;
    view.show_transfers().await?;
    findings.look(&stage, &view, wide, "no transfers").await?;
    view.ask_for("127.0.0.1:1").await?;
    view.wait_for_error().await?;
    findings.look(&stage, &view, wide, "error").await?;

    view.connect(&stage.address()).await?;
    view.wait_for_name("album").await?;
    view.run("document.querySelector('.entries-body').focus()", json!([])).await?;
    view.keys(&[Key::Home, Key::Space]).await?;
    findings.look(&stage, &view, wide, "a folder with a choice").await?;
    view.chord(Key::Shift, Key::F10).await?;
    view.wait_for_count("[role=menuitem]", 4).await?;
    findings.look(&stage, &view, wide, "menu").await?;
    view.keys(&[Key::Escape, Key::Escape]).await?;
    view.press_keys("/nothing like this").await?;
    view.wait_for_text("Nothing matches").await?;
    findings.look(&stage, &view, wide, "a search in vain").await?;
    view.click("[data-testid=show-all]").await?;

    stage.proxy.hold_after(2 << 20);
    view.download_folder("album").await?;
    view.download("recordings/long.bin").await?;
    stage.proxy.held().await?;
    view.show_transfers().await?;
    let row = view.wait_for_state("long.bin", &["downloading"]).await?;
    view.expand(&row).await?;
    findings.look(&stage, &view, wide, "a file under way").await?;
    view.press(&row, "cancel").await?;
    view.wait_for_count("[data-testid=toast]", 1).await?;
    findings.look(&stage, &view, wide, "toast").await?;
    stage.proxy.release();
    let row = view.wait_for_state("album", &["complete"]).await?;
    view.expand(&row).await?;
    view.wait_for_files("the files", |files| !files.is_empty()).await?;
    findings.look(&stage, &view, wide, "a folder's files").await?;
    view.press(&row, "remove").await?;
    view.wait_for_count("dialog[open]", 1).await?;
    findings.look(&stage, &view, wide, "question").await?;
    view.click("[data-testid=confirm-no]").await?;
    if page == Page::Manager {
        view.click("[data-testid=open-settings]").await?;
        findings.look(&stage, &view, wide, "settings").await?;
        for path in ["", "files/"] {
            let address = format!("http://{}/{path}", stage.address());
            let own = View::open_address(stage.browser()?, &address, wide).await?;
            findings.look(&stage, &own, wide, &format!("the server's /{path}")).await?;
            own.close().await?;
        }
    }
    ensure!(findings.0.is_empty(), "axe-core found:\n{}", findings.0.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_popup_breaks_no_rule_in_any_state() -> Result<()> {
    look_at_all(Page::Popup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_page_breaks_no_rule_in_any_state() -> Result<()> {
    look_at_all(Page::Manager).await
}

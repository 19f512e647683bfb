//! A picture of each view, light and dark, in `target/screenshots/`, for people to look at.

use anyhow::Result;
use wstp_e2e::{Page, Stage, make_samples};

async fn pictures(page: Page) -> Result<()> {
    let name = |view: &str| format!("{}-{view}", page.name());
    let stage = Stage::serving(&[("recordings/Large recording.wav", 24 << 20)]).await?;
    make_samples(stage.folder())?;

    let view = stage.open(page).await?;
    view.screenshot(&name("first-start")).await?;
    view.ask_for("127.0.0.1:1").await?;
    view.wait_for_error().await?;
    view.screenshot(&name("error")).await?;

    view.connect(&stage.address()).await?;
    view.wait_for_name("Read me first.txt").await?;
    view.screenshot(&name("folder")).await?;
    view.download("Read me first.txt").await?;
    view.download("notes/blocks.txt").await?;
    view.show_transfers().await?;
    view.wait_for_state("Read me first.txt", &["complete"]).await?;
    view.save("blocks.txt").await?;
    view.show_folder().await?;
    view.back().await?;
    // What the folder holds has to be known before nothing passes any more.
    view.click_entry("recordings").await?;
    view.wait_for_name("Large recording.wav").await?;
    stage.proxy.hold_after(6 << 20);
    view.download("long.bin").await?;
    stage.proxy.held().await?;
    view.show_transfers().await?;
    let row = view.wait_for_state("long.bin", &["downloading"]).await?;
    view.press(&row, "pause").await?;
    view.wait_for_state("long.bin", &["paused"]).await?;
    view.show_folder().await?;
    stage.proxy.hold_after(10 << 20);
    view.download("Large recording.wav").await?;
    stage.proxy.held().await?;
    view.show_transfers().await?;
    view.wait_for_state("Large recording.wav", &["downloading"]).await?;
    view.screenshot(&name("transfers")).await?;
    view.click("[data-name='Large recording.wav'] [data-testid=expand]").await?;
    view.screenshot(&name("details")).await?;
    if page == Page::Manager {
        view.click("[data-testid=open-settings]").await?;
        view.screenshot(&name("settings")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_popup_has_its_pictures_taken() -> Result<()> {
    pictures(Page::Popup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_page_has_its_pictures_taken() -> Result<()> {
    pictures(Page::Manager).await
}

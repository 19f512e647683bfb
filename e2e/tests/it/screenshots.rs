//! A picture of each view, light and dark, in `target/screenshots/`, for people to look at.

use std::fs;

use anyhow::Result;
use serde_json::json;
use wstp_e2e::{Key, Page, Row, Stage, View};
use wstp_testkit::{Contents, Proxy, Server, make_samples};

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
    // The folder's content has to be known before the line stops.
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
    to_top(&view, "Large recording.wav").await?;
    view.screenshot(&name("details")).await?;
    if page == Page::Manager {
        view.click("[data-testid=open-settings]").await?;
        view.wait_for_text("All data of WSTP").await?;
        view.screenshot(&name("settings")).await?;
    }
    Ok(())
}

/// Scrolls a row to the top.
async fn to_top(view: &View<'_>, name: &str) -> Result<()> {
    let script = "[...document.querySelectorAll('[data-testid=transfer]')].find(e => e.dataset.name === arguments[0]).scrollIntoView()";
    view.run(script, json!([name])).await.map(drop)
}

fn in_state(name: &str, state: &str) -> impl Fn(&[Row]) -> Option<Row> {
    move |rows| rows.iter().find(|row| row.name == name && row.state == state).cloned()
}

/// A folder half-way and open, and one that lacks files, on either page.
async fn folders(page: Page) -> Result<()> {
    let stage = Stage::serving(&[]).await?;
    for index in 0..600 {
        let name = format!("Summer 2026/day {:02}/photo {index:04}.jpg", index % 12);
        Contents::new(name.as_str(), 20_000 + 97 * index).write(&stage.folder().join(name))?;
    }
    for index in 0..120_u64 {
        // The last ones are so deep that the others are requested first.
        let folder = if index < 100 { format!("{:02}", index / 20) } else { "05/a/b/c/d".to_owned() };
        let name = format!("Notes/{folder}/page {index:03}.md");
        Contents::new(name.as_str(), 90_000).write(&stage.folder().join(name))?;
    }
    let view = stage.open(page).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name("Notes").await?;
    stage.proxy.hold_after(1 << 20);
    view.download_folder("Notes").await?;
    stage.proxy.held().await?;
    fs::remove_dir_all(stage.folder().join("Notes/05"))?;
    stage.proxy.release();
    view.show_transfers().await?;
    view.wait_for_state("Notes", &["complete"]).await?;
    view.show_folder().await?;
    stage.proxy.hold_after(10 << 20);
    view.download_folder("Summer 2026").await?;
    stage.proxy.held().await?;
    view.screenshot(&format!("{}-folder-button", page.name())).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state("Summer 2026", &["downloading"]).await?;
    view.expand(&row).await?;
    view.wait_for_files("the files", |files| files.iter().any(|(_, tone)| tone == "good")).await?;
    view.screenshot(&format!("{}-folder-files", page.name())).await?;
    let row = view.wait_for_state("Notes", &["complete"]).await?;
    view.expand(&row).await?;
    view.click("[data-testid=only-problems]").await?;
    view.wait_for_files("the problems", |files| files.iter().any(|(_, tone)| tone == "bad")).await?;
    to_top(&view, "Notes").await?;
    view.screenshot(&format!("{}-folder-problems", page.name())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_have_their_pictures_taken_in_the_popup() -> Result<()> {
    folders(Page::Popup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_have_their_pictures_taken_on_the_manager_page() -> Result<()> {
    folders(Page::Manager).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_and_a_file_from_several_servers_have_their_pictures_taken() -> Result<()> {
    let size = 8 << 20;
    let files = ["1 first.iso", "2 second.iso", "3 third.iso", "4 fourth.iso", "5 fifth.iso"].map(|name| (name, size));
    let stage = Stage::serving(&files).await?;
    let other = tempfile::tempdir()?;
    Contents::new(files[0].0, size).write(&other.path().join(files[0].0))?;
    let server = Server::start(other.path()).await?;
    // Slow, so that the file is not complete before its picture is taken.
    let mirror = Proxy::start(server.address()).await?;
    mirror.limit_rate(200_000);
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(files[4].0).await?;
    stage.proxy.limit_rate(200_000);
    for (name, _) in files {
        view.download(name).await?;
    }
    let row = view.wait_for_rows("one to wait", in_state(files[4].0, "queued")).await?;
    view.expand(&row).await?;
    to_top(&view, files[4].0).await?;
    view.screenshot("manager-queued").await?;
    let row = view.wait_for_rows("one under way", in_state(files[0].0, "downloading")).await?;
    view.expand(&row).await?;
    let form = format!("[data-id='{}']", row.id);
    for address in [mirror.address().to_string(), "127.0.0.1:1".to_owned()] {
        let field = format!("{form} [data-testid=mirror-address]");
        view.enter_text(&field, &address).await?;
        view.keys(&[Key::Enter]).await?;
        view.wait_for_value(&field, "").await?;
    }
    view.wait_for_count(&format!("{form} [data-testid=source]"), 3).await?;
    view.wait_for_text("retrying in").await?;
    to_top(&view, files[0].0).await?;
    view.screenshot("manager-sources").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_has_its_picture_taken() -> Result<()> {
    let (name, size) = ("Report.pdf", 16 << 20);
    let stage = Stage::serving(&[(name, size)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_verified_part(&view, name, size).await?;
    Contents::new("another edition", size).write(&stage.folder().join(name))?;
    stage.proxy.release();
    view.wait_for_rows("the change to be told", in_state(name, "failed")).await?;
    view.screenshot("manager-update").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_download_waits_for_has_its_pictures_taken() -> Result<()> {
    let (name, size) = ("Lecture.mp4", 16 << 20);
    let stage = Stage::serving(&[(name, size)]).await?;
    let view = stage.open_connected().await?;
    stage.download_part(&view, name, size / 2).await?;
    let path = stage.folder().join(name);
    fs::rename(&path, path.with_extension("away"))?;
    stage.proxy.release();
    view.wait_for_text("has nothing of that name.").await?;
    view.screenshot("popup-vanished").await?;
    stage.proxy.refuse(true);
    let offline = stage.browser()?.go_offline().await?;
    fs::rename(path.with_extension("away"), &path)?;
    view.wait_for_text("You are offline.").await?;
    view.screenshot("popup-offline").await?;
    stage.proxy.refuse(false);
    offline.end().await?;
    let saved = view.save(name).await?;
    stage.check_saved(name, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_popup_has_its_pictures_taken() -> Result<()> {
    pictures(Page::Popup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_page_has_its_pictures_taken() -> Result<()> {
    pictures(Page::Manager).await
}

//! Going back and forward, folders that are starred or were visited, and servers that are down.

use anyhow::{Result, ensure};
use serde_json::json;
use wstp_e2e::{Key, Page, Stage};
use wstp_testkit::{LONG, Server, until};

const SCROLLED: &str = "return document.querySelector('.entries-body').scrollTop";

#[tokio::test(flavor = "multi_thread")]
async fn back_and_forward_lead_to_where_the_user_was() -> Result<()> {
    let stage = Stage::serving(&[("deep/inner/z.txt", 1)]).await?;
    for index in 0..200 {
        std::fs::write(stage.folder().join(format!("deep/{index:03}.txt")), "x")?;
    }
    let view = stage.open_connected().await?;
    view.click_entry("deep").await?;
    view.wait_for_name("inner").await?;
    view.run("document.querySelector('.entries-body').scrollTop = 1400", json!([])).await?;
    view.wait_for_name("055.txt").await?;
    view.click("[data-testid=step-back]").await?;
    view.wait_for_names(&["deep"]).await?;
    view.wait_until("return document.querySelector('[data-testid=step-back]').disabled", json!(true)).await?;
    view.click("[data-testid=step-forward]").await?;
    view.wait_until(SCROLLED, json!(1400)).await?;
    view.wait_for_name("055.txt").await?;
    view.chord(Key::Alt, Key::Left).await?;
    view.wait_for_names(&["deep"]).await?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn starred_and_recent_folders_are_in_every_page_and_outlive_the_browser() -> Result<()> {
    let mut stage = Stage::serving(&[("album/1.jpg", 10), ("notes/a.txt", 1)]).await?;
    let popup = stage.open_connected().await?;
    popup.click_entry("album").await?;
    popup.wait_for_name("1.jpg").await?;
    popup.click("[data-testid=places]").await?;
    // The keyboard is in the menu, whose first line stars this folder.
    popup.keys(&[Key::Enter]).await?;
    let manager = stage.open(Page::Manager).await?;
    manager.wait_for_name("1.jpg").await?;
    manager.click("[data-testid=crumb]").await?;
    manager.wait_for_name("notes").await?;
    manager.click("[data-testid=starred][data-name=album] button").await?;
    manager.wait_for_name("1.jpg").await?;
    manager.screenshot("manager-starred").await?;
    // Chromium writes what pages remember some seconds later.
    let remembered = stage.browser()?.disk().join("Default/Local Storage/leveldb");
    until("the star to be on the disk", LONG, async || {
        let files = std::fs::read_dir(&remembered)?.map(|file| std::fs::read(file?.path()));
        let has = |bytes: &Vec<u8>| bytes.windows(7).any(|part| part == b"starred");
        Ok(files.filter_map(Result::ok).any(|bytes| has(&bytes)).then_some(()))
    })
    .await?;
    stage.close_browser().await?;
    stage.start_browser().await?;
    let popup = stage.open(Page::Popup).await?;
    popup.wait_for_name("1.jpg").await?;
    popup.click("[data-testid=places]").await?;
    popup.screenshot("popup-places").await?;
    // The server's first folder was visited.
    popup.click("[data-testid=menu-recent]").await?;
    popup.wait_for_name("notes").await?;
    popup.click("[data-testid=places]").await?;
    popup.click("[data-testid=menu-starred]").await?;
    popup.wait_for_name("1.jpg").await?;
    popup.click("[data-testid=places]").await?;
    popup.click("[data-testid=menu-star]").await?;
    let manager = stage.open(Page::Manager).await?;
    manager.wait_for_name("1.jpg").await?;
    let left = manager.run("return document.querySelectorAll('[data-testid=starred]').length", json!([])).await?;
    ensure!(left == json!(0), "the star is still there");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_shown_as_down_before_it_is_clicked() -> Result<()> {
    let stage = Stage::serving(&[("a.txt", 1)]).await?;
    let folder = tempfile::tempdir()?;
    let [up, down] = [Server::start(folder.path()).await?, Server::start(folder.path()).await?];
    let view = stage.open(Page::Manager).await?;
    for address in [up.address().to_string(), down.address().to_string(), stage.address()] {
        view.connect(&address).await?;
        view.wait_for_text(&address).await?;
    }
    view.wait_for_name("a.txt").await?;
    let gone = down.address();
    drop(down);
    view.close().await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_text("Not reachable").await?;
    let script = "return [...document.querySelectorAll('[data-testid=server]')] \
        .filter(row => row.innerText.includes('Not reachable')).map(row => row.dataset.name).join()";
    view.wait_until(script, json!(gone.to_string())).await?;
    view.screenshot("manager-down").await
}

//! Events between a complete file and the user's disk: Chrome's own question, and the user who wants it stopped.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::{Page, Row, Stage, View};
use wstp_testkit::{SHORT, until};

/// Without Safe Browsing Chromium asks about every file of this kind that an extension saves.
const FEARED: &str = "feared.sh";
const HARMLESS: &str = "harmless.bin";
const MIB: u64 = 1 << 20;
const ASKS: &str = "Chrome asks whether to keep this file. Answer in Chrome's downloads.";

/// Has Chrome begin to save a file, and waits until the row says so.
async fn begin_saving(view: &View<'_>, name: &str) -> Result<Row> {
    view.show_transfers().await?;
    let row = view.wait_for_state(name, &["complete"]).await?;
    view.press(&row, "save").await?;
    view.wait_for_state(name, &["saving"]).await
}

async fn is_asked(view: &View<'_>) -> Result<Row> {
    view.show_transfers().await?;
    view.wait_for_rows("it to be said that Chrome asks", |rows| {
        rows.iter().find(|row| row.state == "saving" && row.text.contains(ASKS)).cloned()
    })
    .await
}

async fn held<'a>(stage: &'a Stage) -> Result<(View<'a>, Row)> {
    let view = stage.open_connected().await?;
    view.download(FEARED).await?;
    begin_saving(&view, FEARED).await?;
    let row = is_asked(&view).await?;
    Ok((view, row))
}

/// Goes from the row to Chrome's own page, and answers there.
async fn answer(stage: &Stage, view: &View<'_>, row: &Row, answer: &str) -> Result<()> {
    const FIND: &str = "return document.querySelector('downloads-manager')?.shadowRoot.querySelector('downloads-item') \
        ?.shadowRoot.querySelector(arguments[0])";
    view.press(row, "answer").await?;
    let session = stage.browser()?.session();
    // Chrome takes an answer only from a page that the user really clicked.
    for button in ["#more-actions", answer] {
        until("Chrome's downloads to take a click", SHORT, async || {
            for window in session.windows().await? {
                session.switch_to_window(window).await?;
                if session.current_url().await?.as_str() == "chrome://downloads/" {
                    let found = session.execute(FIND, vec![json!(button)]).await?;
                    return Ok(if let Ok(found) = found.element() { found.click().await.ok() } else { None });
                }
            }
            Ok(None)
        })
        .await?;
    }
    Ok(())
}

async fn nothing_is_left(stage: &Stage) -> Result<()> {
    until("nothing to be left on the disk", SHORT, async || Ok(stage.saved_files()?.is_empty().then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_chrome_asks_about_says_so_and_is_saved_when_it_is_kept() -> Result<()> {
    let stage = Stage::serving(&[(FEARED, MIB)]).await?;
    let (view, row) = held(&stage).await?;
    view.screenshot("popup-asked").await?;
    answer(&stage, &view, &row, "#save-dangerous").await?;
    let row = view.wait_for_state(FEARED, &["saved"]).await?;
    ensure!(!row.text.contains("Chrome asks"), "{}", row.text);
    stage.check_saved(FEARED, &stage.downloads().join(FEARED))?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_discarded_in_chrome_after_the_service_worker_ended_is_told_as_such() -> Result<()> {
    let stage = Stage::serving(&[(FEARED, MIB)]).await?;
    let (view, row) = held(&stage).await?;
    stage.browser()?.stop_service_worker().await?;
    answer(&stage, &view, &row, "#discard-dangerous").await?;
    let row = view.wait_for_state(FEARED, &["complete"]).await?;
    ensure!(row.text.contains("Saving was cancelled in Chrome."), "{}", row.text);
    nothing_is_left(&stage).await?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_chrome_asks_is_known_after_a_restart_and_can_be_cut_short() -> Result<()> {
    let stage = Stage::serving(&[(FEARED, MIB)]).await?;
    let (view, _) = held(&stage).await?;
    view.close().await?;
    ensure!(stage.browser()?.end_offscreen().await?, "there is no offscreen document");
    let view = stage.open(Page::Manager).await?;
    let row = is_asked(&view).await?;
    view.screenshot("manager-asked").await?;
    view.press(&row, "cancel").await?;
    view.wait_for_state(FEARED, &["complete"]).await?;
    nothing_is_left(&stage).await?;
    let row = view.wait_for_state(FEARED, &["complete"]).await?;
    ensure!(!row.text.contains("ancelled"), "{}", row.text);
    begin_saving(&view, FEARED).await?;
    is_asked(&view).await?;
    stage.browser()?.check_no_panic()
}

/// Waits until a saved transfer's row says these words.
async fn is_told(view: &View<'_>, name: &str, words: &str) -> Result<Row> {
    view.wait_for_rows(&format!("{name} to say {words:?}"), |rows| {
        rows.iter().find(|row| row.name == name && row.state == "saved" && row.text.contains(words)).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_file_that_is_moved_away_is_told_and_can_be_had_again() -> Result<()> {
    const FREED: &str = "freed.bin";
    let files = [(HARMLESS, MIB), (FREED, 1000), ("music/a.bin", 1000), ("music/b.bin", 1000)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    for file in [FREED, HARMLESS] {
        view.download(file).await?;
    }
    view.download_folder("music").await?;
    let freed = view.save(FREED).await?;
    for button in ["open-settings", "set-free", "close-sheet"] {
        view.click(&format!("[data-testid={button}]")).await?;
    }
    let saved = view.save(HARMLESS).await?;
    view.save_folder("music").await?;
    std::fs::rename(&saved, stage.downloads().join("renamed.bin"))?;
    for gone in [&freed, &stage.downloads().join("music/a.bin")] {
        std::fs::remove_file(gone)?;
    }
    view.close().await?;
    let view = stage.open(Page::Manager).await?;
    let row = is_told(&view, HARMLESS, "is no longer there.").await?;
    ensure!(row.text.contains(&saved.display().to_string()), "it says where it was: {}", row.text);
    ensure!(row.text.contains("Moved or deleted"), "{}", row.text);
    ensure!(!row.buttons.contains(&"show".to_owned()), "there is nothing to show: {row:?}");
    let folder = is_told(&view, "music", "One of the files saved in").await?;
    ensure!(folder.buttons.contains(&"show".to_owned()), "the rest can be shown: {folder:?}");
    view.screenshot("manager-moved-away").await?;
    view.press(&row, "save-again").await?;
    is_told(&view, HARMLESS, "Saved").await?;
    stage.check_saved(HARMLESS, &saved)?;
    // The lost download has the same path: Chrome's word on it would be taken for the new one.
    let lost = json!({ "exists": false, "urlRegex": row.id });
    let lost = view.run("return chrome.downloads.search(arguments[0])", json!([lost])).await?;
    ensure!(lost == json!([]), "Chrome still lists it: {lost}");
    let row = is_told(&view, FREED, "is no longer there.").await?;
    view.press(&row, "again").await?;
    let again = view.save(FREED).await?;
    stage.check_saved(FREED, &again)?;
    ensure!(view.rows().await?.len() == 3, "the new row took the place of the old one");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_a_file_can_be_stopped_and_begun_anew() -> Result<()> {
    const DOWNLOADS: &str = "const done = arguments[0]; \
        chrome.downloads.search({}, items => done(items.map(item => [item.state, item.error])))";
    let stage = Stage::serving(&[(HARMLESS, MIB)]).await?;
    let view = stage.open_connected().await?;
    // Chrome waits for whoever listens to say what the file is to be called.
    view.run("window.hold = () => true; chrome.downloads.onDeterminingFilename.addListener(hold)", json!([])).await?;
    view.download(HARMLESS).await?;
    let row = begin_saving(&view, HARMLESS).await?;
    view.press(&row, "cancel").await?;
    view.wait_for_state(HARMLESS, &["complete"]).await?;
    until("Chrome to have given it up", SHORT, async || {
        let found = stage.browser()?.session().execute_async(DOWNLOADS, Vec::<Value>::new()).await?;
        Ok((found.json() == &json!([["interrupted", "USER_CANCELED"]])).then_some(()))
    })
    .await?;
    nothing_is_left(&stage).await?;
    let row = view.wait_for_state(HARMLESS, &["complete"]).await?;
    ensure!(!row.text.contains("ancelled"), "{}", row.text);
    view.run("chrome.downloads.onDeterminingFilename.removeListener(hold)", json!([])).await?;
    let saved = view.save(HARMLESS).await?;
    stage.check_saved(HARMLESS, &saved)?;
    stage.browser()?.check_no_panic()
}

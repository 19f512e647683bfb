//! The list of downloads, where another build of the extension wrote it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::{LONG, Page, Stage, until};

const NAME: &str = "kept.bin";
const SIZE: u64 = 3 << 20;

/// Writes a version into the headers of the list's files, and gives the names of the folders of transfers. It fails while a worker has the list open.
const SET_VERSION: &str = "const [version, done] = arguments; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    const list = await root.getDirectoryHandle('catalogue'); \
    for await (const file of list.values()) { \
        if ((await file.getFile()).size === 0) continue; \
        const writable = await file.createWritable({ keepExistingData: true }); \
        await writable.write({ type: 'write', position: 8, data: new Uint8Array([version]) }); \
        await writable.close(); \
    } \
    const names = []; \
    for await (const name of (await root.getDirectoryHandle('transfers')).keys()) names.push(name); \
    return names; })().then(done, () => done(null))";

/// Closes all of the extension, and makes the list one of another version; the folders of transfers that there are.
async fn set_version(stage: &Stage, version: u8) -> Result<Value> {
    let browser = stage.browser()?;
    browser.close_pages().await?;
    until("the list to be written", LONG, async || {
        browser.end_offscreen().await?;
        let session = browser.session();
        session.goto(browser.extension().url("manifest.json")).await?;
        let names = session.execute_async(SET_VERSION, vec![json!(version)]).await?;
        Ok(names.json().is_array().then(|| names.json().clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_another_version_is_left_alone_with_everything_that_was_fetched() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open_connected().await?;
    view.download(NAME).await?;
    view.show_transfers().await?;
    view.wait_for_state(NAME, &["complete"]).await?;
    let before = set_version(&stage, 3).await?;
    ensure!(before.as_array().is_some_and(|names| names.len() == 1), "{before}");
    let view = stage.open(Page::Manager).await?;
    view.wait_for_text("The list of downloads was written by another version of this extension.").await?;
    let after = set_version(&stage, 2).await?;
    ensure!(after == before, "of {before} there is {after}");
    let view = stage.open(Page::Manager).await?;
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

//! Saves beside other extensions, other programs and Chrome's own settings. A saved file arrives whole and in the right
//! place, or the extension tells the user and keeps the copy in the browser.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use wstp_e2e::{Page, Profile, Row, Stage, View, hashes};

const ALBUM: [(&str, u64); 3] = [("music/a.txt", 1000), ("music/cd 1/b.bin", 300_000), ("music/cd 1/c.txt", 10)];
/// Chrome drops the names of downloads when one listens and suggests none.
const LISTENS: &str = "chrome.downloads.onDeterminingFilename.addListener(() => {});";
/// The same, but it holds a download whose name says so, and pauses or erases it. Chrome hangs when one extension
/// listens twice.
const MEDDLES: &str = "chrome.downloads.onDeterminingFilename.addListener(item => /held/.test(item.url)); \
    chrome.downloads.onCreated.addListener(({ id, url }) => { \
        if (/held.*erased/.test(url)) chrome.downloads.erase({ id }); \
        if (/held.*paused/.test(url)) chrome.downloads.pause(id); });";
/// Picks a folder of the sandbox that already contains a folder of the name.
const PICKS: &str = "return (async () => { \
    const picked = await (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true }); \
    const music = await picked.getDirectoryHandle('music', { create: true }); \
    const writer = await (await music.getFileHandle('mine.txt', { create: true })).createWritable(); \
    await writer.write('mine'); await writer.close(); \
    window.showDirectoryPicker = async () => picked; })()";
/// Has a file changed before it is read back, once: as another program or a failing disk may do.
const SPOILS: &str = "const [name, spoil] = arguments, { prototype } = FileSystemFileHandle, { getFile } = prototype; \
    prototype.getFile = async function () { \
        if (this.name === name) { \
            prototype.getFile = getFile; \
            const writer = await this.createWritable({ keepExistingData: true }); \
            await (spoil === 'cut' ? writer.truncate(100) : writer.write({ type: 'write', position: 50, data: 'spoiled' })); \
            await writer.close(); \
        } \
        return getFile.call(this); }";
/// The SHA-256 of each file in that folder.
const READ: &str = "return (async () => { \
    const found = {}, walk = async (folder, path) => { \
        for await (const [name, entry] of folder.entries()) { \
            if (entry.kind === 'directory') { await walk(entry, `${path}${name}/`); continue; } \
            const bytes = await (await entry.getFile()).arrayBuffer(); \
            const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)); \
            found[path + name] = [...digest].map(byte => byte.toString(16).padStart(2, '0')).join(''); \
        } }; \
    await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle('picked'), ''); \
    return found; })()";

async fn download_all<'a>(stage: &'a Stage, folder: &str, files: &[&str]) -> Result<View<'a>> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.download_folder(folder).await?;
    for file in files {
        view.download(file).await?;
    }
    Ok(view)
}

/// Saves a transfer, and waits until its row shows the result.
async fn save_in_vain(view: &View<'_>, name: &str, words: &str) -> Result<Row> {
    let row = view.wait_for_state(name, &["complete"]).await?;
    view.press(&row, "save").await?;
    is_told(view, name, words).await
}

/// Waits until a transfer's row says these words.
async fn is_told(view: &View<'_>, name: &str, words: &str) -> Result<Row> {
    view.wait_for_rows(&format!("{name} to say {words:?}"), |rows| {
        rows.iter().find(|row| row.name == name && row.text.contains(words)).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_saved_where_another_extension_changes_its_name() -> Result<()> {
    let profile = Profile::new()?.with_neighbour(LISTENS, true)?;
    let files = [&ALBUM[..], &[("alone.bin", 5000)]].concat();
    let later = [("disk/a.txt", 1000), ("disk/b.bin", 5000), ("cut.bin", 5000)];
    let stage = Stage::serving_to(&[&files[..], &later].concat(), profile).await?;
    let view = download_all(&stage, "music", &["alone.bin"]).await?;
    let row = save_in_vain(&view, "music", "Another extension changes the names of downloads").await?;
    ensure!(row.state == "complete" && row.buttons.contains(&"save".to_owned()), "{row:?}");
    ensure!(stage.saved_files()?.is_empty(), "what was tried is taken back: {:?}", stage.saved_files()?);
    let row = save_in_vain(&view, "alone.bin", "Chrome saved this as").await?;
    ensure!(row.state == "complete" && row.buttons.contains(&"save".to_owned()), "{row:?}");
    let saved = stage.saved_files()?;
    let [only] = &saved[..] else { anyhow::bail!("there should be one file: {saved:?}") };
    ensure!(row.text.contains(&only.display().to_string()), "the row says where it is: {}", row.text);
    view.screenshot("manager-renamed").await?;
    // Chrome's own window has a test of its own. Here a folder of the sandbox replaces the picked one.
    view.run(PICKS, json!([])).await?;
    for name in ["music", "alone.bin"] {
        let row = view.wait_for_state(name, &["complete"]).await?;
        view.press(&row, "save-into").await?;
        view.wait_for_rows(&format!("{name} to be saved there"), |rows| {
            rows.iter().find(|row| row.name == name && row.state == "saved").cloned()
        })
        .await?;
    }
    let written: BTreeMap<String, String> = serde_json::from_value(view.run(READ, json!([])).await?)?;
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut expected = BTreeMap::from([("music/mine.txt".to_owned(), digest(b"mine"))]);
    for (path, _) in files {
        let bytes = fs::read(stage.folder().join(path))?;
        expected.insert(path.replace("music/", "music (1)/"), digest(&bytes));
    }
    assert_eq!(written, expected, "the folder that was there is left alone, and all else is whole");
    view.wait_for_empty_sandbox().await?;
    view.download_folder("disk").await?;
    view.download("cut.bin").await?;
    for (transfer, file, spoil) in [("disk", "b.bin", "change"), ("cut.bin", "cut.bin", "cut")] {
        let row = view.wait_for_state(transfer, &["complete"]).await?;
        view.expand(&row).await?;
        view.run(SPOILS, json!([file, spoil])).await?;
        view.press(&row, "save-into").await?;
        let row = is_told(&view, transfer, &format!("{file} is not on the disk as it was written")).await?;
        ensure!(row.state == "complete", "{row:?}");
        view.press(&row, "save-into").await?;
        view.wait_for_state(transfer, &["saved"]).await?;
    }
    let row = is_told(&view, "disk", "One file is in that folder also under a second name").await?;
    ensure!(row.buttons.contains(&"save-again".to_owned()), "the copy in the browser is kept: {row:?}");
    is_told(&view, "cut.bin", "Saved as picked/cut (1).bin").await?;
    let written: BTreeMap<String, String> = serde_json::from_value(view.run(READ, json!([])).await?)?;
    for (served, saved) in [("disk/a.txt", "disk/a.txt"), ("disk/b.bin", "disk/b (1).bin"), ("cut.bin", "cut (1).bin")]
    {
        assert_eq!(written.get(saved), Some(&digest(&fs::read(stage.folder().join(served))?)), "{saved}");
    }
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_extensions_that_were_there_before_everything_has_its_name_and_each_folder_its_place() -> Result<()> {
    let profile = Profile::new()?.with_neighbour(MEDDLES, false)?;
    let files = [&ALBUM[..], &[("docs/alone.bin", 5000), ("held, erased.bin", 10), ("held, paused.bin", 10)]].concat();
    let stage = Stage::serving_to(&files, profile).await?;
    fs::create_dir(stage.downloads().join("music"))?;
    fs::write(stage.downloads().join("music/mine.txt"), "mine")?;
    let view = download_all(&stage, "music", &["held, erased.bin", "held, paused.bin", "docs/alone.bin"]).await?;
    for button in ["open-settings", "set-free", "close-sheet"] {
        view.click(&format!("[data-testid={button}]")).await?;
    }
    view.expand(&view.wait_for_state("music", &["complete"]).await?).await?;
    let served = hashes(&stage.folder().join("music"))?;
    for (place, button) in [("music (1)", "save"), ("music (2)", "save-again")] {
        let row = view.wait_for_state("music", &["complete", "saved"]).await?;
        view.press(&row, button).await?;
        view.wait_for_rows("the row to say where it is", |rows| {
            rows.iter().find(|row| row.name == "music" && row.text.contains(&format!("Saved as {place}"))).cloned()
        })
        .await?;
        ensure!(hashes(&stage.downloads().join(place))? == served, "{place} is not what is served");
    }
    let mine = hashes(&stage.downloads().join("music"))?;
    ensure!(mine.len() == 1, "a folder that was there before is left alone: {mine:?}");
    let saved = view.save("alone.bin").await?;
    ensure!(saved.ends_with("docs/alone.bin"), "{}", saved.display());
    stage.check_saved("docs/alone.bin", &saved)?;
    save_in_vain(&view, "held, erased.bin", "Saving was cancelled in Chrome.").await?;
    let row = save_in_vain(&view, "held, paused.bin", "You or another extension paused this file").await?;
    ensure!(row.state == "saving" && row.buttons.contains(&"answer".to_owned()), "{row:?}");
    view.screenshot("manager-paused-by-another").await?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_not_begun_where_chrome_asks_for_each_file() -> Result<()> {
    let stage = Stage::serving_to(&ALBUM, Profile::new()?.asking_where_to_save()?).await?;
    let view = download_all(&stage, "music", &[]).await?;
    let row = save_in_vain(&view, "music", "Chrome asks where to save each file").await?;
    ensure!(row.state == "complete", "{row:?}");
    ensure!(stage.saved_files()?.is_empty(), "{:?}", stage.saved_files()?);
    let known = view.run("return chrome.downloads.search({})", json!([])).await?;
    let known = known.as_array().context("Chrome lists no downloads")?;
    ensure!(known.is_empty(), "the user was asked once, not for each file: {known:?}");
    stage.browser()?.check_no_panic()
}

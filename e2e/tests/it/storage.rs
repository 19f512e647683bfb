//! Storage that is cleared while the extension runs, damaged, or not available at all: the effects, and the extension's
//! messages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Page, Row, Stage, View, sandbox};
use wstp_testkit::{LONG, until};

pub(super) const MIB: u64 = 1 << 20;
const KEPT: &str = "kept.bin";
const HALF: &str = "half.bin";
const SIZE: u64 = 16 * MIB;

/// Does something to the list's files. It fails while a worker has them open.
const DAMAGE: &str = "const [kind, done] = arguments; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    const number = name => Number(name.split('-')[1] ?? 1); \
    let name; \
    for await (const found of root.keys()) \
        if (found.startsWith('catalogue') && !(name && number(name) > number(found))) name = found; \
    const write = async (file, act) => { \
        const writable = await file.createWritable({ keepExistingData: true }); \
        await act(writable); await writable.close(); }; \
    const list = await root.getDirectoryHandle(name); \
    for await (const file of list.values()) { \
        await write(file, async writable => { \
            if (kind === 'version') await writable.write({ type: 'write', position: 8, data: new Uint8Array([99]) }); \
            if (kind === 'truncated') await writable.truncate(40); \
            if (kind === 'garbage') \
                await writable.write({ type: 'write', position: 0, data: new Uint8Array(3000).fill(7) }); }); } \
    if (kind === 'missing' || kind === 'a file') await root.removeEntry(name, { recursive: true }); \
    if (kind === 'a file') await root.getFileHandle(name, { create: true }); \
    if (kind === 'folders') for (const file of ['a', 'b']) { \
        await list.removeEntry(file); await list.getDirectoryHandle(file, { create: true }); } \
    return 'done'; })().then(done, error => done(String(error)))";

/// Makes the list that was set aside last one of this version again.
const UNDO_VERSION: &str = "const done = arguments[0]; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    const number = name => Number(name.split('-')[1] ?? 1); \
    const names = (await Array.fromAsync(root.keys())).filter(name => name.startsWith('catalogue')); \
    const [last, aside] = names.sort((one, other) => number(other) - number(one)); \
    const current = await (await root.getDirectoryHandle(last)).getFileHandle('a'); \
    const version = (await (await current.getFile()).slice(8, 9).arrayBuffer()); \
    await (await current.createWritable({ keepExistingData: true })).close(); \
    for await (const file of (await root.getDirectoryHandle(aside)).values()) { \
        const writable = await file.createWritable({ keepExistingData: true }); \
        await writable.write({ type: 'write', position: 8, data: version }); await writable.close(); } \
    return 'done'; })().then(done, error => done(String(error)))";

/// Removes what says what the transfers in the sandbox are.
const FORGET: &str = "const done = arguments[0]; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    for await (const folder of (await root.getDirectoryHandle('transfers')).values()) await folder.removeEntry('about'); \
    return 'done'; })().then(done, error => done(String(error)))";

/// Overwrites 100 kB of the only transfer's data and cuts off all from 4 MiB on.
const SPOIL: &str = "const done = arguments[0]; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    for await (const folder of (await root.getDirectoryHandle('transfers')).values()) { \
        const data = await folder.getFileHandle('data'); \
        const writable = await data.createWritable({ keepExistingData: true }); \
        await writable.write({ type: 'write', position: 1 << 20, data: new Uint8Array(100000).fill(7) }); \
        await writable.truncate(4 << 20); await writable.close(); } \
    return 'done'; })().then(done, error => done(String(error)))";

/// Does something to one of the files of a transfer, none of which may be open.
const TOUCH: &str = "const [id, path, kind, done] = arguments; (async () => { \
    const root = await navigator.storage.getDirectory(); \
    const transfers = await root.getDirectoryHandle('transfers'); \
    const names = path.split('/'), name = names.pop(); \
    let folder = await transfers.getDirectoryHandle(id); \
    for (const inner of names) folder = await folder.getDirectoryHandle(inner); \
    const write = async (file, act) => { \
        const writable = await file.createWritable({ keepExistingData: true }); \
        await act(writable); await writable.close(); }; \
    const over = (position, bytes) => async writable => \
        await writable.write({ type: 'write', position, data: new Uint8Array(bytes).fill(7) }); \
    const file = await folder.getFileHandle(name); \
    if (kind === 'overwritten') await write(file, over(65536, 100000)); \
    if (kind === 'garbage') await write(file, over(0, 3000)); \
    if (kind === 'cut') await write(file, writable => writable.truncate(1000)); \
    if (kind === 'newer') await write(file, writable => \
        writable.write({ type: 'write', position: 8, data: new Uint8Array([99]) })); \
    if (kind === 'gone' || kind === 'a folder') await folder.removeEntry(name); \
    if (kind === 'a folder') await folder.getDirectoryHandle(name, { create: true }); \
    return 'done'; })().then(done, error => done(String(error)))";

pub(super) async fn touch(stage: &Stage, row: &Row, path: &str, kind: &str) -> Result<()> {
    let arguments = [&row.id, path, kind].map(|text| json!(text)).to_vec();
    let told = stage.browser()?.session().execute_async(TOUCH, arguments).await?;
    ensure!(*told.json() == json!("done"), "{path} can't be made {kind}: {}", told.json());
    Ok(())
}

/// Closes all of the extension and runs a script on what it has stored, until nobody has that open.
async fn closed(stage: &Stage, script: &str, arguments: &[&str]) -> Result<()> {
    let browser = stage.browser()?;
    browser.close_pages().await?;
    until("the storage to be let go", LONG, async || {
        browser.end_offscreen().await?;
        let session = browser.session();
        session.goto(browser.extension().url("manifest.json")).await?;
        let told = session.execute_async(script, arguments.iter().map(|text| json!(text)).collect::<Vec<_>>()).await?;
        Ok((*told.json() == json!("done")).then_some(()))
    })
    .await
}

fn find(rows: &[Row], name: &str, state: &str) -> Option<Row> {
    rows.iter().find(|row| row.name.starts_with(name) && row.state == state).cloned()
}

/// Servers can be looked at whatever else is the case; not by way of the proxy, which may hold everything.
async fn can_browse(stage: &Stage, view: &View<'_>) -> Result<()> {
    view.ask_for(&stage.server.address().to_string()).await?;
    view.wait_for_name(KEPT).await
}

/// A complete download and one that is held half-way.
async fn begin(stage: &Stage) -> Result<()> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.download(KEPT).await?;
    view.wait_for_state(KEPT, &["complete"]).await?;
    stage.download_part(&view, HALF, SIZE / 2).await?;
    view.wait_for_state(HALF, &["downloading"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_can_not_be_read_is_set_aside_and_downloads_are_found_by_their_files() -> Result<()> {
    let stage = Stage::serving(&[(KEPT, 3 * MIB), (HALF, SIZE)]).await?;
    begin(&stage).await?;
    const DAMAGED: &str = "The list of downloads was damaged.";
    const OTHER: &str = "The list of downloads was written by another version of this extension.";
    for (kind, words) in [
        ("missing", DAMAGED),
        ("garbage", DAMAGED),
        ("truncated", DAMAGED),
        ("a file", DAMAGED),
        ("folders", DAMAGED),
        ("version", OTHER),
    ] {
        closed(&stage, DAMAGE, &[kind]).await?;
        let view = stage.open(Page::Manager).await?;
        view.wait_for_text(words).await.with_context(|| format!("of a list that is {kind}"))?;
        view.wait_for_text("2 downloads were found again by their files").await?;
        view.wait_for_rows("both downloads", |rows| {
            find(rows, KEPT, "complete").and_then(|_| find(rows, HALF, "paused"))
        })
        .await
        .with_context(|| format!("of a list that is {kind}"))?;
        can_browse(&stage, &view).await?;
        if kind == "garbage" {
            view.screenshot("manager-list-damaged").await?;
        }
        view.click("[data-testid=dismiss-notice]").await?;
        view.wait_for_count("[data-testid=dismiss-notice]", 0).await?;
    }
    stage.proxy.release();
    let view = stage.open(Page::Popup).await?;
    ensure!(view.errors().await?.is_empty(), "what was read is told again");
    view.show_transfers().await?;
    let row = view.wait_for_rows("the half", |rows| find(rows, HALF, "paused")).await?;
    view.press(&row, "resume").await?;
    let saved = view.save(HALF).await?;
    stage.check_saved(HALF, &saved)?;

    // A row whose files are gone is only in the list. It comes back with the version that wrote the list.
    closed(&stage, DAMAGE, &["version"]).await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_text("One download was found again by its files").await?;
    ensure!(view.rows().await?.len() == 1, "only a list has what was saved and freed");
    closed(&stage, UNDO_VERSION, &[]).await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_text("A list of downloads that was set aside before can be read again.").await?;
    view.wait_for_rows("what was saved", |rows| find(rows, HALF, "saved")).await?;

    closed(&stage, FORGET, &[]).await?;
    closed(&stage, DAMAGE, &["garbage"]).await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    let row = view.wait_for_rows("what is of unknown origin", |rows| find(rows, "recovered-", "complete")).await?;
    ensure!(row.text.contains("Nobody knows any more where this download came from."), "{}", row.text);
    view.screenshot("popup-unknown-origin").await?;
    let saved = view.save(&row.name).await?;
    stage.check_saved(KEPT, &saved)?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_wrong_in_the_storage_is_fetched_again_and_nothing_else() -> Result<()> {
    let stage = Stage::serving(&[(HALF, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, HALF, SIZE / 2).await?;
    view.wait_for_committed(6 * MIB).await?;
    let row = view.wait_for_state(HALF, &["downloading"]).await?;
    view.press(&row, "pause").await?;
    view.wait_for_state(HALF, &["paused"]).await?;
    closed(&stage, SPOIL, &[]).await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    let view = stage.open(Page::Manager).await?;
    let row = view.wait_for_rows("the half", |rows| find(rows, HALF, "paused")).await?;
    view.press(&row, "resume").await?;
    let saved = view.save(HALF).await?;
    stage.check_saved(HALF, &saved)?;
    // The first 4 MiB but for the 100 kB are right. Some more may be on its way twice.
    let again = stage.proxy.passed() - before;
    let wrong = SIZE - 4 * MIB + 100_000;
    ensure!(
        (wrong..wrong + 2 * MIB).contains(&again),
        "{again} bytes came over again, and {wrong} were wrong or missing"
    );
    stage.browser()?.check_no_panic()
}

const FILE: u64 = 4 * MIB;

/// A transfer's name, the stored file that is hit, what happens to it, and the words that its row has then.
type Blow = (&'static str, &'static str, &'static str, Option<&'static str>);

const GONE: &str = "The copy of this in the browser's storage is gone";
const ANEW: &str = "What had arrived of this is missing or damaged.";
const COMPLETE: [Blow; 2] = [("gone.bin", "data", "gone", Some(GONE)), ("folder.bin", "data", "a folder", Some(GONE))];
const HALVES: [Blow; 4] = [
    ("half-journal.bin", "journal", "garbage", Some(ANEW)),
    ("half-gone.bin", "data", "gone", None),
    ("half-folder.bin", "data", "a folder", None),
    ("half-newer.bin", "journal", "newer", Some("another version of this extension wrote it")),
];

/// Does a blow to a transfer, sees that its row says so and that all else works, and has it complete all the same.
async fn is_no_dead_end(stage: &Stage, view: &View<'_>, (name, path, kind, words): Blow) -> Result<()> {
    let row = view.wait_for_state(name, &["complete", "paused"]).await?;
    touch(stage, &row, path, kind).await?;
    if words.is_some() {
        // Nothing arrives before the words were seen.
        stage.proxy.hold_after(0);
    }
    view.press(&row, if row.state == "paused" { "resume" } else { "save" }).await?;
    let told = |rows: &[Row]| {
        let is_told = |row: &&Row| row.name == name && words.is_none_or(|words| row.text.contains(words));
        rows.iter().find(is_told).cloned()
    };
    let row = view.wait_for_rows("the words", told).await?;
    can_browse(stage, view).await?;
    stage.proxy.release();
    if kind == "newer" {
        ensure!(row.text.contains("If that does not help, remove it and download it again."), "{}", row.text);
        view.press(&row, "remove").await?;
        view.wait_for_rows("it to be removed", |rows| rows.iter().all(|row| row.name != name).then_some(())).await?;
        view.connect(&stage.address()).await?;
        view.download(name).await?;
    } else if words == Some(GONE) {
        view.press(&row, "retry").await?;
    }
    let saved = view.save(name).await?;
    stage.check_saved(name, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_files_of_one_transfer_it_is_no_dead_end() -> Result<()> {
    let blows = || COMPLETE.into_iter().chain(HALVES);
    let files: Vec<_> = blows().map(|(name, ..)| (name, FILE)).chain([(KEPT, 9)]).collect();
    let stage = Stage::serving(&files).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    for (name, ..) in COMPLETE {
        view.download(name).await?;
        view.wait_for_state(name, &["complete"]).await?;
    }
    for (name, ..) in HALVES {
        stage.download_part(&view, name, FILE / 2).await?;
        let row = view.wait_for_state(name, &["downloading"]).await?;
        view.press(&row, "pause").await?;
        view.wait_for_state(name, &["paused"]).await?;
        stage.proxy.release();
    }
    for blow in blows() {
        let of = || format!("of {} whose {} is {}", blow.0, blow.1, blow.2);
        is_no_dead_end(&stage, &view, blow).await.with_context(of)?;
    }
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cleared_while_it_runs_is_told_and_fetched_again() -> Result<()> {
    let mut stage = Stage::serving(&[(KEPT, 3 * MIB), (HALF, SIZE)]).await?;
    begin(&stage).await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_committed(1).await?;
    let origin = stage.browser()?.extension().url("");
    let clear = json!({ "origin": origin.trim_end_matches('/'), "storageTypes": "file_systems" });
    stage.browser()?.devtools("Storage.clearDataForOrigin", clear).await?;
    let kept = view.wait_for_rows("the loss to be told", |rows| find(rows, KEPT, "failed")).await?;
    ensure!(kept.text.contains("it was cleared there"), "{}", kept.text);
    view.wait_for_text("The download starts again from the beginning.").await?;
    view.screenshot("manager-cleared").await?;
    stage.proxy.release();
    let saved = view.save(HALF).await?;
    stage.check_saved(HALF, &saved)?;
    view.press(&kept, "retry").await?;
    view.wait_for_rows("the other to be complete again", |rows| find(rows, KEPT, "complete")).await?;
    stage.browser()?.check_no_panic()?;

    stage.close_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_rows("the list", |rows| find(rows, HALF, "saved")).await?;
    let saved = view.save(KEPT).await?;
    stage.check_saved(KEPT, &saved)
}

/// Whether the copy of the list has these names.
const IS_COPIED: &str = "const names = [...arguments]; return (async () => { \
    const { list } = await chrome.storage.local.get('list'); \
    return names.every(name => list?.includes(name)); })()";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cleared_while_nobody_looks_is_told_and_the_list_comes_back_from_its_copy() -> Result<()> {
    let mut stage = Stage::serving(&[(KEPT, 3 * MIB), (HALF, SIZE)]).await?;
    begin(&stage).await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_committed(1).await?;
    until("the list to be copied", LONG, async || {
        Ok((view.run(IS_COPIED, json!([KEPT, HALF])).await? == json!(true)).then_some(()))
    })
    .await?;
    closed(&stage, "arguments[0]('done')", &[]).await?;
    let origin = stage.browser()?.extension().url("");
    let clear = json!({ "origin": origin.trim_end_matches('/'), "storageTypes": "all" });
    stage.browser()?.devtools("Storage.clearDataForOrigin", clear).await?;
    stage.kill_browser().await?;
    stage.proxy.release();
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    view.wait_for_text("The browser's storage of this extension was cleared").await?;
    view.wait_for_text("The list came back from a copy: 2 downloads.").await?;
    let kept = view.wait_for_rows("the loss to be told", |rows| find(rows, KEPT, "failed")).await?;
    ensure!(kept.text.contains("it was cleared there"), "{}", kept.text);
    view.screenshot("manager-list-lost").await?;
    let saved = view.save(HALF).await?;
    stage.check_saved(HALF, &saved)?;
    view.press(&kept, "retry").await?;
    view.wait_for_rows("the other to be complete again", |rows| find(rows, KEPT, "complete")).await?;
    let saved = view.save(KEPT).await?;
    stage.check_saved(KEPT, &saved)?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_storage_servers_can_be_looked_at_and_with_it_everything_is_back() -> Result<()> {
    let mut stage = Stage::serving(&[(KEPT, 3 * MIB)]).await?;
    {
        let view = stage.open(Page::Manager).await?;
        view.connect(&stage.address()).await?;
        view.download(KEPT).await?;
        view.wait_for_state(KEPT, &["complete"]).await?;
    }
    let storage = stage.browser()?.disk().join(sandbox::FOLDER);
    stage.close_browser().await?;
    let aside = storage.with_extension("aside");
    fs::rename(&storage, &aside)?;
    fs::write(&storage, "not a folder")?;
    stage.start_browser().await?;
    {
        let view = stage.open(Page::Manager).await?;
        view.wait_for_text("The browser does not open its storage for this extension").await?;
        can_browse(&stage, &view).await?;
        view.screenshot("manager-no-storage").await?;
        view.click_entry(KEPT).await?;
        view.wait_for_text("nothing can be downloaded").await?;
    }
    put_back(&storage, &aside)?;
    stage.close_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    let saved = view.save(KEPT).await?;
    stage.check_saved(KEPT, &saved)
}

fn put_back(storage: &Path, aside: &Path) -> Result<()> {
    fs::remove_file(storage)?;
    fs::rename(aside, storage).context("the storage can't be put back")
}

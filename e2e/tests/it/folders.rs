//! A folder is fetched as a folder, whatever is in it and whatever dies, and saved with its structure.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Key, Page, Row, Stage, View, hashes};
use wstp_testkit::{Contents, LONG, until};

const MIB: u64 = 1 << 20;
/// Files in the folder of many, and bytes of each.
const MANY: u64 = 160;
const SIZE: u64 = 40_000;
const NAME: &str = "many";
/// So long nothing passes where nothing is under way.
const QUIET: Duration = Duration::from_secs(2);
/// Files in a folder that takes some seconds to save, and bytes of each.
const VERY_MANY: u64 = 1500;
const TINY: u64 = 2000;

fn path(index: u64) -> String {
    format!("{NAME}/{:02}/file {index:04}.bin", index % 20)
}

async fn serving(files: u64, size: u64) -> Result<Stage> {
    let stage = Stage::serving(&[]).await?;
    for index in 0..files {
        Contents::new(path(index), size).write(&stage.folder().join(path(index)))?;
    }
    Ok(stage)
}

/// The folder of many, held half-way.
async fn held_half_way() -> Result<Stage> {
    let stage = serving(MANY, SIZE).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.hold_after(MANY * SIZE / 2);
    view.download_folder(NAME).await?;
    stage.proxy.held().await?;
    Ok(stage)
}

async fn finishes(stage: &Stage, view: &View<'_>) -> Result<()> {
    stage.proxy.release();
    view.save_folder(NAME).await?;
    stage.check_saved_folder(NAME)?;
    assert_eq!(view.rows().await?.len(), 1, "a folder is one row");
    Ok(())
}

fn only(rows: &[Row]) -> Option<Row> {
    rows.first().filter(|_| rows.len() == 1).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_saved_with_its_structure_and_every_byte() -> Result<()> {
    let files = [
        ("top/a.txt", 10),
        ("top/empty", 0),
        ("top/one/b.bin", 8192),
        ("top/one/two/three/c.bin", 8193),
        ("top/one/two/naïve — “quoted”.txt", 100),
        ("top/large.bin", 3 * MIB + 1),
        ("top/one/bundled.bin", 128 * 1024),
        ("top/one/not bundled.bin", 128 * 1024 + 1),
        ("beside.txt", 5),
    ];
    let stage = Stage::serving(&files).await?;
    fs::create_dir_all(stage.folder().join("top/nothing in here"))?;
    let view = stage.open_connected().await?;
    view.download_folder("top").await?;
    let row = view.save_folder("top").await?;
    stage.check_saved_folder("top")?;
    ensure!(row.buttons.contains(&"show".to_owned()), "{row:?}");
    assert_eq!(stage.saved_files()?.len(), files.len() - 1);
    view.wait_for_empty_sandbox().await
}

/// The sizes of the sandbox's files, as they lie on the disk.
fn sandbox_on_disk(stage: &Stage) -> Result<Vec<u64>> {
    let (mut sizes, mut folders) = (Vec::new(), vec![(stage.browser()?.disk().join("Default/File System"), false)]);
    while let Some((folder, is_data)) = folders.pop() {
        // The browser runs: what it removed meanwhile is not there.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            match about.is_dir() {
                // Beside a data base of names, the files' bytes lie in folders of this name.
                true => folders.push((entry.path(), is_data || entry.file_name() == "t")),
                false if is_data => sizes.push(about.len()),
                false => {}
            }
        }
    }
    Ok(sizes)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_are_one_row_and_a_handful_of_files_on_the_disk() -> Result<()> {
    const FILES: u64 = 500;
    let stage = serving(FILES, TINY).await?;
    let view = stage.open_connected().await?;
    view.download_folder(NAME).await?;
    view.show_transfers().await?;
    view.wait_for_state(NAME, &["complete"]).await?;
    assert_eq!(view.rows().await?.len(), 1, "a folder is one row");
    let sizes = sandbox_on_disk(&stage)?;
    let packs = sizes.iter().filter(|size| **size >= FILES * TINY).count();
    ensure!(packs == 1, "{packs} files have room for all that arrived: {sizes:?}");
    ensure!(sizes.len() < 25, "{} files lie on the disk for a folder of {FILES}: {sizes:?}", sizes.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_on_a_folder_opens_it_and_the_whole_share_can_be_fetched_too() -> Result<()> {
    let stage = Stage::serving(&[("in/x.txt", 10), ("in/deep/y.txt", 20), ("z.txt", 30)]).await?;
    let view = stage.open_connected().await?;
    view.click_entry("in").await?;
    view.wait_for_crumb("in").await?;
    view.show_transfers().await?;
    ensure!(view.rows().await?.is_empty(), "nothing is fetched by looking");
    view.show_folder().await?;
    view.back().await?;
    view.wait_for_name("z.txt").await?;
    view.download_this().await?;
    view.save_folder(&stage.address()).await?;
    let saved = hashes(stage.downloads())?;
    let name = stage.address().replace(':', "_");
    let served = hashes(stage.folder())?;
    assert_eq!(saved, served.into_iter().map(|(path, hash)| (Path::new(&name).join(path), hash)).collect());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_within_the_folder_and_apart_from_each_other() -> Result<()> {
    const MARKUP: &str = "<img src=x onerror=\"window.ran=1\">.txt";
    let names = [
        MARKUP,
        "x:y.txt",
        "x?y.txt",
        "X|Y.TXT",
        "CON",
        "con.txt",
        "trailing. ",
        "back\\slash",
        "sub:/a",
        "sub?/a",
        "sub|/A",
        "evil\u{202e}fdp.exe",
        "shortcut.LNK",
        "~",
    ];
    let stage = Stage::serving(&[]).await?;
    for (index, name) in names.iter().enumerate() {
        Contents::new(*name, 100 + index as u64).write(&stage.folder().join("odd").join(name))?;
    }
    let view = stage.open_connected().await?;
    view.download_folder("odd").await?;
    let row = view.save_folder("odd").await?;
    let saved = hashes(stage.downloads())?;
    ensure!(saved.keys().all(|path| path.starts_with("odd")), "{saved:?}");
    let contents = |files: std::collections::BTreeMap<_, String>| files.into_values().collect::<BTreeSet<_>>();
    let folders: BTreeSet<_> = saved.keys().filter_map(|path| path.parent().map(ToOwned::to_owned)).collect();
    assert_eq!(folders.len(), 4, "each folder is one of its own: {folders:?}");
    let lower: BTreeSet<_> = saved.keys().map(|path| path.to_string_lossy().to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "no two differ only in case: {saved:?}");
    assert_eq!(contents(saved), contents(hashes(&stage.folder().join("odd"))?), "{row:?}");
    let traces = view.run("return [window.ran, document.querySelectorAll('img').length]", json!([])).await?;
    assert_eq!(traces, json!([null, 0]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_files_come_in_few_round_trips() -> Result<()> {
    const FILES: u64 = 2000;
    let stage = serving(FILES, 3000).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name(NAME).await?;
    let (asked, passed, accepted) = (stage.proxy.asked(), stage.proxy.passed(), stage.proxy.accepted());
    view.download_folder(NAME).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["complete"]).await?;
    ensure!(row.text.contains("6.00 MB"), "{}", row.text);
    let (asked, passed, accepted) =
        (stage.proxy.asked() - asked, stage.proxy.passed() - passed, stage.proxy.accepted() - accepted);
    ensure!(accepted <= 2, "{accepted} connections were made");
    ensure!(asked < FILES * 40, "{asked} bytes were asked with for {FILES} files");
    ensure!(passed < FILES * 3250, "{passed} bytes came over for {FILES} files");
    let (files, bytes) = view.wait_for_committed_files(FILES as usize).await?;
    assert_eq!((files as u64, bytes), (FILES, FILES * 3000));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_browser_fetches_no_committed_file_again() -> Result<()> {
    let mut stage = held_half_way().await?;
    let (count, bytes) = stage.open(Page::Manager).await?.wait_for_committed_files(MANY as usize / 4).await?;
    stage.kill_browser().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    view.wait_for_state(NAME, &["complete"]).await?;
    let again = stage.proxy.passed() - before;
    let needed = MANY * SIZE - bytes;
    let overhead = MANY * 250;
    ensure!(
        again < needed + overhead,
        "{count} files of {bytes} bytes were committed, and {again} bytes came over after"
    );
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_found_again_when_it_is_back() -> Result<()> {
    let mut stage = held_half_way().await?;
    stage.server.kill().await?;
    stage.proxy.release();
    {
        let view = stage.open(Page::Popup).await?;
        view.show_transfers().await?;
        view.wait_for_state(NAME, &["waiting"]).await?;
    }
    stage.server.restart().await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_large_files_says_that_it_waits_for_its_server() -> Result<()> {
    let mut stage =
        Stage::serving(&[("films/1.bin", 3 * MIB), ("films/2.bin", 3 * MIB), ("films/3.bin", 3 * MIB)]).await?;
    {
        let view = stage.open_connected().await?;
        view.wait_for_name("films").await?;
        stage.proxy.hold_after(4 * MIB);
        view.download_folder("films").await?;
        stage.proxy.held().await?;
    }
    stage.server.kill().await?;
    stage.proxy.release();
    {
        let view = stage.open(Page::Popup).await?;
        view.show_transfers().await?;
        let row = view.wait_for_state("films", &["waiting"]).await?;
        ensure!(!row.text.contains("MB/s"), "{}", row.text);
    }
    stage.server.restart().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    view.save_folder("films").await?;
    stage.check_saved_folder("films")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_folder_stays_where_it_is_until_resumed() -> Result<()> {
    let stage = held_half_way().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["downloading"]).await?;
    let (committed, _) = view.wait_for_committed_files(MANY as usize / 4).await?;
    view.press(&row, "pause").await?;
    let row = view.wait_for_state(NAME, &["paused"]).await?;
    ensure!(row.text.contains("Paused") && row.text.contains(" of "), "{}", row.text);
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.proxy.until_quiet(QUIET).await?;
    ensure!(stage.proxy.passed() - before < SIZE, "{} bytes came over during the pause", stage.proxy.passed() - before);
    view.wait_for_state(NAME, &["paused"]).await?;
    view.press(&row, "resume").await?;
    finishes(&stage, &view).await?;
    let passed = stage.proxy.passed() - before;
    // Beside its bytes, a file costs its hash and version.
    let needed = (MANY - committed as u64) * (SIZE + 250);
    ensure!(passed < needed + SIZE, "{committed} files were committed, and {passed} bytes came over after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_and_removed_folder_leaves_nothing_in_the_sandbox() -> Result<()> {
    let stage = held_half_way().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["downloading"]).await?;
    view.press(&row, "cancel").await?;
    let row =
        view.wait_for_rows("it to be cancelled", |rows| only(rows).filter(|row| row.state == "cancelled")).await?;
    view.press(&row, "remove").await?;
    view.wait_for_rows("no row", |rows| rows.is_empty().then_some(())).await?;
    view.wait_for_empty_sandbox().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_vanished_are_told_and_can_be_tried_again() -> Result<()> {
    // So deep that the many files beside them are asked for first.
    const GONE: [&str; 2] = ["v/zz/a/b/c/d/gone 1.bin", "v/zz/a/b/c/d/gone 2.bin"];
    let size = 100_000;
    let stage = Stage::serving(&[]).await?;
    for index in 0..200 {
        let name = format!("v/aa/{index:03}.bin");
        Contents::new(name.as_str(), size).write(&stage.folder().join(name))?;
    }
    for name in GONE {
        Contents::new(name, size).write(&stage.folder().join(name))?;
    }
    let view = stage.open_connected().await?;
    view.wait_for_name("v").await?;
    stage.proxy.hold_after(2 * MIB);
    view.download_folder("v").await?;
    stage.proxy.held().await?;
    for name in GONE {
        fs::remove_file(stage.folder().join(name))?;
    }
    stage.proxy.release();
    view.show_transfers().await?;
    let row = view.wait_for_state("v", &["complete"]).await?;
    ensure!(row.text.contains("2 files or folders could not be downloaded."), "{}", row.text);
    view.expand(&row).await?;
    view.click("[data-testid=only-problems]").await?;
    view.wait_for_files("the two that are gone", |files| {
        let bad = |name: &str| files.contains(&(name.trim_start_matches("v/").to_owned(), "bad".to_owned()));
        files.len() == 2 && GONE.iter().all(|name| bad(name))
    })
    .await?;
    view.wait_for_text("Gone from the server.").await?;
    for name in GONE {
        Contents::new(name, size).write(&stage.folder().join(name))?;
    }
    view.press(&row, "retry").await?;
    view.wait_for_rows("nothing to be missed", |rows| {
        only(rows).filter(|row| row.state == "complete" && !row.text.contains("could not be downloaded"))
    })
    .await?;
    view.save_folder("v").await?;
    stage.check_saved_folder("v")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_row_shows_the_files_and_scrolls_through_all_of_them() -> Result<()> {
    let stage = held_half_way().await?;
    let view = stage.open(Page::Manager).await?;
    let row = view.wait_for_state(NAME, &["downloading"]).await?;
    view.wait_for_committed_files(40).await?;
    view.expand(&row).await?;
    // Folders stand in the order in which they were found, and so their files come.
    let is_good = |file: Option<&(String, String)>| file.is_some_and(|(_, tone)| tone == "good");
    view.wait_for_files("the first files", |files| is_good(files.first())).await?;
    let first = view.files_shown().await?;
    ensure!(first.len() < 100, "only what is in sight is drawn");
    stage.proxy.release();
    view.wait_for_state(NAME, &["complete"]).await?;
    view.run("document.querySelector('.files').scrollTop = 1e6", json!([])).await?;
    view.wait_for_files("the last files", |files| is_good(files.last()) && !files.contains(&first[0])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_fetches_a_folder() -> Result<()> {
    let stage = Stage::serving(&[("k/a.txt", 10)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("k").await?;
    view.run("document.querySelector('.entries-body').focus()", json!([])).await?;
    view.keys(&[Key::Down, Key::Tab, Key::Enter]).await?;
    view.show_transfers().await?;
    view.save_folder("k").await?;
    stage.check_saved_folder("k")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_goes_through_folders_and_back() -> Result<()> {
    let stage = Stage::serving(&[("k/deep/a.txt", 10)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("k").await?;
    view.run("document.querySelector('.entries-body').focus()", json!([])).await?;
    for inner in ["deep", "a.txt"] {
        view.keys(&[Key::Down, Key::Enter]).await?;
        view.wait_for_name(inner).await?;
    }
    for outer in ["deep", "k"] {
        view.keys(&[Key::Backspace]).await?;
        view.wait_for_name(outer).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_can_be_paused_and_goes_on_where_it_was() -> Result<()> {
    let stage = serving(VERY_MANY, TINY).await?;
    let view = stage.open_connected().await?;
    view.download_folder(NAME).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["complete"]).await?;
    view.press(&row, "save").await?;
    view.wait_for_rows("some to be saved", |rows| {
        only(rows).filter(|row| row.text.contains("Saving") && !row.text.contains("Saving 0 of"))
    })
    .await?;
    view.press(&row, "pause").await?;
    view.wait_for_rows("the pause", |rows| only(rows).filter(|row| row.state == "complete")).await?;
    finishes(&stage, &view).await?;
    assert_eq!(stage.saved_files()?.len() as u64, VERY_MANY);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_while_it_saves_goes_on_where_it_was() -> Result<()> {
    let mut stage = serving(VERY_MANY, TINY).await?;
    {
        let view = stage.open_connected().await?;
        view.download_folder(NAME).await?;
        view.show_transfers().await?;
        let row = view.wait_for_state(NAME, &["complete"]).await?;
        view.press(&row, "save").await?;
        until("some to be saved", LONG, async || Ok((stage.saved_files()?.len() > 300).then_some(()))).await?;
    }
    stage.kill_browser().await?;
    // Somebody else puts a file where one of ours would go.
    let mut paths = (0..VERY_MANY).map(|index| stage.downloads().join(path(index)));
    let taken = paths.find(|path| !path.exists()).context("it was killed too late")?;
    fs::create_dir_all(taken.parent().context("it lies in a folder")?)?;
    fs::write(&taken, "mine")?;
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["saved"]).await?;
    ensure!(row.text.contains("in that folder also under a second name"), "{}", row.text);
    ensure!(row.buttons.contains(&"save-again".to_owned()), "the copy in the browser is kept: {row:?}");
    assert_eq!(fs::read(&taken)?, b"mine", "nothing is overwritten");
    // Chromium does not know the last files that it saved before it was killed. They are saved again, beside the first.
    let (saved, served) = (hashes(&stage.downloads().join(NAME))?, hashes(&stage.folder().join(NAME))?);
    for (file, hash) in &served {
        let copy = file.with_file_name(format!("{} (1).bin", file.file_stem().context("no name")?.display()));
        let is_saved = [file, &copy].iter().any(|place| saved.get(*place) == Some(hash));
        ensure!(is_saved, "{} is not there", file.display());
    }
    Ok(())
}

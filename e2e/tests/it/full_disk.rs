//! A disk that is full, and later has room again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wstp_e2e::{Page, Row, Stage, View};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 64 * MIB;
const DISK: u64 = 256 * MIB;
const NAME: &str = "large.bin";
/// Bytes that were in flight when the disk turned out to be full, and that could not be kept.
const UNDER_WAY: u64 = 16 * MIB;

/// Small files of a folder, and bytes of each.
const FILES: u64 = 480;
const SMALL: u64 = 100_000;

/// Tries to fill the disk. The browser writes at the same time, so what was free may be taken meanwhile.
const FILLS: usize = 50;

/// Fills the disk except for this many bytes.
fn fill(disk: &Path, leave: u64) -> Result<PathBuf> {
    let filler = disk.join("filler");
    let file = File::create(&filler)?;
    for _ in 0..FILLS {
        let free = rustix::fs::statvfs(disk)?;
        let length = (free.f_bavail * free.f_frsize).checked_sub(leave).context("the disk is full already")?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(filler),
            Err(rustix::io::Errno::NOSPC) => file.set_len(0)?,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the disk could not be filled in {FILLS} tries")
}

/// Waits until a transfer that has not begun says that there is no room for it.
async fn lacks_room(view: &View<'_>, name: &str) -> Result<Row> {
    let row = view
        .wait_for_rows("the lack of room to be told", |rows| {
            let lacks = |row: &&Row| {
                row.text.contains("again while it is saved.") && row.text.contains("free on the browser's disk")
            };
            rows.iter().find(lacks).cloned()
        })
        .await?;
    ensure!((row.name.as_str(), row.state.as_str()) == (name, "queued"), "{row:?}");
    Ok(row)
}

/// Waits until the row says that the disk is full, after some tries.
async fn says_full(view: &View<'_>) -> Result<Row> {
    view.wait_for_rows("it to be said that the disk is full", |rows| {
        let full = |row: &&Row| row.text.contains("There is no space left on this computer.");
        rows.iter()
            .find(full)
            .filter(|row| ["Retry in 4 s", "Retry in 8 s"].iter().any(|words| row.text.contains(words)))
            .cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_in_words_and_with_room_it_goes_on_by_itself() -> Result<()> {
    let stage = Stage::serving_to_small_disk(&[(NAME, SIZE)], DISK).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    let filler = fill(stage.browser()?.disk(), 24 * MIB)?;
    stage.proxy.limit_rate(24 * MIB);
    view.download(NAME).await?;
    view.show_transfers().await?;
    let row = lacks_room(&view, NAME).await?;
    ensure!(stage.proxy.passed() < MIB, "it is fetched before the user was told that it does not fit");
    view.press(&row, "begin").await?;
    let row = says_full(&view).await?;
    ensure!(row.state == "waiting", "{row:?}");
    ensure!(row.text.contains("It continues once there is space. Nothing that arrived is lost."), "{}", row.text);
    let before = stage.proxy.passed();
    ensure!(before < SIZE, "{before} bytes came over before the disk was full");
    view.wait_for_rows("another try", |rows| rows[0].text.contains("Retry in 16 s").then_some(())).await?;
    ensure!(
        stage.proxy.passed() - before < MIB,
        "what can't be kept is fetched: {} bytes",
        stage.proxy.passed() - before
    );
    fs::remove_file(filler)?;
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    let all = stage.proxy.passed();
    println!("bytes that came over for a file of {SIZE}: {all}, {before} of them before the disk was full");
    ensure!(all < SIZE + SIZE / 50 + UNDER_WAY, "{all} bytes came over for a file of {SIZE}");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_on_a_full_disk_goes_on_by_itself_too() -> Result<()> {
    let paths: Vec<_> = (0..FILES).map(|index| format!("many/{}/{index}.bin", index % 7)).collect();
    let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), SMALL)).collect();
    files.push(("many/large.bin", SIZE / 4));
    let stage = Stage::serving_to_small_disk(&files, DISK).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name("many").await?;
    let filler = fill(stage.browser()?.disk(), 24 * MIB)?;
    stage.proxy.limit_rate(24 * MIB);
    view.download_folder("many").await?;
    view.show_transfers().await?;
    let row = lacks_room(&view, "many").await?;
    view.press(&row, "begin").await?;
    let row = says_full(&view).await?;
    ensure!(row.state == "waiting", "{row:?}");
    fs::remove_file(filler)?;
    view.save_folder("many").await?;
    stage.check_saved_folder("many")?;
    let (all, size) = (stage.proxy.passed(), FILES * SMALL + SIZE / 4);
    println!("bytes that came over for a folder of {size}: {all}");
    ensure!(all < size + size / 20 + UNDER_WAY, "{all} bytes came over for a folder of {size}");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_waits_and_the_list_makes_room_for_it() -> Result<()> {
    const OLD: &str = "old.bin";
    let stage = Stage::serving_to_small_disk(&[(NAME, SIZE / 4), (OLD, SIZE)], DISK).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.download(OLD).await?;
    view.show_transfers().await?;
    let old = view.wait_for_state(OLD, &["complete"]).await?;
    fill(stage.browser()?.disk(), 0)?;
    view.download(NAME).await?;
    view.show_transfers().await?;
    let row = lacks_room(&view, NAME).await?;
    ensure!(row.text.contains("This needs 16.8 MB in the browser, and as much again while it is saved."), "{row:?}");
    view.screenshot("manager-no-room").await?;
    view.press(&old, "remove").await?;
    view.click("[data-testid=confirm-yes]").await?;
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    stage.browser()?.check_no_panic()
}

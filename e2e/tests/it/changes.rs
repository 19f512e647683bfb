//! A file that changes on the server, while it is fetched or after that.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{Contents, hash_file};

const MIB: u64 = 1 << 20;

/// Overwrites a piece of a file in place.
fn change(stage: &Stage, name: &str, offset: u64, piece: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(stage.folder().join(name))?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file.write_all(piece)?)
}

/// Overwrites one block.
fn change_block(stage: &Stage, name: &str, offset: u64) -> Result<()> {
    change(stage, name, offset, &[7; 8192])
}

/// Saves the complete copy that exists beside its update, and compares it.
async fn save_old_copy(view: &View<'_>, old: &str) -> Result<()> {
    let copy = view
        .wait_for_rows("the old copy beside its update", |rows| {
            rows.iter().find(|row| rows.len() == 2 && row.buttons.contains(&"save".to_owned())).cloned()
        })
        .await?;
    view.press(&copy, "save").await?;
    view.wait_for_state(&copy.id, &["saved"]).await?;
    let saved = view.saved().await?;
    ensure!(saved.len() == 1 && hash_file(&saved[0])? == old, "what was saved is not the old copy: {saved:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_updated_and_only_what_differs_is_fetched_again() -> Result<()> {
    let size = 64 * MIB;
    let stage = Stage::serving(&[("big.bin", size)]).await?;
    let view = stage.open_connected().await?;
    stage.download_verified_part(&view, "big.bin", size).await?;
    change_block(&stage, "big.bin", size / 4)?;
    stage.proxy.release();
    let changed = |rows: &[wstp_e2e::Row]| rows.iter().find(|row| row.state == "failed").cloned();
    let row = view.wait_for_rows("the change to be told", changed).await?;
    ensure!(row.text.contains("The file changed on the server"), "{}", row.text);
    ensure!(row.buttons.contains(&"update".to_owned()), "{row:?}");
    let fetched = stage.proxy.passed();
    view.press(&row, "update").await?;
    view.wait_for_rows("it to go on", |rows| rows.iter().all(|row| row.state != "failed").then_some(())).await?;
    let saved = view.save("big.bin").await?;
    stage.check_saved("big.bin", &saved)?;
    let all = stage.proxy.passed();
    ensure!(
        all < size + size / 8,
        "{all} bytes passed for a file of {size}, {fetched} of them before the change was told"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_copy_is_updated_and_stays_until_the_new_one_is_complete() -> Result<()> {
    let size = 64 * MIB;
    let stage = Stage::serving(&[("old.bin", size)]).await?;
    let view = stage.open_connected().await?;
    view.download("old.bin").await?;
    view.show_transfers().await?;
    view.wait_for_state("old.bin", &["complete"]).await?;
    view.close().await?;
    change_block(&stage, "old.bin", size / 4)?;
    let view = stage.open_connected().await?;
    view.wait_for_name("old.bin").await?;
    let before = stage.proxy.passed();
    stage.proxy.hold_after(0);
    view.download("old.bin").await?;
    view.show_transfers().await?;
    view.wait_for_rows("the old copy beside its update", |rows| {
        (rows.len() == 2 && rows.iter().any(|row| row.state == "complete")).then_some(())
    })
    .await?;
    stage.proxy.release();
    view.wait_for_rows("the update alone", |rows| (rows.len() == 1 && rows[0].state == "complete").then_some(()))
        .await?;
    let fetched = stage.proxy.passed() - before;
    ensure!(fetched < 2 * MIB, "{fetched} bytes passed for one block that changed");
    let saved = view.save("old.bin").await?;
    stage.check_saved("old.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_that_changed_of_a_gibibyte_costs_less_than_two_and_the_old_copy_can_be_saved_meanwhile()
-> Result<()> {
    const NAME: &str = "large.bin";
    let stage = Stage::serving(&[(NAME, 1 << 30)]).await?;
    let old = hash_file(&stage.folder().join(NAME))?;
    let view = stage.open_connected().await?;
    view.download(NAME).await?;
    view.show_transfers().await?;
    view.wait_for_state(NAME, &["complete"]).await?;
    view.close().await?;

    let other = tempfile::NamedTempFile::new()?;
    Contents::new("another mebibyte", MIB).write(other.path())?;
    change(&stage, NAME, (1 << 29) + 8192, &std::fs::read(other.path())?)?;
    let view = stage.open_connected().await?;
    view.wait_for_name(NAME).await?;
    let before = stage.proxy.passed();
    stage.proxy.hold_after(MIB / 2);
    view.download(NAME).await?;
    view.show_transfers().await?;
    stage.proxy.held().await?;
    save_old_copy(&view, &old).await?;

    stage.proxy.release();
    view.wait_for_rows("the update", |rows| rows.iter().any(|row| row.state == "complete").then_some(())).await?;
    let fetched = stage.proxy.passed() - before;
    println!("bytes fetched for a mebibyte that changed of a gibibyte: {fetched}");
    ensure!(fetched < 2 * MIB, "{fetched} bytes passed for a mebibyte that changed");
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_during_an_update_has_the_old_copy_still_and_completes_the_update() -> Result<()> {
    const NAME: &str = "kept.bin";
    let (size, part) = (24 * MIB, 8 * MIB);
    let mut stage = Stage::serving(&[(NAME, size)]).await?;
    let old = hash_file(&stage.folder().join(NAME))?;
    let before;
    {
        let view = stage.open_connected().await?;
        view.download(NAME).await?;
        view.show_transfers().await?;
        view.wait_for_state(NAME, &["complete"]).await?;
        view.close().await?;
        change(&stage, NAME, 4 * MIB, &Contents::new("changed", part).bytes())?;
        let view = stage.open_connected().await?;
        view.wait_for_name(NAME).await?;
        before = stage.proxy.passed();
        stage.proxy.hold_after(part / 2);
        view.download(NAME).await?;
        view.show_transfers().await?;
        stage.proxy.held().await?;
        view.wait_for_rows("the old copy beside its update", |rows| (rows.len() == 2).then_some(())).await?;
    }
    stage.kill_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    save_old_copy(&view, &old).await?;

    stage.proxy.release();
    view.wait_for_rows("the update", |rows| rows.iter().any(|row| row.state == "complete").then_some(())).await?;
    let fetched = stage.proxy.passed() - before;
    ensure!(fetched < size / 2 + part / 2, "{fetched} bytes passed for {part} that changed");
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

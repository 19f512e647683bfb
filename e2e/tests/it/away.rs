//! A file that its server loses in the middle and gets back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::Contents;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const NAME: &str = "held.bin";
/// Bytes that may be in flight when the connections are given up.
const UNDER_WAY: u64 = 4 * MIB;

/// Removes the file half-way, waits until the row says `words`, and restores it. Checks that it arrives whole and that
/// no committed block comes again.
async fn comes_back(
    take: impl FnOnce(&Path) -> Result<()>,
    words: &str,
    bring: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, NAME, SIZE / 2).await?;
    let committed = view.wait_for_committed(SIZE / 4).await?;
    let before = stage.proxy.passed();
    let path = stage.folder().join(NAME);
    take(&path)?;
    stage.proxy.release();
    let row = wait_for_words(&view, words).await?;
    ensure!(row.state == "waiting", "{row:?}");
    ensure!(row.text.contains("It continues once the server has it again."), "{}", row.text);
    ensure!(row.buttons.contains(&"pause".to_owned()), "{row:?}");
    bring(&path)?;
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    committed.check_rest(SIZE, stage.proxy.passed() - before, UNDER_WAY)?;
    stage.browser()?.check_no_panic()
}

async fn wait_for_words(view: &View<'_>, words: &str) -> Result<wstp_e2e::Row> {
    view.wait_for_rows(words, |rows| rows.iter().find(|row| row.text.contains(words)).cloned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_moved_away_is_fetched_on_when_it_is_back() -> Result<()> {
    let elsewhere = tempfile::tempdir()?;
    let kept = elsewhere.path().join(NAME);
    comes_back(|path| Ok(fs::rename(path, &kept)?), "has nothing of that name.", |path| Ok(fs::rename(&kept, path)?))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_and_restored_is_fetched_on() -> Result<()> {
    comes_back(
        |path| Ok(fs::remove_file(path)?),
        "has nothing of that name.",
        |path| {
            let aside = path.with_extension("part");
            Contents::new(NAME, SIZE).write(&aside)?;
            Ok(fs::rename(aside, path)?)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_read_is_fetched_on_when_it_may_again() -> Result<()> {
    let allow = |mode: u32| move |path: &Path| Ok(fs::set_permissions(path, Permissions::from_mode(mode))?);
    comes_back(allow(0), "may not read this.", allow(0o644)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_waits_for_its_file_can_be_paused_and_taken_up_again() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open_connected().await?;
    stage.download_part(&view, NAME, SIZE / 2).await?;
    let (path, aside) = (stage.folder().join(NAME), stage.folder().join("aside.bin"));
    fs::rename(&path, &aside)?;
    stage.proxy.release();
    let row = wait_for_words(&view, "has nothing of that name.").await?;
    view.press(&row, "pause").await?;
    let row = view.wait_for_state(NAME, &["paused"]).await?;
    fs::rename(&aside, &path)?;
    view.press(&row, "resume").await?;
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

//! Several transfers, and the information about each.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{Contents, LONG, SHORT, until};

const MIB: u64 = 1 << 20;
/// How long nothing passes when nothing is in flight.
const QUIET: Duration = Duration::from_secs(2);

/// Starts the file's download and waits until the proxy holds it half-way.
async fn half_way<'a>(stage: &'a Stage, name: &str, size: u64) -> Result<View<'a>> {
    let view = stage.open_connected().await?;
    stage.download_part(&view, name, size / 2).await?;
    Ok(view)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_clicked_twice_is_one_transfer_and_comes_over_once() -> Result<()> {
    let size = 4 * MIB;
    let stage = Stage::serving(&[("once.bin", size)]).await?;
    let view = half_way(&stage, "once.bin", size).await?;
    view.show_folder().await?;
    view.click_entry("once.bin").await?;
    view.click_entry("once.bin").await?;
    stage.proxy.release();
    let saved = view.save("once.bin").await?;
    assert_eq!(view.rows().await?.len(), 1);
    stage.check_saved("once.bin", &saved)?;
    ensure!(stage.proxy.passed() < size + size / 2, "{} bytes came over for a file of {size}", stage.proxy.passed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_transfers_at_once_all_arrive_whole() -> Result<()> {
    let files: [(&str, u64); 5] =
        [("1.bin", 5 * MIB), ("2.bin", 4 * MIB + 1), ("3.bin", 3 * MIB - 1), ("4.bin", 2 * MIB), ("5.bin", 6 * MIB)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("5.bin").await?;
    stage.proxy.hold_after(MIB);
    for (name, _) in files {
        view.download(name).await?;
    }
    view.show_transfers().await?;
    let under_way = ["starting", "downloading"];
    view.wait_for_rows("several transfers under way", |rows| {
        let active = rows.iter().filter(|row| under_way.contains(&row.state.as_str())).count();
        (rows.len() == 5 && active >= 2).then_some(())
    })
    .await?;
    stage.proxy.release();
    for (name, _) in files {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    assert_eq!(stage.saved_files()?.len(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_transfer_stays_where_it_is_until_resumed() -> Result<()> {
    let size = 6 * MIB;
    let stage = Stage::serving(&[("p.bin", size)]).await?;
    let view = half_way(&stage, "p.bin", size).await?;
    let row = view.wait_for_state("p.bin", &["downloading"]).await?;
    view.press(&row, "pause").await?;
    view.wait_for_state("p.bin", &["paused"]).await?;
    // Chromium closes its connections in another process, a moment later.
    until("the responses to be closed", SHORT, async || Ok((stage.proxy.exchanging() == 0).then_some(()))).await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.proxy.until_quiet(QUIET).await?;
    ensure!(stage.proxy.passed() - before < MIB / 8, "{} bytes came over", stage.proxy.passed() - before);
    let row = view.wait_for_state("p.bin", &["paused"]).await?;
    ensure!(row.buttons.contains(&"resume".to_owned()), "{row:?}");
    view.press(&row, "resume").await?;
    let saved = view.save("p.bin").await?;
    stage.check_saved("p.bin", &saved)?;
    ensure!(stage.proxy.passed() < size + size / 2, "{} bytes came over for a file of {size}", stage.proxy.passed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_transfer_can_be_taken_up_again() -> Result<()> {
    let size = 4 * MIB;
    let stage = Stage::serving(&[("c.bin", size)]).await?;
    let view = half_way(&stage, "c.bin", size).await?;
    let row = view.wait_for_state("c.bin", &["downloading"]).await?;
    view.press(&row, "cancel").await?;
    let row = view.wait_for_state("c.bin", &["cancelled"]).await?;
    stage.proxy.release();
    view.press(&row, "resume").await?;
    view.wait_for_rows("the transfer to be taken up", |rows| (rows[0].state != "cancelled").then_some(())).await?;
    let saved = view.save("c.bin").await?;
    stage.check_saved("c.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_transfer_is_gone_and_the_file_can_be_fetched_anew() -> Result<()> {
    let size = 4 * MIB;
    let stage = Stage::serving(&[("r.bin", size)]).await?;
    let view = half_way(&stage, "r.bin", size).await?;
    let row = view.wait_for_state("r.bin", &["downloading"]).await?;
    view.press(&row, "cancel").await?;
    let row = view.wait_for_state("r.bin", &["cancelled"]).await?;
    view.press(&row, "remove").await?;
    view.wait_for_rows("no row", |rows| rows.is_empty().then_some(())).await?;
    stage.proxy.release();
    view.download("r.bin").await?;
    let saved = view.save("r.bin").await?;
    stage.check_saved("r.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn much_that_was_fetched_is_not_thrown_away_without_a_question() -> Result<()> {
    let size = 110 * MIB;
    let stage = Stage::serving(&[("much.bin", size)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("much.bin").await?;
    stage.proxy.hold_after(105 * MIB);
    view.download("much.bin").await?;
    stage.proxy.held().await?;
    view.show_transfers().await?;
    let row = view.wait_for_state("much.bin", &["downloading"]).await?;
    view.press(&row, "cancel").await?;
    let row = view.wait_for_state("much.bin", &["cancelled"]).await?;
    view.press(&row, "remove").await?;
    view.click("[data-testid=confirm-no]").await?;
    stage.proxy.release();
    view.press(&row, "resume").await?;
    let saved = view.save("much.bin").await?;
    stage.check_saved("much.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_file_that_is_still_in_the_browser_can_be_saved_again() -> Result<()> {
    let stage = Stage::serving(&[("twice.bin", MIB)]).await?;
    let manager = stage.open(Page::Manager).await?;
    manager.click("[data-testid=open-settings]").await?;
    manager.click("[data-testid=set-free]").await?;
    manager.click("[data-testid=close-sheet]").await?;
    manager.close().await?;
    let view = stage.open_connected().await?;
    view.download("twice.bin").await?;
    let first = view.save("twice.bin").await?;
    let row = view.wait_for_state("twice.bin", &["saved"]).await?;
    view.expand(&row).await?;
    view.press(&row, "save-again").await?;
    until("both to be saved", LONG, async || Ok((view.saved().await?.len() == 2).then_some(()))).await?;
    for saved in view.saved().await? {
        stage.check_saved("twice.bin", &saved)?;
    }
    ensure!(stage.saved_files()?.len() == 2, "{first:?} and what else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_file_under_the_name_of_a_longer_one_has_no_stale_tail() -> Result<()> {
    let stage = Stage::serving(&[("v.bin", 3 * MIB)]).await?;
    let view = stage.open_connected().await?;
    view.download("v.bin").await?;
    let long = view.save("v.bin").await?;
    stage.check_saved("v.bin", &long)?;
    let row = view.wait_for_state("v.bin", &["saved"]).await?;
    view.press(&row, "remove").await?;
    view.wait_for_rows("no row", |rows| rows.is_empty().then_some(())).await?;

    Contents::new("another version", 2 * MIB + 5).write(&stage.folder().join("v.bin"))?;
    view.show_folder().await?;
    view.connect(&stage.address()).await?;
    view.download("v.bin").await?;
    let short = view.save("v.bin").await?;
    assert_ne!(long, short, "what was saved before is not overwritten");
    stage.check_saved("v.bin", &short)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_half_way_never_arrives_mixed() -> Result<()> {
    let size = 4 * MIB;
    let stage = Stage::serving(&[("m.bin", size)]).await?;
    let view = half_way(&stage, "m.bin", size).await?;
    Contents::new("another version", size).write(&stage.folder().join("m.bin"))?;
    stage.proxy.release();
    let row = view
        .wait_for_rows("an end", |rows| {
            let row = rows.first()?;
            ["failed", "complete"].contains(&row.state.as_str()).then(|| row.clone())
        })
        .await?;
    // If no part of a file was verified, the new version replaces it without a word.
    if row.state == "failed" {
        ensure!(row.text.contains("The file changed on the server"), "{}", row.text);
    } else {
        let saved = view.save("m.bin").await?;
        stage.check_saved("m.bin", &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanished_is_an_error_in_words_and_not_a_wait() -> Result<()> {
    let stage = Stage::serving(&[("gone.bin", 100), ("here.bin", 100)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("gone.bin").await?;
    fs::remove_file(stage.folder().join("gone.bin"))?;
    view.download("gone.bin").await?;
    view.show_transfers().await?;
    view.wait_for_rows("gone.bin to fail", |rows| rows.iter().any(|row| row.state == "failed").then_some(())).await?;
    view.wait_for_text("has nothing of that name.").await?;
    view.download("here.bin").await?;
    let saved = view.save("here.bin").await?;
    stage.check_saved("here.bin", &saved)
}

//! The queue as a whole: all at once, and who comes next.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use wstp_e2e::{Contents, Page, Row, Stage, View};

const MIB: u64 = 1 << 20;

fn in_state(rows: &[Row], state: &str) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

/// Lets only one transfer run at a time.
async fn one_at_a_time(stage: &Stage) -> Result<()> {
    let manager = stage.open(Page::Manager).await?;
    manager.click("[data-testid=open-settings]").await?;
    for shown in ["2", "1"] {
        manager.click("[role=group]:has([data-testid=set-transfers]) [aria-label=Fewer]").await?;
        manager.wait_for_content("[data-testid=set-transfers]", shown).await?;
    }
    manager.close().await
}

async fn ask_for_all(stage: &Stage, view: &View<'_>, files: &[(&str, u64)], hold: u64) -> Result<()> {
    view.wait_for_name(files[0].0).await?;
    stage.proxy.hold_after(hold);
    for (name, _) in files {
        view.download(name).await?;
    }
    view.show_transfers().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_all_stops_everything_and_resume_all_brings_every_file_whole() -> Result<()> {
    let files =
        [("1.bin", 6 * MIB), ("2.bin", 5 * MIB + 1), ("3.bin", 4 * MIB), ("4.bin", 3 * MIB), ("5.bin", MIB - 1)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open_connected().await?;
    ask_for_all(&stage, &view, &files, 2 * MIB).await?;
    stage.proxy.held().await?;
    view.click("[data-testid=pause-all]").await?;
    view.wait_for_rows("all to be paused", |rows| (in_state(rows, "paused") == 5).then_some(())).await?;
    stage.proxy.release();
    stage.proxy.until_quiet(Duration::from_secs(2)).await?;
    ensure!(stage.proxy.passed() < 4 * MIB, "{} bytes passed although all is paused", stage.proxy.passed());
    view.click("[data-testid=resume-all]").await?;
    for (name, _) in files {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_moved_to_the_top_is_the_next_to_begin() -> Result<()> {
    let files = [("1.bin", 4 * MIB), ("2.bin", MIB), ("3.bin", MIB), ("4.bin", MIB)];
    let stage = Stage::serving(&files).await?;
    one_at_a_time(&stage).await?;
    let view = stage.open_connected().await?;
    ask_for_all(&stage, &view, &files, MIB).await?;
    let queued = |rows: &[Row]| (in_state(rows, "queued") == 3).then(|| rows.to_vec());
    let rows = view.wait_for_rows("three to wait", queued).await?;
    let last = rows.into_iter().find(|row| row.name == "4.bin").expect("4.bin waits");
    view.press(&last, "first").await?;
    view.wait_for_text("Comes next").await?;
    view.wait_for_rows("4.bin to come next", |rows| {
        rows.iter().any(|row| row.name == "4.bin" && row.text.contains("Comes next")).then_some(())
    })
    .await?;
    // When the first is there, the next one comes no further than its first bytes.
    stage.proxy.hold_after(3 * MIB + MIB / 4);
    let row = view.wait_for_state("1.bin", &["complete"]).await?;
    ensure!(row.state == "complete");
    view.wait_for_rows("4.bin to be under way", |rows| {
        let state = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.state.clone());
        let waits = [state("2.bin"), state("3.bin")].iter().all(|state| state.as_deref() == Some("queued"));
        (waits && ["starting", "downloading", "complete"].contains(&state("4.bin")?.as_str())).then_some(())
    })
    .await?;
    stage.proxy.release();
    for (name, _) in files {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_retried_all_at_once_and_arrives() -> Result<()> {
    let names = ["x.bin", "y.bin"];
    let stage = Stage::serving(&names.map(|name| (name, MIB))).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("y.bin").await?;
    for name in names {
        fs::remove_file(stage.folder().join(name))?;
        view.download(name).await?;
    }
    view.show_transfers().await?;
    view.wait_for_rows("both to fail", |rows| (in_state(rows, "failed") == 2).then_some(())).await?;
    for name in names {
        Contents::new(name, MIB).write(&stage.folder().join(name))?;
    }
    view.click("[data-testid=retry-all]").await?;
    view.wait_for_rows("both to be taken up", |rows| (in_state(rows, "failed") == 0).then_some(())).await?;
    for name in names {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

//! Replies that the line delays until nothing waits for them any more.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 32 * MIB;
const NAME: &str = "held.bin";
/// The part of the delayed data that the proxy lets through.
const LATE: u64 = 2 * MIB;
/// The data that arrives between one pause and the next.
const MORE: u64 = 3 * MIB;
/// Bytes that a pause may cost: late data, and the incoming message of each connection.
const UNDER_WAY: u64 = LATE + MIB;

/// A transfer that the proxy holds after a quarter, with the manager page before it.
async fn held_after_a_quarter(stage: &Stage) -> Result<View<'_>> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, NAME, SIZE / 4).await?;
    Ok(view)
}

/// Saves it, compares it, and checks that nothing broke.
async fn finishes(stage: &Stage, view: &View<'_>) -> Result<()> {
    stage.proxy.release();
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    let log = stage.browser()?.log()?;
    ensure!(!log.contains("replacing a silent worker"), "a worker fell silent: {log}");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_come_during_and_after_a_pause_do_no_harm() -> Result<()> {
    const ROUNDS: u64 = 4;
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_after_a_quarter(&stage).await?;
    let mut committed = view.wait_for_committed(SIZE / 8).await?.bytes();
    for round in 0..ROUNDS {
        let row = view.wait_for_state(NAME, &["downloading"]).await?;
        view.press(&row, "pause").await?;
        if round % 2 == 0 {
            stage.proxy.hold_after(LATE);
            view.wait_for_state(NAME, &["paused"]).await?;
        } else {
            view.wait_for_state(NAME, &["paused"]).await?;
            stage.proxy.hold_after(LATE);
        }
        view.press(&row, "resume").await?;
        stage.proxy.hold_after(MORE);
        stage.proxy.held().await?;
        committed = view.wait_for_committed(committed + MORE / 2).await?.bytes();
    }
    finishes(&stage, &view).await?;
    let all = stage.proxy.passed();
    ensure!(all < SIZE + SIZE / 50 + ROUNDS * UNDER_WAY, "{all} bytes came over for a file of {SIZE}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_to_what_was_removed_leave_nothing_behind() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_after_a_quarter(&stage).await?;
    let row = view.wait_for_state(NAME, &["downloading"]).await?;
    view.press(&row, "cancel").await?;
    stage.proxy.hold_after(LATE);
    view.wait_for_rows("it to be cancelled", |rows| rows.iter().any(|row| row.state == "cancelled").then_some(()))
        .await?;
    view.press(&row, "remove").await?;
    stage.proxy.release();
    view.wait_for_rows("no row", |rows| rows.is_empty().then_some(())).await?;
    view.wait_for_empty_sandbox().await?;
    // No old message may count as part of the new one.
    let before = stage.proxy.passed();
    view.download(NAME).await?;
    finishes(&stage, &view).await?;
    let fetched = stage.proxy.passed() - before;
    ensure!(fetched >= SIZE, "{fetched} bytes came over for a new transfer of {SIZE}");
    Ok(())
}

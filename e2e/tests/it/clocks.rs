//! Clocks that jump in the middle of a download, as they do when a computer slept or its time was set.

use anyhow::{Result, ensure};
use wstp_e2e::{Clocks, Committed, Page, Stage, View};
use wstp_testkit::{SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const NAME: &str = "held.bin";
const HOUR: i32 = 3600;
/// Bytes of unfinished answers that may be lost with their connections: less than was committed before.
const UNDER_WAY: u64 = 6 * MIB;

/// A transfer of [`SIZE`] bytes that the proxy holds after a third, with the manager page before it.
async fn held_after_a_third(stage: &Stage) -> Result<View<'_>> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, NAME, SIZE / 3).await?;
    Ok(view)
}

/// Makes all clocks jump, and waits until every part has read them.
async fn jump(clocks: &mut Clocks, seconds: i32) -> Result<()> {
    ensure!(clocks.names() == ["catalogue", "offscreen", "transfer"], "there are {:?}", clocks.names());
    clocks.jump(seconds).await?;
    until("every part to look at its clocks", SHORT, async || Ok(clocks.are_looked_at().await?.then_some(()))).await
}

/// Lets the rest come without help, saves it and compares it. Checks that no committed block came again.
async fn finishes(stage: &Stage, view: &View<'_>, committed: &Committed) -> Result<()> {
    let before = stage.proxy.passed();
    stage.proxy.release();
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    committed.check_rest(SIZE, stage.proxy.passed() - before, UNDER_WAY)?;
    let log = stage.browser()?.log()?;
    ensure!(!log.contains("replacing a silent worker"), "a worker was taken for dead: {log}");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_ahead_stops_nothing() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_after_a_third(&stage).await?;
    let committed = view.wait_for_committed(SIZE / 4 + MIB).await?;
    let mut clocks = stage.browser()?.clocks().await?;
    jump(&mut clocks, HOUR).await?;
    finishes(&stage, &view, &committed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_back_stops_nothing() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_after_a_third(&stage).await?;
    let mut clocks = stage.browser()?.clocks().await?;
    // The monotonic clock counts from the start of its part and can't be negative.
    jump(&mut clocks, 2 * HOUR).await?;
    stage.proxy.hold_after(SIZE / 3);
    stage.proxy.held().await?;
    // More than had arrived since the first jump, so this was not the end of the earlier data.
    let committed = view.wait_for_committed(SIZE / 3 + MIB).await?;
    jump(&mut clocks, -HOUR).await?;
    finishes(&stage, &view, &committed).await
}

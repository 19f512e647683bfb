//! Clocks that jump in the middle of a download, as they do when a computer slept or was told another time.

use anyhow::{Result, ensure};
use wstp_e2e::{Clocks, Committed, Page, Stage, View};
use wstp_testkit::{SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const NAME: &str = "held.bin";
const HOUR: i32 = 3600;
/// What of answers under way may be lost with the connections that carried them: less than was committed before.
const UNDER_WAY: u64 = 6 * MIB;

/// A transfer of [`SIZE`] bytes that the proxy holds after a third, with the manager page before it.
async fn held_after_a_third(stage: &Stage) -> Result<View<'_>> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, NAME, SIZE / 3).await?;
    Ok(view)
}

/// Makes all clocks jump, and waits until every part has seen that.
async fn jump(clocks: &mut Clocks, seconds: i32) -> Result<()> {
    ensure!(clocks.names() == ["catalogue", "offscreen", "transfer"], "there are {:?}", clocks.names());
    clocks.jump(seconds).await?;
    until("every part to look at its clocks", SHORT, async || Ok(clocks.are_looked_at().await?.then_some(()))).await
}

/// Lets the rest come with nobody's help, saves it, compares it, and sees that nothing of what was committed came again.
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
    // The monotonic one counts from the start of its part and can't be less than nothing.
    jump(&mut clocks, 2 * HOUR).await?;
    stage.proxy.hold_after(SIZE / 3);
    stage.proxy.held().await?;
    // More than came since the first jump, so that was not the end of what was there before.
    let committed = view.wait_for_committed(SIZE / 3 + MIB).await?;
    jump(&mut clocks, -HOUR).await?;
    finishes(&stage, &view, &committed).await
}

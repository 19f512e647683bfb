//! How many connections one transfer has.

use anyhow::{Result, ensure};
use wstp_e2e::{LONG, Page, Stage, View, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 160 * MIB;
const NAME: &str = "long.bin";
/// Bytes a second that each connection carries.
const SLOW: u64 = 2 * MIB;

/// Waits until so many connections are open, and fails once there are more than `most`.
async fn wait_for_open(stage: &Stage, wanted: u64, most: u64) -> Result<()> {
    until(&format!("{wanted} connections"), LONG, async || {
        let open = stage.proxy.open();
        ensure!(open <= most, "{open} connections are open where {most} may be");
        Ok((open == wanted).then_some(()))
    })
    .await
}

/// Sees to it that there are never more than `most` connections while so many bytes pass.
async fn ensure_at_most(stage: &Stage, most: u64, bytes: u64) -> Result<()> {
    let goal = stage.proxy.passed() + bytes;
    until("more to arrive", LONG, async || {
        let open = stage.proxy.open();
        ensure!(open <= most, "{open} connections are open where {most} may be");
        Ok((stage.proxy.passed() >= goal).then_some(()))
    })
    .await
}

/// The file arrives as fast as it can and is right.
async fn finishes(stage: &Stage, view: &View<'_>) -> Result<()> {
    stage.proxy.limit_rate(u64::MAX);
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_has_as_many_connections_as_the_user_says_also_while_it_runs() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.fix_connections(2).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.limit_rate(8 * MIB);
    let before = stage.proxy.open();
    view.download(NAME).await?;
    wait_for_open(&stage, before + 2, before + 2).await?;
    ensure_at_most(&stage, before + 2, 8 * MIB).await?;
    view.change_connections(2..5).await?;
    wait_for_open(&stage, before + 5, before + 5).await?;
    ensure_at_most(&stage, before + 5, 8 * MIB).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn left_to_itself_a_transfer_takes_more_connections_where_each_carries_little() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    let before = stage.proxy.open();
    stage.proxy.limit_rate_of_each(SLOW);
    view.download(NAME).await?;
    until("more connections than there are at first", LONG, async || {
        Ok((stage.proxy.open() >= before + 6).then_some(()))
    })
    .await?;
    let passed = stage.proxy.passed();
    ensure!(passed < SIZE, "the file was there before there were more connections");
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

//! The network goes and comes back, and processes sleep for a while.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{LONG, SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const NAME: &str = "held.bin";
/// Bytes of unfinished answers that may be lost with their connections.
const UNDER_WAY: u64 = 4 * MIB;

/// A transfer of [`SIZE`] bytes that the proxy holds half-way, with the manager page before it.
async fn held_half_way(stage: &Stage) -> Result<View<'_>> {
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    stage.download_part(&view, NAME, SIZE / 2).await?;
    Ok(view)
}

/// Saves it, compares it, and checks how many bytes arrived in all.
async fn finishes(stage: &Stage, view: &View<'_>) -> Result<()> {
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    let all = stage.proxy.passed();
    ensure!(all < SIZE + SIZE / 50 + UNDER_WAY, "{all} bytes came over for a file of {SIZE}");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_it_waits_and_goes_on_in_the_moment_that_there_is_one() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_half_way(&stage).await?;
    let offline = stage.browser()?.go_offline().await?;
    stage.proxy.refuse(true);
    stage.proxy.release();
    // The later the next try is, the clearer it is that the transfer resumed before it.
    let row = view
        .wait_for_rows("a try far off, for want of a network", |rows| {
            rows.iter().find(|row| row.text.contains("You are offline.") && seconds_to_try(&row.text) >= 12).cloned()
        })
        .await?;
    ensure!(row.state == "waiting", "{row:?}");
    ensure!(row.text.contains("It continues as soon as you are online."), "{}", row.text);
    let began = std::time::Instant::now();
    stage.proxy.refuse(false);
    offline.end().await?;
    view.wait_for_state(NAME, &["downloading", "verifying", "complete"]).await?;
    ensure!(began.elapsed().as_secs() < 8, "it waited for {:?} although there was a network", began.elapsed());
    finishes(&stage, &view).await
}

/// The row's words about the next try.
fn seconds_to_try(text: &str) -> u64 {
    let rest = text.split_once("Retry in ").map_or("", |(_, rest)| rest);
    rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_computer_that_slept_while_its_connections_were_closed_goes_on() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_half_way(&stage).await?;
    let browser = stage.browser()?.processes()?;
    browser.suspend();
    // Longer than a worker may be silent.
    let slept = std::time::Instant::now();
    stage.proxy.cut();
    until("the sleep to be long enough", SHORT, async || Ok((slept.elapsed().as_secs() >= 8).then_some(()))).await?;
    browser.wake();
    stage.proxy.release();
    finishes(&stage, &view).await?;
    let log = stage.browser()?.log()?;
    ensure!(!log.contains("replacing a silent worker"), "a worker that slept was taken for dead: {log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sleeps_is_said_not_to_answer_until_it_wakes() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = held_half_way(&stage).await?;
    let server = stage.server.process()?;
    server.suspend();
    stage.proxy.release();
    let before = view
        .wait_for_rows("it to be said that the server does not answer", |rows| {
            rows.iter().find(|row| row.state == "waiting" && row.text.contains("does not answer")).cloned()
        })
        .await?;
    ensure!(before.text.contains("Retrying automatically."), "{}", before.text);
    server.wake();
    until("the rest to arrive", LONG, async || Ok((stage.proxy.passed() >= SIZE).then_some(()))).await?;
    finishes(&stage, &view).await
}

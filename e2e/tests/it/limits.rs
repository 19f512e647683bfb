//! The speed limits of transfers.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage};
use wstp_testkit::{LONG, Proxy, until};

const MIB: u64 = 1 << 20;
const MB: u64 = 1_000_000;

/// Waits until this many bytes have passed the proxy in all. Returns when that was and how many there were.
async fn passed(stage: &Stage, least: u64) -> Result<(u64, Instant)> {
    until("enough to pass", LONG, async || {
        let passed = stage.proxy.passed();
        Ok((passed >= least).then(|| (passed, Instant::now())))
    })
    .await
}

/// Bytes a second while `bytes` more pass.
async fn speed(stage: &Stage, bytes: u64) -> Result<f64> {
    let from = stage.proxy.passed();
    let (first, began) = passed(stage, from + 1).await?;
    let (last, ended) = passed(stage, first + bytes).await?;
    Ok((last - first) as f64 / (ended - began).as_secs_f64())
}

fn ensure_near(speed: f64, wanted: u64) -> Result<()> {
    let ratio = speed / wanted as f64;
    ensure!((0.95..=1.05).contains(&ratio), "{speed:.0} bytes a second instead of {wanted}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_over_all_is_kept_and_a_higher_one_counts_at_once() -> Result<()> {
    let stage = Stage::serving(&[("l.bin", 200 * MIB)]).await?;
    let manager = stage.open(Page::Manager).await?;
    manager.click("[data-testid=open-settings]").await?;
    manager.enter("[data-testid=set-rate]", "4").await?;
    manager.click("[data-testid=close-sheet]").await?;
    manager.connect(&stage.address()).await?;
    manager.download("l.bin").await?;
    passed(&stage, MIB).await?;
    ensure_near(speed(&stage, 20 * MB).await?, 4 * MB)?;
    manager.click("[data-testid=open-settings]").await?;
    manager.enter("[data-testid=set-rate]", "8").await?;
    let faster = Instant::now();
    passed(&stage, stage.proxy.passed() + 4 * MB).await?;
    ensure!(faster.elapsed() < Duration::from_secs(1), "the higher limit took {:?} to show", faster.elapsed());
    ensure_near(speed(&stage, 24 * MB).await?, 8 * MB)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfers_own_limit_is_kept_and_outlives_the_browser() -> Result<()> {
    let mut stage = Stage::serving(&[("own.bin", 48 * MIB)]).await?;
    let view = stage.open_connected().await?;
    stage.download_part(&view, "own.bin", MIB).await?;
    view.click("[data-testid=expand]").await?;
    view.enter("[data-testid=limit]", "2").await?;
    stage.proxy.release();
    // Blocks that were requested before the limit come first.
    passed(&stage, 20 * MIB).await?;
    ensure_near(speed(&stage, 10 * MB).await?, 2 * MB)?;
    stage.kill_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    view.show_transfers().await?;
    view.wait_for_state("own.bin", &["downloading"]).await?;
    view.click("[data-testid=expand]").await?;
    view.wait_for_value("[data-testid=limit]", "2").await?;
    view.enter("[data-testid=limit]", "").await?;
    let saved = view.save("own.bin").await?;
    stage.check_saved("own.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_is_kept_and_shared_by_the_transfers_that_run() -> Result<()> {
    let names = ["one.bin", "two.bin"];
    let stage = Stage::serving(&names.map(|name| (name, 48 * MIB))).await?;
    // Each transfer has its own proxy, so that each can be counted.
    let other = Proxy::start(stage.server.address()).await?;
    let view = stage.open(Page::Manager).await?;
    view.click("[data-testid=open-settings]").await?;
    view.enter("[data-testid=set-rate]", "12").await?;
    view.click("[data-testid=close-sheet]").await?;
    for (name, address) in names.into_iter().zip([stage.address(), other.address().to_string()]) {
        view.connect(&address).await?;
        view.wait_for_name(name).await?;
        view.download(name).await?;
        view.show_transfers().await?;
        view.wait_for_state(name, &["downloading"]).await?;
    }
    let both = || [stage.proxy.passed(), other.passed()];
    let reach = async |least: [u64; 2]| {
        until("enough to pass", LONG, async || {
            let now = both();
            Ok((now.iter().sum::<u64>() >= least.iter().sum()).then(|| (now, Instant::now())))
        })
        .await
    };
    reach([2 * MIB, 2 * MIB]).await?;
    view.click("[data-testid=open-settings]").await?;
    view.enter("[data-testid=set-rate]", "4").await?;
    // Blocks that were requested before come at the old speed.
    let now = both();
    reach([now[0] + 4 * MB, now[1]]).await?;
    let now = both();
    let (first, began) = reach([now[0] + 1, now[1]]).await?;
    let (last, ended) = reach([first[0] + 6 * MB, first[1] + 6 * MB]).await?;
    let each = [last[0] - first[0], last[1] - first[1]];
    ensure_near((each[0] + each[1]) as f64 / (ended - began).as_secs_f64(), 4 * MB)?;
    ensure!(each.iter().all(|bytes| *bytes > 12 * MB / 4), "it is not shared: {each:?} bytes passed");
    Ok(())
}

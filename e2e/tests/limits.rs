//! How fast transfers may be.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wstp_e2e::{LONG, Page, Stage, until};

const MIB: u64 = 1 << 20;
const MB: u64 = 1_000_000;

/// Waits until so many bytes have passed the proxy in all, and says when that was and how many there were.
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
    manager.click("[data-testid=settings-done]").await?;
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
    // What was asked for before the limit comes first.
    passed(&stage, 20 * MIB).await?;
    ensure_near(speed(&stage, 6 * MB).await?, 2 * MB)?;
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

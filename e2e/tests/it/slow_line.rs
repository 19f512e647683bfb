//! A folder over a line so slow that one small file takes half a minute. Bytes arrive all the time, so the engine gives
//! up nothing.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Row, Stage};
use wstp_testkit::{SHORT, until};

/// Bytes a second, by the worker's clock.
const RATE: u64 = 2000;
/// The worker's clock runs so many times as fast as the line's.
const HURRY: u8 = 15;
const NAME: &str = "slow";
/// More than two minutes' worth, by the worker's clock: twice the patience.
const FILES: [(&str, u64); 5] = [
    ("slow/1.bin", 50_000),
    ("slow/2.bin", 50_000),
    ("slow/3.bin", 50_000),
    ("slow/4.bin", 50_000),
    ("slow/large.bin", 140_000),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_comes_over_a_very_slow_line() -> Result<()> {
    let stage = Stage::serving(&FILES).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.hold_after(0);
    view.download_folder(NAME).await?;
    let mut clocks = until("the folder's worker to run", SHORT, async || {
        Ok(Some(stage.browser()?.clocks().await?).filter(|clocks| clocks.names().contains(&"transfer")))
    })
    .await?;
    clocks.hurry("transfer", HURRY).await?;
    stage.proxy.limit_rate(RATE * u64::from(HURRY));
    let before = stage.proxy.passed();
    stage.proxy.release();
    let is_over = |row: &&Row| !["queued", "starting", "downloading", "verifying"].contains(&row.state.as_str());
    let row = view.wait_for_rows("the folder to come, or to be given up", |rows| rows.iter().find(is_over).cloned());
    let row = row.await?;
    ensure!(row.state == "complete" && !row.text.contains("could not be downloaded"), "{row:?}");
    let (passed, size) = (stage.proxy.passed() - before, FILES.iter().map(|(_, size)| size).sum::<u64>());
    // A browser shows no bytes of half a message. The engine closes some connections before it knows how slow the line
    // is.
    ensure!(passed < 2 * size, "{passed} bytes came for {size}");
    stage.proxy.limit_rate(u64::MAX);
    view.save_folder(NAME).await?;
    stage.check_saved_folder(NAME)?;
    stage.browser()?.check_no_panic()
}

//! The order in which the blocks of a file arrive.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage};
use wstp_testkit::{LONG, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 128 * MIB;
const NAME: &str = "film.bin";
/// How far ahead of the first missing block data may be.
const LEAD: u64 = 16 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn in_order_the_beginning_comes_without_gaps_though_a_connection_falls_silent_and_the_browser_dies() -> Result<()>
{
    let mut stage = Stage::serving(&[(NAME, SIZE)]).await?;
    {
        let view = stage.open(Page::Manager).await?;
        // One connection is to fall silent, with all that comes over it.
        stage.proxy.pass_websockets_alone();
        // So that there is another one when one falls silent.
        view.fix_connections(4).await?;
        view.connect(&stage.address()).await?;
        view.wait_for_name(NAME).await?;
        stage.proxy.limit_rate(16 * MIB);
        let first = stage.proxy.accepted() + 1;
        view.download(NAME).await?;
        view.show_transfers().await?;
        let row = view.wait_for_state(NAME, &["downloading"]).await?;
        view.expand(&row).await?;
        view.click("[data-testid=in-order]").await?;
        until("all connections to be open", LONG, async || {
            Ok((stage.proxy.accepted() >= first + 3 && stage.proxy.passed() > 8 * MIB).then_some(()))
        })
        .await?;
        stage.proxy.stall(first);
        let before = stage.proxy.passed();
        until("more to arrive than may be ahead", LONG, async || {
            Ok((stage.proxy.passed() >= before + 2 * LEAD).then_some(()))
        })
        .await?;
        let committed = view.wait_for_committed(before + 2 * LEAD).await?;
        let ahead = committed.end() - committed.head();
        println!("{} bytes are committed, {ahead} of them behind the first gap", committed.bytes());
        ensure!(committed.head() > before, "the beginning ends at {}", committed.head());
        ensure!(ahead <= LEAD, "{ahead} bytes lie ahead of what is missing");
    }
    stage.kill_browser().await?;
    stage.proxy.stall(0);
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(NAME, &["downloading"]).await?;
    view.expand(&row).await?;
    view.wait_for_count("[data-testid=in-order]:checked", 1).await?;
    view.click("[data-testid=in-order]").await?;
    view.wait_for_count("[data-testid=in-order]:checked", 0).await?;
    stage.proxy.limit_rate(u64::MAX);
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

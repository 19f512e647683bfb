//! Parts that die half-way, and downloads that survive.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{LONG, SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const NAME: &str = "held.bin";

/// A transfer of [`SIZE`] bytes that the proxy holds half-way.
async fn held_half_way() -> Result<Stage> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open_connected().await?;
    stage.download_part(&view, NAME, SIZE / 2).await?;
    Ok(stage)
}

/// Lets it resume, saves it, and compares.
async fn finishes(stage: &Stage, view: &View<'_>) -> Result<()> {
    stage.proxy.release();
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    assert_eq!(view.rows().await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_popup_stops_nothing() -> Result<()> {
    let stage = held_half_way().await?;
    stage.browser()?.close_pages().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    until("the rest to arrive with no page open", LONG, async || {
        Ok((stage.proxy.passed() >= before + SIZE / 2).then_some(()))
    })
    .await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_service_worker_stops_nothing() -> Result<()> {
    let stage = held_half_way().await?;
    let browser = stage.browser()?;
    browser.stop_service_worker().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    until("the rest to arrive without a service worker", LONG, async || {
        Ok((stage.proxy.passed() >= before + SIZE / 2).then_some(()))
    })
    .await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_browser_goes_on_where_it_was_and_fetches_nothing_twice() -> Result<()> {
    let mut stage = held_half_way().await?;
    let committed = {
        let view = stage.open(Page::Manager).await?;
        view.wait_for_committed(SIZE / 4).await?
    };
    stage.kill_browser().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await?;
    committed.check_rest(SIZE, stage.proxy.passed() - before, MIB / 2)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_extensions_process_is_killed_a_restart_goes_on_where_it_was() -> Result<()> {
    let mut stage = held_half_way().await?;
    let committed = {
        let view = stage.open(Page::Manager).await?;
        view.wait_for_committed(SIZE / 4).await?
    };
    // Service worker, offscreen document and all workers die at once. Chromium then switches the extension off.
    ensure!(stage.browser()?.processes()?.kill_extensions() > 0, "it has no process");
    until("its connections to end", SHORT, async || Ok((stage.proxy.open() == 0).then_some(()))).await?;
    stage.close_browser().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await?;
    committed.check_rest(SIZE, stage.proxy.passed() - before, MIB / 2)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_browser_goes_on_by_itself() -> Result<()> {
    let mut stage = held_half_way().await?;
    stage.close_browser().await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    stage.start_browser().await?;
    until("the rest to arrive without a page", LONG, async || {
        Ok((stage.proxy.passed() > before + SIZE / 4).then_some(()))
    })
    .await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_found_again_when_it_is_back() -> Result<()> {
    let mut stage = held_half_way().await?;
    stage.server.kill().await?;
    stage.proxy.release();
    {
        let view = stage.open(Page::Popup).await?;
        view.show_transfers().await?;
        let row = view.wait_for_state(NAME, &["waiting"]).await?;
        ensure!(!view.errors().await?.is_empty() || row.text.contains("Retry"), "nothing is said of it: {row:?}");
    }
    stage.server.restart().await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_in_good_order_is_found_again_too() -> Result<()> {
    let mut stage = held_half_way().await?;
    stage.proxy.cut();
    let status = stage.server.stop().await?;
    ensure!(status.success(), "the server ended with {status}");
    stage.proxy.release();
    stage.server.restart().await?;
    let view = stage.open(Page::Popup).await?;
    finishes(&stage, &view).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_again_and_again_do_not_pile_up() -> Result<()> {
    let stage = held_half_way().await?;
    let view = stage.open(Page::Manager).await?;
    let committed = view.wait_for_committed(SIZE / 4).await?;
    let open = stage.proxy.open();
    for _ in 0..3 {
        let before = stage.proxy.accepted();
        stage.proxy.cut();
        until("a new connection", SHORT, async || Ok((stage.proxy.accepted() > before).then_some(()))).await?;
    }
    let before = stage.proxy.passed();
    stage.proxy.release();
    // The open connections belong to the transfers that resumed. None is left over from a cut.
    until("the rest to come", LONG, async || {
        ensure!(stage.proxy.open() <= open, "{} connections are open, {open} were before", stage.proxy.open());
        Ok((stage.proxy.passed() >= before + SIZE / 2).then_some(()))
    })
    .await?;
    finishes(&stage, &view).await?;
    committed.check_rest(SIZE, stage.proxy.passed() - before, MIB / 2)?;
    Ok(())
}

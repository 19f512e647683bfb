//! The queue as a whole: actions on all transfers, and their order.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Page, Row, Stage, View};
use wstp_testkit::{Contents, LONG, until};

const MIB: u64 = 1 << 20;

fn in_state(rows: &[Row], state: &str) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

/// Lets only one transfer run at a time.
async fn one_at_a_time(stage: &Stage) -> Result<()> {
    let manager = stage.open(Page::Manager).await?;
    set_number(&manager, "Fewer", &["2", "1"]).await?;
    manager.close().await
}

/// Changes how many run at once by one each time, with `button`, to these numbers.
async fn set_number(manager: &View<'_>, button: &str, numbers: &[&str]) -> Result<()> {
    manager.click("[data-testid=open-settings]").await?;
    for shown in numbers {
        manager.click(&format!("[role=group]:has([data-testid=set-transfers]) [aria-label={button}]")).await?;
        manager.wait_for_content("[data-testid=set-transfers]", shown).await?;
    }
    manager.click("[data-testid=close-sheet]").await
}

/// Records the order in which transfers leave the queue, as soon as the page learns of it.
const WATCH: &str = "const seen = []; document.body.begun = seen; const look = () => { \
    for (const { dataset: row } of document.querySelectorAll('[data-testid=transfer]')) \
        if (row.state != 'queued' && !seen.includes(row.name)) seen.push(row.name); \
    }; new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true }); look()";
const BEGUN: &str = "return document.body.begun";

/// Moves a waiting transfer by one place, and waits until all wait in this order.
async fn step(view: &View<'_>, name: &str, button: &str, turns: &[&str]) -> Result<()> {
    let rows = view.rows().await?;
    let row = rows.into_iter().find(|row| row.name == name).with_context(|| format!("{name} has no row"))?;
    view.expand(&row).await?;
    view.press(&row, button).await?;
    wait_for_turns(view, turns).await
}

/// Waits until the transfers wait in this order, by the words of their rows.
async fn wait_for_turns(view: &View<'_>, turns: &[&str]) -> Result<()> {
    view.wait_for_rows(&format!("the order {turns:?}"), |rows| {
        let says = |name: &str, words: &str| rows.iter().any(|row| row.name == name && row.text.contains(words));
        let words = |place: usize| match place {
            0 => "Next in line".to_owned(),
            place => format!("Number {} in line", place + 1),
        };
        turns.iter().enumerate().all(|(place, name)| says(name, &words(place))).then_some(())
    })
    .await
}

/// How many run and how many wait for their turn.
fn running_and_queued(rows: &[Row]) -> (usize, usize) {
    let running = ["starting", "downloading", "verifying"].iter().map(|state| in_state(rows, state)).sum();
    (running, in_state(rows, "queued"))
}

/// Waits until this many run and this many wait, with a worker for each that runs. Checks that it stays so while more
/// data passes.
async fn stays_at(stage: &Stage, view: &View<'_>, running: usize, queued: usize) -> Result<()> {
    let wanted = (running, queued);
    view.wait_for_rows(&format!("{running} to run"), |rows| (running_and_queued(rows) == wanted).then_some(())).await?;
    let goal = stage.proxy.passed() + MIB;
    until("more to pass", LONG, async || {
        let now = running_and_queued(&view.rows().await?);
        ensure!(now == wanted, "{} run and {} wait, instead of {running} and {queued}", now.0, now.1);
        Ok((stage.proxy.passed() >= goal).then_some(()))
    })
    .await?;
    let clocks = stage.browser()?.clocks().await?;
    let workers = clocks.names().iter().filter(|name| **name == "transfer").count();
    ensure!(workers == running, "{running} transfers run, in {workers} workers");
    Ok(())
}

async fn ask_for_all(stage: &Stage, view: &View<'_>, files: &[(&str, u64)], hold: u64) -> Result<()> {
    view.wait_for_name(files[0].0).await?;
    stage.proxy.hold_after(hold);
    for (name, _) in files {
        view.download(name).await?;
    }
    view.show_transfers().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_all_stops_everything_and_resume_all_brings_every_file_whole() -> Result<()> {
    let files =
        [("1.bin", 6 * MIB), ("2.bin", 5 * MIB + 1), ("3.bin", 4 * MIB), ("4.bin", 3 * MIB), ("5.bin", MIB - 1)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open_connected().await?;
    ask_for_all(&stage, &view, &files, 2 * MIB).await?;
    stage.proxy.held().await?;
    view.click("[data-testid=pause-all]").await?;
    view.wait_for_rows("all to be paused", |rows| (in_state(rows, "paused") == 5).then_some(())).await?;
    stage.proxy.release();
    stage.proxy.until_quiet(Duration::from_secs(2)).await?;
    ensure!(stage.proxy.passed() < 4 * MIB, "{} bytes passed although all is paused", stage.proxy.passed());
    view.click("[data-testid=resume-all]").await?;
    for (name, _) in files {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_moved_to_the_top_is_the_next_to_begin() -> Result<()> {
    let files = [("1.bin", 4 * MIB), ("2.bin", MIB), ("3.bin", MIB), ("4.bin", MIB)];
    let stage = Stage::serving(&files).await?;
    one_at_a_time(&stage).await?;
    let view = stage.open_connected().await?;
    ask_for_all(&stage, &view, &files, MIB).await?;
    let queued = |rows: &[Row]| (in_state(rows, "queued") == 3).then(|| rows.to_vec());
    let rows = view.wait_for_rows("three to wait", queued).await?;
    let last = rows.into_iter().find(|row| row.name == "4.bin").expect("4.bin waits");
    view.press(&last, "first").await?;
    view.wait_for_text("Next in line").await?;
    view.wait_for_rows("4.bin to come next", |rows| {
        rows.iter().any(|row| row.name == "4.bin" && row.text.contains("Next in line")).then_some(())
    })
    .await?;
    // When the first is complete, the next one has only its first bytes.
    stage.proxy.hold_after(3 * MIB + MIB / 4);
    let row = view.wait_for_state("1.bin", &["complete"]).await?;
    ensure!(row.state == "complete");
    view.wait_for_rows("4.bin to be under way", |rows| {
        let state = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.state.clone());
        let waits = [state("2.bin"), state("3.bin")].iter().all(|state| state.as_deref() == Some("queued"));
        (waits && ["starting", "downloading", "complete"].contains(&state("4.bin")?.as_str())).then_some(())
    })
    .await?;
    stage.proxy.release();
    for (name, _) in files {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_retried_all_at_once_and_arrives() -> Result<()> {
    let names = ["x.bin", "y.bin"];
    let stage = Stage::serving(&names.map(|name| (name, MIB))).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("y.bin").await?;
    for name in names {
        fs::remove_file(stage.folder().join(name))?;
        view.download(name).await?;
    }
    view.show_transfers().await?;
    view.wait_for_rows("both to fail", |rows| (in_state(rows, "failed") == 2).then_some(())).await?;
    for name in names {
        Contents::new(name, MIB).write(&stage.folder().join(name))?;
    }
    view.click("[data-testid=retry-all]").await?;
    view.wait_for_rows("both to be taken up", |rows| (in_state(rows, "failed") == 0).then_some(())).await?;
    for name in names {
        let saved = view.save(name).await?;
        stage.check_saved(name, &saved)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_queue_can_be_changed_and_outlive_the_browser() -> Result<()> {
    let files = ["1.bin", "2.bin", "3.bin", "4.bin", "5.bin"].map(|name| (name, MIB));
    let mut stage = Stage::serving(&files).await?;
    one_at_a_time(&stage).await?;
    {
        let view = stage.open(Page::Manager).await?;
        view.connect(&stage.address()).await?;
        ask_for_all(&stage, &view, &files, MIB / 4).await?;
        wait_for_turns(&view, &["2.bin", "3.bin", "4.bin", "5.bin"]).await?;
        step(&view, "2.bin", "later", &["3.bin", "2.bin", "4.bin", "5.bin"]).await?;
        step(&view, "5.bin", "earlier", &["3.bin", "2.bin", "5.bin", "4.bin"]).await?;
    }
    stage.kill_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    let moved = ["3.bin", "2.bin", "5.bin", "4.bin"];
    wait_for_turns(&view, &moved).await?;
    view.run(WATCH, json!([])).await?;
    // So slow that the page learns of each.
    stage.proxy.limit_rate(3 * MIB);
    stage.proxy.release();
    view.wait_for_rows("all to be complete", |rows| (in_state(rows, "complete") == 5).then_some(())).await?;
    let begun: Vec<String> = serde_json::from_value(view.run(BEGUN, json!([])).await?)?;
    ensure!(begun[0] == "1.bin" && begun[1..] == moved, "they began in the order {begun:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_transfers_three_run_a_higher_number_starts_another_and_a_lower_one_stops_none() -> Result<()> {
    let files = ["1.bin", "2.bin", "3.bin", "4.bin", "5.bin"].map(|name| (name, 24 * MIB));
    let stage = Stage::serving(&files).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    // So slow that none ends.
    stage.proxy.limit_rate(MIB);
    ask_for_all(&stage, &view, &files, u64::MAX / 2).await?;
    stays_at(&stage, &view, 3, 2).await?;
    set_number(&view, "More", &["4"]).await?;
    stays_at(&stage, &view, 4, 1).await?;
    set_number(&view, "Fewer", &["3", "2"]).await?;
    stays_at(&stage, &view, 4, 1).await?;
    // A waiting transfer has no turn before fewer than two run.
    for name in ["1.bin", "2.bin"] {
        let row = view.wait_for_state(name, &["downloading"]).await?;
        view.press(&row, "pause").await?;
    }
    stays_at(&stage, &view, 2, 1).await?;
    ensure!(stage.proxy.passed() < 24 * MIB, "one may have ended");
    Ok(())
}

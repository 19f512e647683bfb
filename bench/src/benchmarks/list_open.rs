//! How soon a folder of 100,000 files can be seen: from the click until its first rows are drawn, and until all of it is
//! there.
//!
//! The server has listed the folder before, so that the kernel's cache knows it. The time of the page counts, and that
//! of every part behind it.

use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Browser, Extension, Page, View};
use wstp_testkit::{LONG, until};

use crate::Plan;
use crate::browser::Place;
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;

const FOLDER: &str = "many";
/// Files in the folder. A quick run has as many: fewer would be another question.
const FILES: usize = 100_000;

/// Clicks the folder. Notes when a row of it is drawn, and when the count of all files is.
const OPEN: &str = "const [folder, words] = arguments; \
    const bench = window.bench = {}; \
    const entry = (name) => document.querySelector(`[data-testid=\"entry\"][data-name=\"${name}\"]`); \
    const row = entry(folder); \
    const began = performance.now(); \
    const look = () => { \
        const took = performance.now() - began; \
        if (bench.first === undefined && entry('file-00000.bin')) bench.first = took; \
        if ([...document.querySelectorAll('[role=\"status\"]')].some((status) => status.innerText === words)) { \
            bench.whole = took; watching.disconnect(); \
        } \
    }; \
    const watching = new MutationObserver(look); \
    watching.observe(document, { subtree: true, childList: true, characterData: true }); \
    row.click();";

/// Milliseconds until the first rows, and until all.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let folder = corpus.dir().join(FOLDER);
    fs::create_dir(&folder)?;
    for number in 0..FILES {
        File::create(folder.join(format!("file-{number:05}.bin")))?;
    }
    let server = Server::start(&corpus, &[]).await?;
    let place = Place::new()?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.connect(&server.address().to_string()).await?;
    open(&view).await.context("the first time")?;
    let [mut first, mut whole] = [Series::default(), Series::default()];
    for _ in plan.rounds() {
        let (rows, all) = open(&view).await?;
        first.push(rows);
        whole.push(all);
    }
    browser.kill().await?;
    Ok(vec![first, whole])
}

/// Opens the folder and goes back.
async fn open(view: &View<'_>) -> Result<(f64, f64)> {
    view.wait_for_name(FOLDER).await?;
    view.run(OPEN, json!([FOLDER, "100,000 files"])).await?;
    let times = until("all of the folder", LONG, async || {
        let times = view.run("return [window.bench.first, window.bench.whole]", json!([])).await?;
        Ok(times[1].as_f64().map(|whole| (times[0].as_f64(), whole)))
    });
    let (first, whole) = times.await?;
    let first = first.context("no row was drawn")?;
    ensure!(first <= whole, "the rows came after all of them");
    view.back().await?;
    Ok((first, whole))
}

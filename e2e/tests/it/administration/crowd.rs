//! Many clients on the administration page.

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use wstp_e2e::{Appearance, Stage, View};
use wstp_protocol::BlockRun;
use wstp_testkit::{LONG, Visitor, until};

use super::{PHONE, WIDE, enter, look};

const CLIENTS: usize = 1000;
/// Most rows that the page draws at once.
const MOST_ROWS: u64 = 60;
const LINES: &str = "max_connections = 1100\n[shares.films]\npath = \"FOLDER/films\"\npublic = true\n";
/// The rows, those in sight, the parts of the window without a row, and the different heights of rows.
const ROWS: &str = "const rows = [...document.querySelectorAll('[data-testid=client]')];
    const boxes = rows.map((row) => row.getBoundingClientRect());
    const at = (y) => document.elementFromPoint(innerWidth / 2, y)?.closest('[data-testid=client]');
    return { drawn: rows.length,
        heights: new Set(boxes.map((box) => Math.round(box.height))).size,
        first: rows.at(0)?.ariaRowIndex, last: rows.at(-1)?.ariaRowIndex,
        filled: [0.4, 0.6, 0.8].every((part) => at(innerHeight * part)) }";

/// Takes as many descriptors as the system allows.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _as_before = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Scrolls to a part of the page, from 0 to 1, and returns the numbers of the first and the last row drawn there.
async fn scroll(page: &View<'_>, part: f64) -> Result<(usize, usize)> {
    page.run("scrollTo(0, arguments[0] * (document.body.scrollHeight - innerHeight))", json!([part])).await?;
    until("rows where the page is scrolled to", LONG, async || {
        let rows = page.run(ROWS, json!([])).await?;
        ensure!(rows["drawn"].as_u64().is_some_and(|drawn| drawn <= MOST_ROWS), "too many rows: {rows}");
        ensure!(rows["heights"].as_u64() <= Some(1), "rows of different heights: {rows}");
        let number = |name: &str| rows[name].as_str().and_then(|number| number.parse().ok());
        Ok((rows["filled"] == json!(true)).then(|| number("first").zip(number("last"))).flatten())
    })
    .await
}

/// Waits until a script gives this.
async fn told(page: &View<'_>, script: &str, expected: Value) -> Result<()> {
    until(&format!("{expected} from {script}"), LONG, async || {
        Ok((page.run(script, json!([])).await? == expected).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_scroll_and_show_what_they_were_sent() -> Result<()> {
    raise_descriptors();
    let stage = Stage::configured(&[("films/film.bin", 16 << 20)], LINES).await?;
    let page = enter(&stage).await?;
    page.click("[data-testid=tab-clients]").await?;
    page.wait_for_words("Nobody is connected").await?;
    let mut crowd = Visitor::crowd(CLIENTS, stage.server.address(), "films/film.bin").await?;
    let counted = "return document.querySelector('[data-testid=clients-table]').getAttribute('aria-rowcount')";
    told(&page, counted, json!((CLIENTS + 1).to_string())).await?;
    // Two of the 64 parts of the file, and half of the next.
    crowd[0].fetch(BlockRun { first: 1024, count: 32 }).await?;
    crowd[1].fetch(BlockRun { first: 1056, count: 32 }).await?;
    crowd[2].fetch(BlockRun { first: 1088, count: 16 }).await?;
    let map = "return document.querySelector('[data-testid=sent-strip] .map-verified').getAttribute('d')";
    told(&page, map, json!("M32 0h1v9h-1zM33 0h1v9h-1zM34 5h1v4h-1z")).await?;
    told(&page, "return document.querySelector('[data-testid=sent-strip]').ariaLabel", json!("3 % sent")).await?;
    for size in [WIDE, PHONE] {
        page.resize(size).await?;
        ensure!(scroll(&page, 0.0).await?.0 == 2, "the first client is the second row, after the head");
        let (first, last) = scroll(&page, 0.5).await?;
        ensure!(first < CLIENTS / 2 && last > CLIENTS / 2, "the middle shows rows {first} to {last}");
        ensure!(scroll(&page, 1.0).await?.1 == CLIENTS + 1, "the last client is the last row");
    }
    look(&page, "crowd").await?;
    page.picture("admin-crowd-wide", Appearance::Forced).await?;
    drop(crowd);
    page.wait_for_words("Nobody is connected").await?;
    stage.browser()?.check_no_panic()
}

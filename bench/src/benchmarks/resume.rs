//! A killed browser: how soon blocks arrive again after a restart, and how much of the file is fetched twice.
//!
//! The time begins with the start of Chromium's process and ends when a mebibyte has arrived, so it includes Chromium's
//! own start. Until then nothing controls that browser. chromedriver takes both processors for a while when it starts,
//! so it starts only afterwards. Bytes are counted between server and browser. Bytes beyond the file and its hashes are
//! bytes fetched again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use wstp_e2e::{Browser, Chromium, Extension, Page, View};
use wstp_testkit::{Proxy, until};

use crate::browser::Place;
use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::ours::Server;
use crate::{GIB, MIB, Plan};

/// When the browser is killed, in percent of the file.
const KILLED_AT: u64 = 90;
/// The bytes that count as "blocks arrive", however large the handshakes and hashes are.
const FLOWS: u64 = MIB;
/// The longest a part of the download may take.
const LIMIT: Duration = Duration::from_secs(1200);

/// Milliseconds, and the share of the file that came twice.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("large.bin", plan.bytes(8 * GIB))?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let [mut ready, mut again] = <[Series; 2]>::default();
    for _ in plan.rounds() {
        let round = round(&server, &source).await?;
        ready.push(round.0);
        again.push(round.1);
    }
    Ok(vec![ready, again])
}

async fn round(server: &Server, source: &Source) -> Result<(f64, f64)> {
    let (place, extension) = (Place::new()?, Extension::built()?);
    let proxy = Proxy::start(server.address()).await?;
    let browser = Browser::launch(&place.profile, &extension).await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.connect(&proxy.address().to_string()).await?;
    let mark = source.size / 100 * KILLED_AT;
    proxy.hold_after(mark);
    view.download(&source.name).await?;
    passed(&proxy, mark).await?;
    browser.kill().await?;
    // Data still under way to the dead browser must not count for the next one.
    until("the dead browser's connections to end", LIMIT, async || Ok((proxy.open() == 0).then_some(()))).await?;

    proxy.release();
    let before = proxy.passed();
    let began = Instant::now();
    let mut chromium = Chromium::start(&place.profile, &extension)?;
    chromium.listens().await?;
    let up = began.elapsed();
    passed(&proxy, before + FLOWS).await?;
    let flows = began.elapsed();
    eprintln!("bench: started again: Chromium is up after {up:.2?}, blocks flow after {flows:.2?}");
    let browser = chromium.control().await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.wait_for_state(&source.name, &["complete"]).await?;
    let fetched = proxy.passed();
    place.check_sandbox(source)?;
    browser.kill().await?;
    let hashes = source.size / 256;
    let twice = fetched.saturating_sub(source.size + hashes);
    Ok((flows.as_secs_f64() * 1000.0, twice as f64 / source.size as f64))
}

async fn passed(proxy: &Proxy, bytes: u64) -> Result<()> {
    let arrived = until("enough to come over", LIMIT, async || Ok((proxy.passed() >= bytes).then_some(())));
    arrived.await.context("the download stands still")
}

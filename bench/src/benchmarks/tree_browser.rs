//! A folder of many small files: the extension's download of all of it into the sandbox beside six `fetch`es at a time from nginx, each written to a file of
//! its own in the sandbox. The peer is told the names and spared the listing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use wstp_e2e::{Browser, Extension, Page, View, hash_file};
use wstp_engine::tree::journal::{Form, replay};

use crate::Plan;
use crate::browser::{FETCH, Place, Stalled, files_of_size, seconds_in};
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;
use crate::peers::Peer;
use crate::plan::in_turn;

use super::tree_cli::{FILES, SIZE, plant};

/// The folder in which the files are.
const FOLDER: &str = "all";
/// As many as a browser opens to one server.
const CONNECTIONS: u32 = 6;
/// A run of the peer that Chromium lets stall is begun anew, and not counted.
const TRIES: u32 = 3;
/// The first bytes of a folder's journal.
const JOURNAL: &[u8] = b"WSTPTREE";

/// Clicks the folder's button and notes when its row says complete.
const CLICK: &str = "const [name] = arguments; \
    const find = (id, inner = '') => document.querySelector(`[data-testid=\"${id}\"][data-name=\"${name}\"] ${inner}`); \
    const bench = window.bench = {}; \
    const began = performance.now(); \
    const look = () => { \
        const row = find('transfer'); \
        if (row?.dataset.state === 'failed') bench.error = row.innerText; \
        if (row?.dataset.state === 'complete') bench.seconds ??= (performance.now() - began) / 1000; \
    }; \
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true }); \
    find('entry', '[data-testid=\"download-folder\"]').click();";

/// The peer's time over ours.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let names = plant(&corpus, FOLDER, plan.bytes(FILES))?;
    let server = Server::start(&corpus, &[]).await?;
    let nginx = Peer::nginx(&corpus).await?;
    let urls: Vec<_> = names.iter().map(|name| nginx.url(name)).collect();
    let mut series = Series::default();
    for round in plan.rounds() {
        let (ours, peer) =
            in_turn(round, async || ours(&server, &corpus, &names).await, async || peer(&urls, &corpus, &names).await)
                .await?;
        eprintln!("bench: {} files into the sandbox: ours {ours:.2} s, six fetches {peer:.2} s", names.len());
        series.push(peer / ours);
    }
    Ok(vec![series])
}

async fn ours(server: &Server, corpus: &Corpus, names: &[String]) -> Result<f64> {
    let place = Place::new()?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.connect(&server.address().to_string()).await?;
    view.wait_for_name(FOLDER).await?;
    view.run(CLICK, json!([FOLDER])).await?;
    let (seconds, _) = seconds_in(&view, FOLDER).await?;
    check_pack(&place.sandbox(), corpus, names)?;
    browser.kill().await?;
    Ok(seconds)
}

async fn peer(urls: &[String], corpus: &Corpus, names: &[String]) -> Result<f64> {
    for _ in 1..TRIES {
        match try_peer(urls, corpus, names).await {
            Err(error) if error.is::<Stalled>() => eprintln!("bench: six fetches: {error}, beginning anew"),
            result => return result,
        }
    }
    try_peer(urls, corpus, names).await
}

async fn try_peer(urls: &[String], corpus: &Corpus, names: &[String]) -> Result<f64> {
    let place = Place::new()?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.run(FETCH, json!([{ "urls": urls, "streams": CONNECTIONS }])).await?;
    let (seconds, written) = seconds_in(&view, "the folder").await?;
    ensure!(written == Some(names.len() as u64 * SIZE), "{written:?} bytes were written");
    let found: Vec<_> =
        files_of_size(&place.sandbox(), SIZE)?.iter().map(|file| hash_file(file)).collect::<Result<_>>()?;
    let found: BTreeSet<_> = found.into_iter().collect();
    for name in names {
        ensure!(found.contains(&hash_file(&corpus.dir().join(name))?), "{name} did not arrive");
    }
    browser.kill().await?;
    Ok(seconds)
}

/// Fails unless the pack in the sandbox has every file where the journal says.
fn check_pack(sandbox: &Path, corpus: &Corpus, names: &[String]) -> Result<()> {
    let packs = files_of_size(sandbox, names.len() as u64 * SIZE)?;
    let [pack] = packs.as_slice() else { bail!("the sandbox has {} packs instead of one", packs.len()) };
    let (pack, (recovered, _)) = (fs::read(pack)?, replay(&fs::read(journal_in(sandbox)?)?));
    let stored: BTreeMap<_, _> = recovered
        .stored()
        .filter_map(|(file, stored)| Some((recovered.path(file)?.to_string(), stored.form)))
        .collect();
    for name in names {
        let inner = name.strip_prefix(FOLDER).unwrap_or(name).trim_start_matches('/');
        let Some(Form::Packed(place)) = stored.get(inner) else { bail!("{name} did not arrive") };
        let bytes = pack.get(place.offset as usize..(place.offset + place.length) as usize);
        let wanted = fs::read(corpus.dir().join(name))?;
        ensure!(bytes == Some(wanted.as_slice()), "{name} arrived with other bytes");
    }
    Ok(())
}

fn journal_in(sandbox: &Path) -> Result<PathBuf> {
    let mut folders = vec![sandbox.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(JOURNAL)) {
                return Ok(path);
            }
        }
    }
    None.context("the sandbox has no folder's journal")
}

//! The extension's download of the folder into the sandbox. Its peer is six `fetch`es at a time from nginx, each
//! written to its own file in the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use wstp_e2e::{Browser, Extension, Page, View};
use wstp_engine::folder::journal::{Form, replay};
use wstp_testkit::hash_file;

use crate::browser::{FETCH, Place, files_of_size, seconds_in};

use super::{CONNECTIONS, FOLDER, SIZE, Share};

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

/// Seconds from the click to the row that says complete.
pub async fn ours(share: &Share) -> Result<f64> {
    let place = Place::at(share.files.folder()?)?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    view.connect(&share.ours.address().to_string()).await?;
    view.wait_for_name(FOLDER).await?;
    view.run(CLICK, json!([FOLDER])).await?;
    let (seconds, _) = seconds_in(&view, FOLDER).await?;
    check_pack(&place.sandbox(), share)?;
    browser.kill().await?;
    Ok(seconds)
}

/// Seconds that the six fetches take.
pub async fn peer(share: &Share) -> Result<f64> {
    let place = Place::at(share.files.folder()?)?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    let urls: Vec<_> = share.files.names.iter().map(|name| share.nginx.url(name)).collect();
    view.run(FETCH, json!([{ "urls": urls, "streams": CONNECTIONS }])).await?;
    let (seconds, written) = seconds_in(&view, "the folder").await?;
    ensure!(written == Some(share.files.names.len() as u64 * SIZE), "{written:?} bytes were written");
    let found: Vec<_> =
        files_of_size(&place.sandbox(), SIZE)?.iter().map(|file| hash_file(file)).collect::<Result<_>>()?;
    let found: BTreeSet<_> = found.into_iter().collect();
    for name in &share.files.names {
        ensure!(found.contains(&hash_file(&share.files.corpus.dir().join(name))?), "{name} did not arrive");
    }
    browser.kill().await?;
    Ok(seconds)
}

/// Fails unless the pack in the sandbox has every file at the place that the journal says.
fn check_pack(sandbox: &Path, share: &Share) -> Result<()> {
    let packs = files_of_size(sandbox, share.files.names.len() as u64 * SIZE)?;
    let [pack] = packs.as_slice() else { bail!("the sandbox has {} packs instead of one", packs.len()) };
    let (pack, (recovered, _)) = (fs::read(pack)?, replay([fs::read(journal_in(sandbox)?)?.as_slice(), &[]]));
    let stored: BTreeMap<_, _> = recovered
        .stored()
        .filter_map(|(file, stored)| Some((recovered.path(file)?.to_string(), stored.form)))
        .collect();
    for name in &share.files.names {
        let inner = name.strip_prefix(FOLDER).unwrap_or(name).trim_start_matches('/');
        let Some(Form::Packed(place)) = stored.get(inner) else { bail!("{name} did not arrive") };
        let bytes = pack.get(place.offset as usize..(place.offset + place.length) as usize);
        let wanted = fs::read(share.files.corpus.dir().join(name))?;
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

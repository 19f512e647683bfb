//! A Chromium that downloads: with the extension, with `fetch` into the same sandbox, or with its own downloads.
//!
//! Each download has a new browser with a new profile. After the clock has stopped, the received data is read from the
//! profile's files and compared. The page takes the time, from the click until the state is shown. So the cost of the
//! views and their messages counts as ours.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use wstp_e2e::{Browser, Extension, Memory, MemoryWatch, Page, Profile, View};
use wstp_testkit::{Tree, until};

use crate::corpus::Source;
use crate::cost::cpu_by_role;

/// The longest a download may take.
const LIMIT: Duration = Duration::from_secs(1200);

/// Clicks the file, and `save` if it is to be saved. Notes when it is in the last state.
const CLICK: &str = "const [name, last] = arguments; \
    const find = (id) => document.querySelector(`[data-testid=\"${id}\"][data-name=\"${name}\"]`); \
    const bench = window.bench = {}; \
    const began = performance.now(); \
    const look = () => { \
        const row = find('transfer'); \
        const state = row?.dataset.state; \
        if (state === 'failed') bench.error = row.innerText; \
        if (state === 'complete' && last === 'saved' && !bench.pressed) { \
            const save = row.querySelector('[data-testid=\"save\"]'); \
            if (save && !save.disabled) { bench.pressed = true; save.click(); } \
        } \
        if (state === last && bench.seconds === undefined) bench.seconds = (performance.now() - began) / 1000; \
    }; \
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true }); \
    find('entry').click();";

/// Starts the worker that fetches. bench-fetch.js takes its task.
pub const FETCH: &str = "const [task] = arguments; \
    window.bench = {}; \
    const worker = new Worker('bench-fetch.js'); \
    worker.onmessage = ({ data }) => Object.assign(window.bench, data); \
    worker.onerror = (event) => { window.bench.error = event.message || 'bench-fetch.js is missing'; }; \
    worker.postMessage(task);";

/// Starts one of Chromium's own downloads.
const NATIVE: &str = "const [url] = arguments; \
    const bench = window.bench = {}; \
    const began = performance.now(); \
    chrome.downloads.onChanged.addListener(({ state, error }) => { \
        if (error) bench.error = error.current; \
        if (state?.current === 'complete') bench.seconds = (performance.now() - began) / 1000; \
    }); \
    chrome.downloads.download({ url }).catch((error) => { bench.error = String(error); });";

/// How the bytes reach the disk.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// Our extension from our server, into the sandbox.
    Ours(SocketAddr),
    /// The same, and saved to the user's folder.
    OursSaved(SocketAddr),
    /// `fetch` into the sandbox, with this many streams at once.
    Fetch(&'a str, u32),
    /// Chromium's own download.
    Native(&'a str),
}

/// The cost of a download.
#[derive(Clone, Debug)]
pub struct Took {
    /// From the click to the end, in seconds.
    pub wall: f64,
    /// Processor time of the browser's processes and the server, in seconds, by their purpose.
    pub processor: BTreeMap<String, f64>,
    /// How much the extension's processes grew at most, in bytes.
    pub growth: u64,
}

impl Took {
    /// All processor time, in seconds.
    pub fn processors(&self) -> f64 {
        self.processor.values().sum()
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, processors {:.2} s", self.wall, self.processors())?;
        let mut worth_saying = self.processor.iter().filter(|(_, seconds)| **seconds >= 0.05);
        worth_saying.try_for_each(|(role, seconds)| write!(f, " {role} {seconds:.2}"))
    }
}

/// Downloads a file in a new browser and compares the result. The processor time of `server` counts.
///
/// # Errors
///
/// When the received file differs.
pub async fn download(way: Way<'_>, source: &Source, server: Tree) -> Result<Took> {
    let place = Place::new()?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    let view = View::open(&browser, Page::Manager).await?;
    if let Way::Ours(address) | Way::OursSaved(address) = way {
        view.connect(&address.to_string()).await?;
        view.wait_for_name(&source.name).await?;
    }
    let trees = [browser.processes()?, server];
    let processor = || -> Result<BTreeMap<String, f64>> {
        let [browser, server] = trees.map(cpu_by_role);
        Ok(browser?.into_iter().chain(server?).collect())
    };
    let (memory, watch) = (Memory::of_extension(trees[0]).proportional, MemoryWatch::start(trees[0]));
    let mut spent = processor()?;
    start(&view, way, source).await?;
    let wall = finished(&view, source).await?;
    let before = std::mem::replace(&mut spent, processor()?);
    before.iter().for_each(|(role, seconds)| *spent.entry(role.clone()).or_default() -= seconds);
    let took = Took { wall, processor: spent, growth: watch.most().saturating_sub(memory) };
    drop(watch);
    match way {
        Way::Ours(_) | Way::Fetch(..) => place.check_sandbox(source)?,
        Way::OursSaved(_) | Way::Native(_) => source.check(&place.profile.downloads().join(&source.name))?,
    }
    browser.kill().await?;
    Ok(took)
}

async fn start(view: &View<'_>, way: Way<'_>, source: &Source) -> Result<()> {
    let (script, arguments) = match way {
        Way::Ours(_) => (CLICK, json!([source.name, "complete"])),
        Way::OursSaved(_) => (CLICK, json!([source.name, "saved"])),
        Way::Fetch(url, streams) => (FETCH, json!([{ "url": url, "size": source.size, "streams": streams }])),
        Way::Native(url) => (NATIVE, json!([url])),
    };
    view.run(script, arguments).await.map(drop)
}

/// Seconds it took, by the page's clock.
async fn finished(view: &View<'_>, source: &Source) -> Result<f64> {
    let (seconds, written) = seconds_in(view, &source.name).await?;
    if let Some(written) = written {
        ensure!(written == source.size, "{written} of {} bytes were written", source.size);
    }
    Ok(seconds)
}

/// Waits for the end of the action in a page. Gives seconds by the page's clock, and bytes written if the page counts
/// them.
///
/// # Errors
///
/// When it fails or does not end in time.
pub async fn seconds_in(view: &View<'_>, name: &str) -> Result<(f64, Option<u64>)> {
    let mut seen = Value::Null;
    let seconds = until(&format!("{name} to arrive"), LIMIT, async || {
        seen = view.run("return window.bench", json!([])).await?;
        if let Some(error) = seen["error"].as_str() {
            bail!("{name} does not arrive: {error}");
        }
        Ok(seen["seconds"].as_f64())
    })
    .await?;
    Ok((seconds, seen["written"].as_u64()))
}

/// A profile and a folder for downloads, in a folder that is removed with this.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
    /// The profile.
    pub profile: Profile,
}

impl Place {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When there is no room.
    pub fn new() -> Result<Self> {
        Self::at(tempfile::tempdir().context("no room for a profile")?)
    }

    /// One in this folder.
    ///
    /// # Errors
    ///
    /// When there is no room.
    pub fn at(root: TempDir) -> Result<Self> {
        let profile = Profile::unwatched(root.path(), &root.path().join("downloads"))?;
        Ok(Self { root, profile })
    }

    /// The folder in which Chromium keeps the sandbox, among other things.
    pub fn sandbox(&self) -> PathBuf {
        self.root.path().join("chromium/Default")
    }

    /// Fails unless the sandbox has one file of the source's size, with its bytes.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check_sandbox(&self, source: &Source) -> Result<()> {
        let found = files_of_size(&self.sandbox(), source.size)?;
        match found.as_slice() {
            [only] => source.check(only),
            others => bail!("the sandbox has {} files of {} bytes instead of one", others.len(), source.size),
        }
    }
}

/// The files of a size in a folder, at any depth.
///
/// # Errors
///
/// When it can't be read.
pub fn files_of_size(folder: &Path, size: u64) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))? {
            let entry = entry?;
            // The browser runs. It may have removed entries meanwhile; they are no match.
            match entry.metadata() {
                Ok(about) if about.is_dir() => folders.push(entry.path()),
                Ok(about) if about.len() == size => found.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_size_in_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("one"), "12345").unwrap();
        fs::write(folder.path().join("other"), "1234").unwrap();
        assert_eq!(files_of_size(folder.path(), 5).unwrap(), [deep.join("one")]);
    }
}

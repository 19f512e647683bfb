//! Complete copies in the sandbox that changed after they were verified: by another program, or by the disk without a
//! trace.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::{Page, Row, Stage, View, sandbox};

use super::storage::{MIB, touch};

/// A change to a stored file of a complete transfer.
struct Case {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    /// Bytes that are wrong then.
    wrong: u64,
}

const fn case(name: &'static str, path: &'static str, kind: &'static str, wrong: u64) -> Case {
    Case { name, path, kind, wrong }
}

const FILE: u64 = 4 * MIB;
/// More than what is known to be wrong may come again: what was on its way twice, and the hashes.
const MORE: u64 = MIB;
/// Bytes that idle connections exchange.
const LITTLE: u64 = 1000;
const PACKED: u64 = 40_000;
const CASES: [Case; 8] = [
    case("overwritten.bin", "data", "overwritten", 100_000),
    case("cut.bin", "data", "cut", FILE - 8192),
    case("unsealed.bin", "seal", "gone", 0),
    case("seal.bin", "seal", "garbage", 0),
    case("journal.bin", "journal", "garbage", 0),
    case("about.bin", "about", "garbage", 0),
    case("packs", "pack", "overwritten", PACKED),
    case("large", "large/0/data", "overwritten", 100_000),
];
const CHECKED: &str = "The browser's copy may have changed since it was verified.";
const WRONG: &str = "Part of the browser's copy changed after it was verified.";

/// Presses Save. Fails unless the extension fetches the wrong blocks again, and only those, before it saves.
async fn is_mended(stage: &Stage, view: &View<'_>, name: &str, wrong: u64) -> Result<()> {
    let row = view.wait_for_state(name, &["complete"]).await?;
    let before = stage.proxy.passed();
    let fetches = wrong > 0;
    if fetches {
        stage.proxy.hold_after(0);
    }
    view.press(&row, "save").await?;
    if fetches {
        let is_told = |row: &&Row| row.name == name && [CHECKED, WRONG].iter().any(|words| row.text.contains(words));
        let told = |rows: &[Row]| rows.iter().find(is_told).cloned();
        let row = view.wait_for_rows("the reason to be told", told).await?;
        ensure!(!["saved", "complete"].contains(&row.state.as_str()), "{row:?}");
        stage.proxy.release();
    }
    view.wait_for_state(name, &["saved"]).await?;
    let again = stage.proxy.passed() - before;
    let most = wrong + if fetches { MORE } else { LITTLE };
    ensure!((wrong..=most).contains(&again), "{again} bytes came again, {wrong} were wrong");
    match name.ends_with(".bin") {
        true => stage.check_saved(name, &stage.downloads().join(name)),
        false => stage.check_saved_folder(name),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_copy_that_was_changed_is_mended_before_it_is_saved() -> Result<()> {
    const AWAY: &str = "away.bin";
    let files = CASES.iter().filter(|case| case.name.ends_with(".bin")).map(|case| (case.name, FILE));
    let packs = [("packs/a", PACKED), ("packs/b", PACKED), ("packs/c", PACKED), ("large/b", FILE), ("large/small", 9)];
    let served: Vec<_> = files.clone().chain(packs).chain([(AWAY, FILE)]).collect();
    let mut stage = Stage::serving(&served).await?;
    {
        let view = stage.open(Page::Manager).await?;
        view.connect(&stage.address()).await?;
        for (name, _) in files.clone().chain([(AWAY, FILE)]) {
            view.download(name).await?;
        }
        for folder in ["packs", "large"] {
            view.download_folder(folder).await?;
        }
        let is_done = |rows: &[Row]| (rows.len() == 9 && rows.iter().all(|row| row.state == "complete")).then_some(());
        view.wait_for_rows("all to be complete", is_done).await?;
    }
    stage.close_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    for Case { name, path, kind, wrong } in CASES {
        let row = view.wait_for_state(name, &["complete"]).await?;
        touch(&stage, &row, path, kind).await?;
        is_mended(&stage, &view, name, wrong).await.with_context(|| format!("of {name} whose {path} is {kind}"))?;
    }

    // Without its server it stays as it is, and the words say so.
    let row = view.wait_for_state(AWAY, &["complete"]).await?;
    touch(&stage, &row, "data", "overwritten").await?;
    stage.proxy.refuse(true);
    view.press(&row, "save").await?;
    let told = |rows: &[Row]| rows.iter().find(|row| row.name == AWAY && row.text.contains(WRONG)).cloned();
    let row = view.wait_for_rows("the loss to be told", told).await?;
    ensure!(row.text.contains("not saved until it is right. Other downloads are not affected."), "{}", row.text);
    ensure!(!stage.downloads().join(AWAY).exists(), "nothing is saved of what is wrong");
    view.screenshot("manager-wrong-copy").await?;
    stage.proxy.refuse(false);
    view.wait_for_state(AWAY, &["saved"]).await?;
    stage.check_saved(AWAY, &stage.downloads().join(AWAY))?;
    stage.browser()?.check_no_panic()
}

/// Copies that the disk changes while no browser runs, and no time of change with them. Each has the transfer's name,
/// the path and size of its only or largest file, and the length of the stored file.
const ROTTEN: [(&str, &str, u64, u64); 3] = [
    ("rotten.bin", "rotten.bin", FILE + 1, FILE + 1),
    ("rotten-pack", "rotten-pack/a", 100_000, 100_000),
    ("rotten-large", "rotten-large/a", FILE + 2, FILE + 2),
];
const SWAPPED: [&str; 2] = ["swapped-1.bin", "swapped-2.bin"];
const SWAPPED_SIZE: u64 = FILE + 4;
const SOUND: &str = "sound.bin";
/// Reading it back takes so long that a row shows it. All of it is a hole, which comes over at once.
const SOUND_SIZE: u64 = 640 * MIB;

/// Notes each percentage that a row shows while a copy is read.
const WATCH: &str = "window.seen = []; \
    const look = () => window.seen.push(...document.body.textContent.match(/Checking, \\d+ %/g) ?? []); \
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })";

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_copy_that_the_disk_changed_without_a_trace_is_mended_before_it_is_saved() -> Result<()> {
    let rotten = ROTTEN.iter().map(|(_, path, size, _)| (*path, *size));
    let swapped = SWAPPED.map(|name| (name, SWAPPED_SIZE));
    let served: Vec<_> = rotten.chain(swapped).chain([("rotten-large/small", 9)]).collect();
    let mut stage = Stage::serving(&served).await?;
    File::create(stage.folder().join(SOUND))?.set_len(SOUND_SIZE)?;
    {
        let view = stage.open(Page::Manager).await?;
        view.connect(&stage.address()).await?;
        let of_rotten = ROTTEN.iter().map(|(name, ..)| *name);
        let all: Vec<_> = of_rotten.chain(SWAPPED).chain([SOUND]).collect();
        for name in &all {
            match name.ends_with(".bin") {
                true => view.download(name).await?,
                false => view.download_folder(name).await?,
            }
        }
        let is_done =
            |rows: &[Row]| (rows.len() == all.len() && rows.iter().all(|row| row.state == "complete")).then_some(());
        view.wait_for_rows("all to be complete", is_done).await?;
    }
    let disk = stage.browser()?.disk().join(sandbox::FOLDER);
    stage.close_browser().await?;
    for (name, .., length) in ROTTEN {
        let stored = sandbox::file_of_length(&disk, length).with_context(|| format!("{name} is not stored"))?;
        sandbox::overwrite(&stored, 8192, &[7; 8192])?;
    }
    match &sandbox::files_of_length(&disk, SWAPPED_SIZE)[..] {
        [one, other] => sandbox::swap(one, other)?,
        other => anyhow::bail!("two files are stored, not {other:?}"),
    }
    stage.start_browser().await?;
    let view = stage.open(Page::Manager).await?;
    for (name, path, ..) in ROTTEN {
        let wrong = if path.starts_with("rotten-pack") { 100_000 } else { 8192 };
        is_mended(&stage, &view, name, wrong).await.with_context(|| format!("of {name}"))?;
    }
    for name in SWAPPED {
        is_mended(&stage, &view, name, SWAPPED_SIZE).await.with_context(|| format!("of {name}"))?;
    }

    // A copy that is right needs no server, and the row says what is done.
    stage.proxy.refuse(true);
    view.run(WATCH, json!([])).await?;
    is_mended(&stage, &view, SOUND, 0).await?;
    let seen: Value = view.run("return window.seen", json!([])).await?;
    ensure!(seen.as_array().is_some_and(|seen| !seen.is_empty()), "no row said that it is checked");
    stage.browser()?.check_no_panic()
}

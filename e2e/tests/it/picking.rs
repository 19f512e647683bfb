//! Saves into a folder that the user picks in Chromium's own windows.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::{Answer, Desktop, Page, Profile, Row, Stage, View, hashes, sandbox};
use wstp_testkit::{SHORT, until};

use super::storage::MIB;

const NOTHING: &str = "Nothing was saved: no folder was chosen, or Chrome was not allowed to use it.";

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_where_the_user_picks_and_allows_it_and_nowhere_else() -> Result<()> {
    let desktop = Desktop::start().await?;
    let files: Vec<_> = (0..120).map(|index| (format!("music/cd {}/{index}.bin", index % 3), 100 * index)).collect();
    let files: Vec<_> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    let stage = Stage::serving_to(&files, Profile::new()?.on(&desktop)).await?;
    let (refused, picked) = (stage.downloads().join("refused"), stage.downloads().join("picked"));
    for folder in [&refused, &picked] {
        fs::create_dir(folder)?;
    }
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.download_folder("music").await?;
    view.wait_for_state("music", &["complete"]).await?;
    view.close().await?;
    for is_picked in [false, true] {
        // Each time a new page: for a moment after an answer, Chromium takes its window for open still.
        let (view, row) = opened(&stage, "music").await?;
        view.press(&row, "save-into").await?;
        match is_picked {
            false => desktop.close_picker(&view).await?,
            true => desktop.pick(&view, &refused, Answer::Refuse).await?,
        }
        view.wait_for_text(NOTHING).await?;
        view.wait_for_state("music", &["complete"]).await?;
        view.close().await?;
    }
    let (view, row) = opened(&stage, "music").await?;
    view.press(&row, "save-into").await?;
    desktop.pick(&view, &picked, Answer::Allow).await?;
    let row = view.wait_for_state("music", &["saved"]).await?;
    ensure!(row.text.contains("Saved in picked"), "{row:?}");
    assert_eq!(hashes(&picked.join("music"))?, hashes(&stage.folder().join("music"))?);
    assert_eq!(stage.saved_files()?.len(), files.len(), "nothing is anywhere else");
    view.wait_for_empty_sandbox().await?;
    stage.browser()?.check_no_panic()
}

/// A file whose copy the disk changes, and a file whose save is killed in the middle.
const ROTTEN: (&str, u64) = ("rotten.bin", 4 * MIB + 1);
const CUT: (&str, u64) = ("cut.bin", 192 * MIB);

/// Notes what a page tells of a check.
const WATCH: &str = "window.seen = []; \
    const look = () => window.seen.push(...document.body.textContent.match( \
        /Checking [a-z.]+, \\d+ %. It is saved into picked next/g) ?? []); \
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })";

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_rotted_is_mended_and_a_save_that_was_killed_leaves_nothing_beside() -> Result<()> {
    let desktop = Desktop::start().await?;
    let mut stage = Stage::serving_to(&[ROTTEN], Profile::new()?.on(&desktop)).await?;
    // A hole comes over at once.
    File::create(stage.folder().join(CUT.0))?.set_len(CUT.1)?;
    let picked = stage.downloads().join("picked");
    fs::create_dir(&picked)?;
    {
        let view = stage.open(Page::Manager).await?;
        view.connect(&stage.address()).await?;
        for (name, _) in [ROTTEN, CUT] {
            view.download(name).await?;
            view.wait_for_state(name, &["complete"]).await?;
        }
    }
    let disk = stage.browser()?.disk().join(sandbox::FOLDER);
    stage.close_browser().await?;
    let stored = sandbox::file_of_length(&disk, ROTTEN.1).context("it is not stored")?;
    sandbox::overwrite(&stored, 8192, &[7; 100_000])?;
    stage.start_browser().await?;
    {
        let (view, row) = opened(&stage, ROTTEN.0).await?;
        view.run(WATCH, json!([])).await?;
        view.press(&row, "save-into").await?;
        desktop.pick(&view, &picked, Answer::Allow).await?;
        view.wait_for_state(ROTTEN.0, &["saved"]).await?;
        stage.check_saved(ROTTEN.0, &picked.join(ROTTEN.0))?;
        let seen: Value = view.run("return window.seen", json!([])).await?;
        ensure!(seen.as_array().is_some_and(|seen| !seen.is_empty()), "the page did not say what it waits for");
        view.close().await?;

        let (view, row) = opened(&stage, CUT.0).await?;
        view.press(&row, "save-into").await?;
        desktop.pick(&view, &picked, Answer::Allow).await?;
        until("the save to begin", SHORT, async || Ok(picked.join(CUT.0).exists().then_some(()))).await?;
    }
    stage.kill_browser().await?;
    ensure!(fs::metadata(picked.join(CUT.0))?.len() == 0, "the save was over before the kill");
    stage.start_browser().await?;
    let (view, row) = opened(&stage, CUT.0).await?;
    ensure!(row.text.contains("The page that saved this was closed."), "{}", row.text);
    view.press(&row, "save-into").await?;
    desktop.pick(&view, &picked, Answer::Allow).await?;
    view.wait_for_state(CUT.0, &["saved"]).await?;
    stage.check_saved(CUT.0, &picked.join(CUT.0))?;
    let names: Vec<_> = hashes(&picked)?.into_keys().collect();
    assert_eq!(names, [CUT.0, ROTTEN.0].map(PathBuf::from), "nothing is left beside them");
    stage.browser()?.check_no_panic()
}

/// A new page, with the row of a complete transfer open.
async fn opened<'a>(stage: &'a Stage, name: &str) -> Result<(View<'a>, Row)> {
    let view = stage.open(Page::Manager).await?;
    let row = view.wait_for_state(name, &["complete"]).await?;
    view.expand(&row).await?;
    Ok((view, row))
}

//! Saves into a folder that the user picks in Chromium's own windows.

use std::fs;

use anyhow::{Result, ensure};
use wstp_e2e::{Answer, Desktop, Page, Profile, Row, Stage, View, hashes};

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
        let (view, row) = opened(&stage).await?;
        view.press(&row, "save-into").await?;
        match is_picked {
            false => desktop.close_picker(&view).await?,
            true => desktop.pick(&view, &refused, Answer::Refuse).await?,
        }
        view.wait_for_text(NOTHING).await?;
        view.wait_for_state("music", &["complete"]).await?;
        view.close().await?;
    }
    let (view, row) = opened(&stage).await?;
    view.press(&row, "save-into").await?;
    desktop.pick(&view, &picked, Answer::Allow).await?;
    let row = view.wait_for_state("music", &["saved"]).await?;
    ensure!(row.text.contains("Saved in picked"), "{row:?}");
    assert_eq!(hashes(&picked.join("music"))?, hashes(&stage.folder().join("music"))?);
    assert_eq!(stage.saved_files()?.len(), files.len(), "nothing is anywhere else");
    view.wait_for_empty_sandbox().await?;
    stage.browser()?.check_no_panic()
}

/// A new page, with the row of the folder open.
async fn opened(stage: &Stage) -> Result<(View<'_>, Row)> {
    let view = stage.open(Page::Manager).await?;
    let row = view.wait_for_state("music", &["complete"]).await?;
    view.expand(&row).await?;
    Ok((view, row))
}

//! Names are text: shown unchanged, never run, and made safe on the way to the disk.

use std::os::unix::fs::symlink;

use anyhow::{Result, ensure};
use serde_json::json;
use wstp_e2e::Stage;

const MARKUP: &str = "<img src=x onerror=\"window.ran=1\">.txt";

/// Downloads and saves a file of that name and compares the bytes.
async fn name_survives(name: &str) -> Result<()> {
    let stage = Stage::serving(&[(name, 9000)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name(name).await?;
    assert_eq!(view.names().await?, [name]);
    view.download(name).await?;
    let saved = view.save(name).await?;
    stage.check_saved(name, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn spaces_in_names() -> Result<()> {
    name_survives("  two  spaces , and more .txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_in_names() -> Result<()> {
    name_survives("\"double\" 'single' `back` \u{201e}low\u{201c}.txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn emoji_in_names() -> Result<()> {
    name_survives("\u{1f469}\u{200d}\u{1f680} to the \u{1f315}.txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn right_to_left_names() -> Result<()> {
    name_survives("\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}.txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn percent_signs_and_other_marks_in_names() -> Result<()> {
    name_survives("100%41 #1 ?q=a&b;c+d~.txt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_255_bytes() -> Result<()> {
    name_survives(&format!("{}.txt", "n".repeat(251))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_255_bytes_that_are_few_characters() -> Result<()> {
    name_survives(&format!("{}abc", "\u{1f30d}".repeat(63))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_name_is_shown_and_not_run() -> Result<()> {
    let stage = Stage::serving(&[(MARKUP, 9000)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_text(MARKUP).await?;
    view.download(MARKUP).await?;
    view.show_transfers().await?;
    view.wait_for_text(MARKUP).await?;
    let saved = view.save(MARKUP).await?;
    stage.check_saved(MARKUP, &saved)?;
    let traces = view.run("return [window.ran, document.querySelectorAll('img[src=\"x\"]').length]", json!([])).await?;
    assert_eq!(traces, json!([null, 0]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_name_in_two_folders_stay_two_files() -> Result<()> {
    let stage = Stage::serving(&[("one/same.bin", 20_000), ("two/same.bin", 30_000)]).await?;
    let view = stage.open_connected().await?;
    view.download("one/same.bin").await?;
    view.show_folder().await?;
    view.back().await?;
    view.download("two/same.bin").await?;
    view.show_transfers().await?;
    let rows = view
        .wait_for_rows("two complete transfers", |rows| {
            (rows.len() == 2 && rows.iter().all(|row| row.state == "complete")).then(|| rows.to_vec())
        })
        .await?;
    for row in &rows {
        view.save(&row.id).await?;
    }
    let mut saved = view.saved().await?;
    saved.sort();
    assert_eq!(saved, stage.saved_files()?);
    ensure!(saved.len() == 2 && saved[0].ends_with("one/same.bin") && saved[1].ends_with("two/same.bin"), "{saved:?}");
    stage.check_saved("one/same.bin", &saved[0])?;
    stage.check_saved("two/same.bin", &saved[1])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dangling_link_does_not_break_its_folder() -> Result<()> {
    let stage = Stage::serving(&[("whole.txt", 5)]).await?;
    symlink("nowhere", stage.folder().join("broken"))?;
    let view = stage.open_connected().await?;
    view.wait_for_name("whole.txt").await?;
    view.download("whole.txt").await?;
    let saved = view.save("whole.txt").await?;
    stage.check_saved("whole.txt", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_folder_leads_nowhere() -> Result<()> {
    let stage = Stage::serving(&[("whole.txt", 5)]).await?;
    symlink("/etc/hostname", stage.folder().join("escape.txt"))?;
    let view = stage.open_connected().await?;
    view.wait_for_name("whole.txt").await?;
    let shown = view.names().await?.contains(&"escape.txt".to_owned());
    if shown {
        view.click_entry("escape.txt").await?;
        view.download("whole.txt").await?;
        view.show_transfers().await?;
        view.wait_for_state("whole.txt", &["complete"]).await?;
        let rows = view.rows().await?;
        ensure!(rows.iter().all(|row| row.name != "escape.txt" || row.state == "failed"), "{rows:?}");
    }
    Ok(())
}

//! The main job, as a user does it and as the `start` program does it.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage, ToolbarPopup};
use wstp_testkit::{hash_file, make_samples};

const FILE: &str = "music/2012/a song.bin";

#[tokio::test(flavor = "multi_thread")]
async fn connects_browses_downloads_and_saves_the_same_bytes() -> Result<()> {
    let stage = Stage::serving(&[(FILE, 3 * 1024 * 1024 + 77), ("music/other.bin", 5), ("top.txt", 10)]).await?;
    let view = stage.open(Page::Popup).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name("top.txt").await?;
    assert_eq!(view.names().await?, ["music", "top.txt"]);
    view.download(FILE).await?;
    let saved = view.save("a song.bin").await?;
    stage.check_saved(FILE, &saved)?;
    assert!(saved.ends_with(FILE), "the folders are kept: {}", saved.display());
    assert_eq!(stage.saved_files()?, [saved]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn breadcrumbs_and_back_lead_out_of_folders() -> Result<()> {
    let stage = Stage::serving(&[("a/b/c/deep.txt", 1), ("a/here.txt", 2)]).await?;
    let view = stage.open_connected().await?;
    for folder in ["a", "b", "c"] {
        view.click_entry(folder).await?;
        view.wait_for_crumb(folder).await?;
    }
    view.wait_for_name("deep.txt").await?;
    view.back().await?;
    view.wait_for_crumb("b").await?;
    view.wait_for_name("c").await?;
    view.click_crumb("a").await?;
    view.wait_for_name("here.txt").await?;
    assert_eq!(view.names().await?, ["b", "here.txt"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_page_does_the_whole_job_too() -> Result<()> {
    let stage = Stage::serving(&[(FILE, 1024 * 1024)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.download(FILE).await?;
    let saved = view.save("a song.bin").await?;
    stage.check_saved(FILE, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_into_the_popup_of_the_toolbar_goes_into_its_field() -> Result<()> {
    const FIELD: &str = "document.querySelector('[data-testid=server-input]')";
    let stage = Stage::serving(&[("hello.txt", 1)]).await?;
    stage.open(Page::Manager).await?;
    let mut popup = ToolbarPopup::open(stage.browser()?).await?;
    popup.type_text(&stage.address()).await?;
    popup.press_enter().await?;
    popup.wait_for_text("hello.txt").await?;
    popup.close().await?;
    let mut popup = ToolbarPopup::open(stage.browser()?).await?;
    popup.wait_for_text("hello.txt").await?;
    let address = stage.address();
    popup
        .wait_until(
            "the known address to be selected",
            &format!(
                "(f => f.value === '{address}' && f.selectionStart === 0 && f.selectionEnd === {})({FIELD})",
                address.len()
            ),
        )
        .await?;
    popup.type_text("other").await?;
    popup.wait_until("what is typed to replace it", &format!("{FIELD}.value === 'other'")).await?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_remembered() -> Result<()> {
    let mut stage = Stage::serving(&[("a.txt", 1)]).await?;
    stage.open_connected().await?.wait_for_name("a.txt").await?;
    stage.close_browser().await?;
    stage.start_browser().await?;
    let view = stage.open(Page::Popup).await?;
    view.wait_for_text(&stage.address()).await
}

#[test]
fn start_saves_one_file_and_prints_its_path_and_hash() -> Result<()> {
    let (served, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    make_samples(served.path())?;
    let done = Command::new(env!("CARGO_BIN_EXE_start"))
        .arg(served.path())
        .args(["--headless", "--listen", "127.0.0.1:0", "--file", "recordings/short.bin", "--out"])
        .arg(out.path())
        .output()?;
    let said = String::from_utf8(done.stdout)?;
    ensure!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let saved = out.path().canonicalize()?.join("recordings/short.bin");
    let hash = hash_file(&served.path().join("recordings/short.bin"))?;
    assert_eq!(said, format!("saved {}\nblake3 {hash}\n", saved.display()));
    assert_eq!(hash_file(&saved)?, hash);
    Ok(())
}

#[test]
fn start_fails_with_the_reason_when_the_file_is_not_there() -> Result<()> {
    let (served, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fs::write(served.path().join("here.txt"), "x")?;
    let done = Command::new(env!("CARGO_BIN_EXE_start"))
        .arg(served.path())
        .args(["--headless", "--listen", "127.0.0.1:0", "--file", "not here.txt", "--out"])
        .arg(out.path())
        .output()?;
    assert!(!done.status.success());
    let said = String::from_utf8(done.stderr)?;
    assert!(said.contains("there is no file \"not here.txt\""), "{said}");
    assert!(done.stdout.is_empty());
    Ok(())
}

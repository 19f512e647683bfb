//! Names are text: shown unchanged, never run, and made safe on the way to the disk.

use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Stage, View};

const MARKUP: &str = "<img src=x onerror=\"window.ran=1\">.txt";

/// The oddity of a name, and the name.
const ODD: [(&str, &str); 5] = [
    ("spaces", "  two  spaces , and more .txt"),
    ("quotes", "\"double\" 'single' `back` \u{201e}low\u{201c}.txt"),
    ("emoji", "\u{1f469}\u{200d}\u{1f680} to the \u{1f315}.txt"),
    ("right to left", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}.txt"),
    ("percent signs and other marks", "100%41 #1 ?q=a&b;c+d~.txt"),
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_are_shown_as_they_are_and_every_byte_is_saved() -> Result<()> {
    let (long, wide) = (format!("{}.txt", "n".repeat(251)), format!("{}abc", "\u{1f30d}".repeat(63)));
    let cases = ODD.into_iter().chain([("255 bytes", &*long), ("255 bytes that are few characters", &*wide)]);
    let cases: Vec<_> = cases.collect();
    let stage = Stage::serving(&cases.iter().map(|(_, name)| (*name, 9000)).collect::<Vec<_>>()).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name(&wide).await?;
    let (mut shown, mut served) = (view.names().await?, Vec::from_iter(cases.iter().map(|(_, name)| *name)));
    shown.sort();
    served.sort_unstable();
    assert_eq!(shown, served);
    for (case, name) in cases {
        let is_saved = async {
            view.download(name).await?;
            let saved = view.save(name).await?;
            stage.check_saved(name, &saved)
        };
        is_saved.await.with_context(|| format!("a name with {case}"))?;
    }
    Ok(())
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

/// A name that reads as another one, and the same with its marks.
const TURNED: (&str, &str) = ("photo\u{202e}gnp.exe", "photo[U+202E]gnp.exe");
/// All texts of a page, seen and spoken.
const TEXTS: &str = "return [document.body.innerText, ...[...document.querySelectorAll('[title], [aria-label]')]
    .flatMap(e => [e.title, e.ariaLabel])].filter(text => text).join(' ')";

#[tokio::test(flavor = "multi_thread")]
async fn names_that_mislead_are_drawn_with_marks_everywhere() -> Result<()> {
    const BROKEN: (&str, &str) = ("two\nlines.txt", "two[U+000A]lines.txt");
    const FOLDER: (&str, &str) = ("zero\u{200b}width", "zero[U+200B]width");
    let stage = Stage::serving(&[(TURNED.0, 9000), (BROKEN.0, 10), (&format!("{}/a.txt", FOLDER.0), 10)]).await?;
    let view = stage.open_connected().await?;
    for (name, shown) in [TURNED, BROKEN, FOLDER] {
        view.wait_for_name(name).await?;
        view.wait_for_text(shown).await?;
    }
    let heights = "return [...document.querySelectorAll('.entry-name')].every(e => e.offsetHeight <= 28)";
    ensure!(view.run(heights, json!([])).await? == json!(true), "a name is higher than its row");
    view.download(TURNED.0).await?;
    view.click_entry(FOLDER.0).await?;
    view.wait_for_crumb(FOLDER.1).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(TURNED.0, &["complete"]).await?;
    view.wait_for_text(TURNED.1).await?;
    view.press(&row, "remove").await?;
    view.wait_for_text(&format!("{} is not saved to your disk yet.", TURNED.1)).await?;
    view.click("[data-testid=confirm-yes]").await?;
    view.wait_for_text(&format!("Removed {}", TURNED.1)).await?;
    check_texts(&view).await?;
    let address = format!("http://{}/files/", stage.address());
    let page = View::open_address(stage.browser()?, &address, (600, 600)).await?;
    page.wait_for_words(TURNED.1).await?;
    page.wait_for_words(BROKEN.1).await?;
    check_texts(&page).await
}

async fn check_texts(view: &View<'_>) -> Result<()> {
    let texts = view.run(TEXTS, json!([])).await?;
    let texts = texts.as_str().context("a text")?;
    ensure!(!texts.contains(['\u{202e}', '\u{200b}']), "a character is not marked: {texts:?}");
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

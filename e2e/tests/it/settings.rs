//! The sheet of the settings: they act at once in every page, go into a file and come back, and clear what is stored.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::sandbox::{self, files_of_length};
use wstp_e2e::{Key, Page, Stage, View};
use wstp_testkit::{SHORT, until};

const LANGUAGE: &str = "return document.documentElement.lang.split('-')[0] + document.documentElement.dir";
const TITLE: &str = "return document.querySelector('[data-testid=sheet] h2').innerText";
const BACKGROUND: &str = "return getComputedStyle(document.body).backgroundColor";
const IS_OPEN: &str = "return !!document.querySelector('[data-testid=sheet]')";

/// The content of a file of the settings.
async fn exported(view: &View<'_>) -> Result<Value> {
    const READ: &str =
        "return decodeURIComponent(document.querySelector('[data-testid=export-settings]').href.split(',')[1])";
    let text = view.run(READ, json!([])).await?;
    Ok(serde_json::from_str(text.as_str().context("the link has a text")?)?)
}

/// Has the page read a file, as if the user had chosen it.
async fn import(view: &View<'_>, text: &str) -> Result<()> {
    const CHOOSE: &str = "const files = new DataTransfer(); files.items.add(new File([arguments[0]], 'wstp-settings.json')); \
        const field = document.querySelector('[data-testid=settings-file]'); field.files = files.files; \
        field.dispatchEvent(new Event('change', { bubbles: true }))";
    view.run(CHOOSE, json!([text])).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_theme_change_at_once_in_every_open_page_and_are_kept() -> Result<()> {
    let mut stage = Stage::serving(&[("a.txt", 10)]).await?;
    let popup = stage.open(Page::Popup).await?;
    let manager = stage.open(Page::Manager).await?;
    manager.click("[data-testid=open-settings]").await?;
    manager.pick("set-theme", "dark").await?;
    for view in [&popup, &manager] {
        view.wait_until(BACKGROUND, json!("rgb(22, 24, 29)")).await?;
    }
    manager.pick("set-theme", "").await?;
    popup.wait_until(BACKGROUND, json!("rgb(246, 247, 249)")).await?;
    for (language, direction, title) in [("de", "ltr", "Einstellungen"), ("ar", "rtl", "الإعدادات")] {
        manager.pick("set-language", language).await?;
        for view in [&popup, &manager] {
            view.wait_until(LANGUAGE, json!(format!("{language}{direction}"))).await?;
        }
        // The page that began anew has the sheet open as before.
        manager.wait_until(TITLE, json!(title)).await?;
    }
    manager.pick("set-theme", "light").await?;
    let manager = stage.open(Page::Manager).await?;
    manager.wait_until("return document.documentElement.dataset.theme", json!("light")).await?;
    stage.close_browser().await?;
    stage.start_browser().await?;
    let manager = stage.open(Page::Manager).await?;
    manager.wait_until(LANGUAGE, json!("arrtl")).await?;
    manager.click("[data-testid=open-settings]").await?;
    manager.pick("set-language", "").await?;
    manager.wait_until(TITLE, json!("Settings")).await?;
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_opens_and_closes_the_settings() -> Result<()> {
    let stage = Stage::serving(&[]).await?;
    let view = stage.open(Page::Manager).await?;
    view.chord(Key::Control, ',').await?;
    view.wait_until(IS_OPEN, json!(true)).await?;
    view.wait_until("return document.activeElement.innerText", json!("Settings")).await?;
    view.keys(&[Key::Escape]).await?;
    view.wait_until(IS_OPEN, json!(false)).await?;
    view.run("document.querySelector('[data-testid=open-settings]').focus()", json!([])).await?;
    view.keys(&[Key::Enter]).await?;
    view.wait_until(IS_OPEN, json!(true)).await?;
    view.click("[data-testid=close-sheet]").await?;
    view.wait_until("return document.activeElement.dataset.testid", json!("open-settings")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_go_into_a_file_and_come_back_and_a_bad_file_changes_nothing() -> Result<()> {
    let stage = Stage::serving(&[]).await?;
    let view = stage.open(Page::Manager).await?;
    view.click("[data-testid=open-settings]").await?;
    view.enter("[data-testid=set-rate]", "2.5").await?;
    view.pick("set-notify", "problems").await?;
    view.click("[data-testid=set-save]").await?;
    let expected = json!({
        "wstp_settings": 1, "language": "", "theme": "", "transfers_at_once": 3, "connections": 0,
        "bytes_per_second": 2_500_000, "save_when_complete": true, "delete_after_saving": true, "notifications": "problems",
        "keep_history": true,
    });
    const RATE: &str = "return document.querySelector('[data-testid=set-rate]').value";
    view.wait_until(
        "return document.querySelector('[data-testid=export-settings]').href.includes('problems')",
        json!(true),
    )
    .await?;
    ensure!(exported(&view).await? == expected, "the file has {}", exported(&view).await?);
    for (text, words) in [
        ("no JSON", "This file has no WSTP settings."),
        ("{}", "This file has no WSTP settings."),
        ("null", "This file has no WSTP settings."),
        (r#"{"wstp_settings": 2, "connections": 4}"#, "A newer version of WSTP wrote this file."),
        (r#"{"wstp_settings": 1, "connections": 4, "theme": "pink"}"#, "The file has a wrong value for theme."),
        (r#"{"wstp_settings": 1, "transfers_at_once": 2.5}"#, "The file has a wrong value for transfers_at_once."),
        (r#"{"wstp_settings": 1, "connections": 17}"#, "The file has a wrong value for connections."),
    ] {
        import(&view, text).await?;
        view.wait_for_text(words).await?;
        ensure!(exported(&view).await? == expected, "{text} changed something");
    }
    import(&view, r#"{"wstp_settings": 1, "bytes_per_second": null, "theme": "dark", "of a later version": true}"#)
        .await?;
    view.wait_for_text("Settings imported").await?;
    view.wait_until(RATE, json!("")).await?;
    view.wait_until(BACKGROUND, json!("rgb(22, 24, 29)")).await?;
    let left = exported(&view).await?;
    ensure!(left["save_when_complete"] == json!(true), "a field that the file lacks changed: {left}");
    view.click("[data-testid=toast-action]").await?;
    view.wait_until(RATE, json!("2.5")).await?;
    ensure!(exported(&view).await? == expected, "undo leads elsewhere");
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_told_and_cleared_after_a_question() -> Result<()> {
    let stage = Stage::serving(&[("a.bin", 3_000_000), ("b.bin", 2_000_000)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    for name in ["a.bin", "b.bin"] {
        view.download(name).await?;
        view.wait_for_state(name, &["complete"]).await?;
    }
    view.click("[data-testid=open-settings]").await?;
    view.wait_for_text("2 transfers, 5.00 MB in the browser").await?;
    view.click("[data-testid=clear-stored]").await?;
    view.wait_for_text("This removes 2 transfers from the list and deletes 5.00 MB from the browser.").await?;
    view.click("dialog[open] [data-testid=confirm-no]").await?;
    view.wait_for_text("2 transfers, 5.00 MB in the browser").await?;
    view.click("[data-testid=clear-stored]").await?;
    view.click("dialog[open] [data-testid=confirm-yes]").await?;
    view.wait_for_text("0 transfers, 0 B in the browser").await?;
    ensure!(view.rows().await?.is_empty(), "a row is left");
    let disk = stage.browser()?.disk().join(sandbox::FOLDER);
    until("the copies to be deleted", SHORT, async || {
        Ok([3_000_000, 2_000_000].iter().all(|size| files_of_length(&disk, *size).is_empty()).then_some(()))
    })
    .await
}

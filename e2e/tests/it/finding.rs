//! Finding and choosing entries of a folder: the order, the search, the kinds, the selection and the menus.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Key, Page, Row, Stage, View};

/// Puts the keyboard into the list of files.
async fn focus_list(view: &View<'_>) -> Result<()> {
    view.run("document.querySelector('.entries-body').focus()", json!([])).await.map(drop)
}

/// The testid of the element with the keyboard's focus, or its class.
async fn focused(view: &View<'_>) -> Result<String> {
    let found = view.run("const e = document.activeElement; return e.dataset.testid ?? e.className", json!([])).await?;
    Ok(found.as_str().context("an element has the focus")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_sorted_searched_and_narrowed_to_a_kind() -> Result<()> {
    let files = [("file 10.jpg", 10), ("file 2.txt", 20), ("Ärger.txt", 30), ("sub/a.txt", 1)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open_connected().await?;
    view.wait_for_names(&["sub", "Ärger.txt", "file 2.txt", "file 10.jpg"]).await?;
    view.click("[data-testid=sort-size]").await?;
    view.wait_for_names(&["sub", "file 10.jpg", "file 2.txt", "Ärger.txt"]).await?;
    view.click("[data-testid=sort-size]").await?;
    view.wait_for_names(&["sub", "Ärger.txt", "file 2.txt", "file 10.jpg"]).await?;
    // The order is remembered, here by a page that is opened later.
    view.click("[data-testid=sort-kind]").await?;
    view.wait_for_names(&["sub", "file 10.jpg", "Ärger.txt", "file 2.txt"]).await?;
    view.close().await?;
    let view = stage.open_connected().await?;
    view.wait_for_names(&["sub", "file 10.jpg", "Ärger.txt", "file 2.txt"]).await?;

    focus_list(&view).await?;
    view.press_keys("/arger").await?;
    ensure!(focused(&view).await? == "search", "the slash does not lead to the search");
    view.wait_for_names(&["Ärger.txt"]).await?;
    view.wait_for_text("1 file of 4 entries").await?;
    view.press_keys("x").await?;
    view.wait_for_text("Nothing matches").await?;
    view.keys(&[Key::Escape]).await?;
    view.wait_for_names(&["sub", "file 10.jpg", "Ärger.txt", "file 2.txt"]).await?;
    view.pick("kind", "image").await?;
    view.wait_for_names(&["file 10.jpg"]).await?;
    view.pick("kind", "all").await?;
    view.click_entry("sub").await?;
    view.wait_for_names(&["a.txt"]).await
}

/// Rows of these names, all complete.
fn all_complete(names: &[&str]) -> impl Fn(&[Row]) -> Option<()> {
    move |rows| {
        let has = |name: &&str| rows.iter().any(|row| row.name == **name && row.state == "complete");
        (rows.len() == names.len() && names.iter().all(has)).then_some(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_entries_are_chosen_by_keys_and_clicks_and_downloaded_at_once() -> Result<()> {
    let files = [("k/a.txt", 10), ("k/b.txt", 20), ("k/c.txt", 30), ("k/d.txt", 40)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.click_entry("k").await?;
    view.wait_for_name("d.txt").await?;
    focus_list(&view).await?;
    view.keys(&[Key::Home, Key::Space]).await?;
    view.wait_for_text("1 file selected, 10 B").await?;
    view.chord(Key::Shift, Key::Down).await?;
    view.chord(Key::Shift, Key::Down).await?;
    view.wait_for_text("3 files selected, 60 B").await?;
    // Once something is chosen, a click chooses too.
    view.click_entry("b.txt").await?;
    view.wait_for_text("2 files selected, 40 B").await?;
    ensure!(view.rows().await?.is_empty(), "a click that chooses downloads");
    view.click("[data-testid=download-chosen]").await?;
    view.wait_for_rows("two rows", all_complete(&["a.txt", "c.txt"])).await?;
    view.wait_for_count("[data-testid=download-chosen]", 0).await?;

    // All of a folder is the folder itself, as one row.
    focus_list(&view).await?;
    view.chord(Key::Control, 'a').await?;
    view.wait_for_text("4 files selected, 100 B").await?;
    view.keys(&[Key::Escape]).await?;
    view.wait_for_text("4 files").await?;
    view.chord(Key::Control, 'a').await?;
    view.click("[data-testid=download-chosen]").await?;
    view.wait_for_rows("the folder", all_complete(&["k", "a.txt", "c.txt"])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_has_everything_by_pointer_and_by_keyboard() -> Result<()> {
    let stage = Stage::serving(&[("a.txt", 10), ("sub/b.txt", 20)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.context_click("[data-testid=entry][data-name='a.txt']").await?;
    view.click("[data-testid=menu-download]").await?;
    view.wait_for_state("a.txt", &["complete"]).await?;
    view.wait_for_count("[data-testid=menu]", 0).await?;

    focus_list(&view).await?;
    view.keys(&[Key::Home]).await?;
    view.chord(Key::Shift, Key::F10).await?;
    view.wait_for_count("[role=menu] [role=menuitem]", 4).await?;
    ensure!(focused(&view).await? == "menu-open", "the menu does not have the keyboard");
    view.keys(&[Key::Escape]).await?;
    view.wait_for_count("[data-testid=menu]", 0).await?;
    ensure!(focused(&view).await? == "entries-body", "the list does not have the keyboard back");
    view.chord(Key::Shift, Key::F10).await?;
    view.keys(&[Key::Down, Key::Enter]).await?;
    view.wait_for_state("sub", &["complete"]).await?;

    view.context_click("[data-testid=transfer][data-name=sub]").await?;
    for name in ["menu-save", "menu-remove", "menu-save-into"] {
        view.wait_for_count(&format!("[data-testid={name}]"), 1).await?;
    }
    view.keys(&[Key::End, Key::Home, Key::Enter]).await?;
    view.wait_for_state("sub", &["saved"]).await?;
    view.run("document.querySelector('[data-name=sub] [data-testid=expand]').focus()", json!([])).await?;
    view.chord(Key::Shift, Key::F10).await?;
    view.click("[data-testid=menu-remove]").await?;
    view.wait_for_rows("one row", |rows| (rows.len() == 1).then_some(())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_steps_back_and_forward_and_a_link_opens_at_its_place() -> Result<()> {
    let stage = Stage::serving(&[("one/two/a.txt", 10), ("other/b.txt", 20)]).await?;
    let address = format!("{}/one", stage.address());
    let url = stage.browser()?.extension().url(&format!("manager.html#open={}", address.replace('/', "%2F")));
    let view = View::open_address(stage.browser()?, &url, (1200, 800)).await?;
    view.wait_for_names(&["two"]).await?;
    view.click_entry("two").await?;
    view.wait_for_names(&["a.txt"]).await?;
    view.chord(Key::Alt, Key::Left).await?;
    view.wait_for_names(&["two"]).await?;
    view.chord(Key::Alt, Key::Right).await?;
    view.wait_for_names(&["a.txt"]).await?;
    // Going up marks the folder one comes from, so that Enter leads back.
    view.click("[data-testid=crumb]").await?;
    view.wait_for_names(&["one", "other"]).await?;
    view.wait_for_count(".entry.marked[data-name=one]", 1).await?;
    focus_list(&view).await?;
    view.keys(&[Key::Enter]).await?;
    view.wait_for_names(&["two"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_through_all_folders_and_its_hits_are_used_where_they_are() -> Result<()> {
    let files = [("Alien.txt", 10), ("films/a/Alien Cut.mkv", 20), ("films/ÄLIEN/x", 30), ("films/other", 1)];
    let stage = Stage::serving(&files).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_names(&["films", "Alien.txt"]).await?;
    view.click("[data-testid=search]").await?;
    view.press_keys("alien").await?;
    view.wait_for_names(&["Alien.txt"]).await?;
    view.click("[data-testid=search-all]").await?;
    view.wait_for_names(&["ÄLIEN", "Alien Cut.mkv", "Alien.txt"]).await?;
    view.wait_for_text("films/a").await?;
    view.wait_for_count("[data-testid=download-this]", 0).await?;
    view.screenshot("hits").await?;
    view.click_entry("Alien Cut.mkv").await?;
    view.wait_for_state("Alien Cut.mkv", &["complete"]).await?;
    view.context_click("[data-testid=entry][data-name='Alien Cut.mkv']").await?;
    view.click("[data-testid=menu-show]").await?;
    view.wait_for_names(&["Alien Cut.mkv"]).await?;
    view.wait_for_count(".entry.marked[data-name='Alien Cut.mkv']", 1).await?;
    view.wait_for_count("[data-testid=hits]", 0).await?;

    // Beneath the shown folder only, and by the keyboard.
    view.press_keys("/cut").await?;
    view.chord(Key::Control, Key::Enter).await?;
    view.wait_for_count("[data-testid=hits]", 1).await?;
    view.wait_for_names(&["Alien Cut.mkv"]).await?;
    view.click("[data-testid=leave-hits]").await?;
    view.wait_for_count("[data-testid=hits]", 0).await?;
    view.press_keys("/nothing").await?;
    view.click("[data-testid=search-all]").await?;
    view.wait_for_text("Nothing found").await
}

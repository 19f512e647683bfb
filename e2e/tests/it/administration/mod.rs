//! The administration page in the browser: the first visit, and everything live while the extension downloads.

mod crowd;
mod files;

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{LONG, until};

const WIDE: (u32, u32) = (1200, 800);
const PHONE: (u32, u32) = (390, 780);
const PASSWORD: &str = "correct horse battery";
const NAME: &str = "film.bin";
const LINES: &str =
    "[shares.films]\npath = \"FOLDER/films\"\npublic = true\n[shares.papers]\npath = \"FOLDER/papers\"\n";

/// The code for the first visit, from the server's log.
async fn code(stage: &Stage) -> Result<String> {
    let log = stage.folder().join("log");
    until("the code in the log", LONG, async || {
        let text = fs::read_to_string(&log)?;
        let code = text.split_once("needs this code: ").and_then(|(_, rest)| rest.split_whitespace().next());
        Ok(code.map(str::to_owned))
    })
    .await
}

/// The page of the first administrator, who is logged in.
async fn enter(stage: &Stage) -> Result<View<'_>> {
    let address = format!("http://{}/admin/", stage.server.address());
    let page = View::open_address(stage.browser()?, &address, WIDE).await?;
    page.fill("code", &code(stage).await?).await?;
    for (field, text) in [("name", "root"), ("password", PASSWORD), ("again", PASSWORD)] {
        page.fill(field, text).await?;
    }
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("Live").await?;
    Ok(page)
}

/// A text that the page shows once.
async fn secret(page: &View<'_>, testid: &str) -> Result<String> {
    let shown =
        page.run("return document.querySelector(arguments[0]).innerText", json!([format!("[data-testid={testid}]")]));
    let shown = shown.await?;
    Ok(shown.as_str().context("a secret is shown")?.trim().to_owned())
}

/// Takes pictures of a view, wide and on a phone, and checks that anybody can use it.
async fn look(page: &View<'_>, name: &str) -> Result<()> {
    for (size, kind) in [(PHONE, "phone"), (WIDE, "wide")] {
        page.resize(size).await?;
        page.screenshot(&format!("admin-{name}-{kind}")).await?;
        let found = page.violations().await?;
        ensure!(found.is_empty(), "{name}, {kind}: {found:#?}");
        let wider = page.run("return document.documentElement.scrollWidth > innerWidth", json!([])).await?;
        ensure!(wider == json!(false), "{name}, {kind}: the page is wider than the window");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_download_and_changes_what_may_be_read() -> Result<()> {
    let stage = Stage::configured(&[("films/film.bin", 24 << 20), ("papers/one.txt", 5)], LINES).await?;
    let address = format!("http://{}/admin/", stage.server.address());
    let page = View::open_address(stage.browser()?, &address, WIDE).await?;
    page.fill("code", "WRONG").await?;
    page.fill("name", "root").await?;
    page.fill("password", PASSWORD).await?;
    page.fill("again", PASSWORD).await?;
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("This is not the code").await?;
    look(&page, "first").await?;
    page.fill("code", &code(&stage).await?).await?;
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("Live").await?;

    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.click_entry("films").await?;
    view.wait_for_name(NAME).await?;
    stage.download_part(&view, NAME, 8 << 20).await?;
    page.click("[data-testid=tab-clients]").await?;
    page.wait_for_words("films/film.bin").await?;
    look(&page, "clients").await?;
    page.click("[data-testid=tab-overview]").await?;
    page.wait_for_words("Sent since the start").await?;
    look(&page, "overview").await?;

    page.click("[data-testid=tab-shares]").await?;
    page.wait_for_words("Everybody").await?;
    look(&page, "shares").await?;
    page.click("[data-name=films] [data-testid=switch-share]").await?;
    page.wait_for_words("Nobody: stopped").await?;
    stage.proxy.release();
    let words = "has nothing of that name";
    let row = view.wait_for_rows(words, |rows| rows.iter().find(|row| row.text.contains(words)).cloned()).await?;
    ensure!(row.state == "waiting", "{row:?}");
    page.click("[data-name=films] [data-testid=switch-share]").await?;
    let saved = view.save(NAME).await?;
    stage.check_saved("films/film.bin", &saved)?;

    page.click("[data-testid=tab-people]").await?;
    page.fill("user-name", "kid").await?;
    page.fill("user-password", PASSWORD).await?;
    page.fill("user-only", "films").await?;
    page.click("[data-testid=user-links]").await?;
    page.click("[data-testid=user-add]").await?;
    page.wait_for_words("kid may log in now.").await?;
    buttons_are_beside_each_other(&page).await?;
    page.fill("token-user", "kid").await?;
    page.click("[data-testid=token-add]").await?;
    page.wait_for_words("It is shown this once.").await?;
    let secret = secret(&page, "token-secret").await?;
    ensure!(secret.starts_with("wstp_"), "a token begins with its mark");
    page.click("[data-testid=token-kept]").await?;
    look(&page, "people").await?;
    let html = page.run("return document.documentElement.outerHTML", json!([])).await?;
    ensure!(!html.to_string().contains(&secret), "nobody sees a token again");
    a_link_is_made_and_opened(&stage, &page).await?;
    page.click("[data-testid=tab-events]").await?;
    page.wait_for_words("root made a link to films/film.bin").await?;
    page.wait_for_words("root stopped sharing films").await?;
    page.wait_for_words("root made token").await?;
    look(&page, "events").await?;
    stage.browser()?.check_no_panic()
}

/// The buttons of a user stay together on phones of all sizes, and the heading above them is only spoken.
async fn buttons_are_beside_each_other(page: &View<'_>) -> Result<()> {
    const LOOK: &str = "const box = (part) => document.querySelector(part).getBoundingClientRect();
        const kid = '[data-testid=user][data-name=kid] ';
        if (!document.querySelector(kid)) return null;
        const [password, remove] = ['set-password', 'remove-user'].map((name) => box(`${kid}[data-testid=${name}]`));
        return { may: document.querySelector(kid + '[data-testid=may-link]').innerText, top: remove.top - password.top,
            between: remove.left - password.right, end: box(kid).right - remove.right, head: box('th > .spoken').width }";
    for width in [320, 390, 420] {
        page.resize((width, 780)).await?;
        let seen = until("the user's row", LONG, async || {
            let seen = page.run(LOOK, json!([])).await?;
            Ok((!seen.is_null()).then_some(seen))
        })
        .await?;
        let number = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
        ensure!(seen["may"] == "Yes", "{seen}");
        ensure!(number("top") == 0.0 && (4.0..=16.0).contains(&number("between")), "{width}: {seen}");
        ensure!(number("end") <= 16.0 && number("head") <= 1.0, "{width}: {seen}");
    }
    Ok(())
}

/// A share link, made on the page, shown once, and opened in a tab.
async fn a_link_is_made_and_opened(stage: &Stage, page: &View<'_>) -> Result<()> {
    page.click("[data-testid=tab-links]").await?;
    page.fill("link-path", "films/film.bin").await?;
    page.click("[data-testid=link-add]").await?;
    page.wait_for_words("Anybody who has it may download").await?;
    let link = secret(page, "link-url").await?;
    ensure!(link.starts_with(&format!("http://{}/s/", stage.server.address())), "{link}");
    let drawn =
        page.run("return document.querySelector('[data-testid=link-qr] path').getAttribute('d').length", json!([]));
    ensure!(drawn.await?.as_u64() > Some(1000), "the picture has modules");
    look(page, "link-made").await?;
    page.click("[data-testid=link-kept]").await?;
    look(page, "links").await?;
    let html = page.run("return document.documentElement.outerHTML", json!([])).await?;
    ensure!(!html.to_string().contains(&link), "nobody sees the link again");
    let opened = View::open_address(stage.browser()?, &link, WIDE).await?;
    opened.wait_for_words("film.bin").await?;
    opened.wait_for_words("wstp get").await?;
    look(&opened, "link").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_finds_its_server_again_and_asks_for_a_login() -> Result<()> {
    let mut stage = Stage::configured(&[("films/film.bin", 5), ("papers/one.txt", 5)], LINES).await?;
    let address = format!("http://{}/admin/", stage.server.address());
    let code = code(&stage).await?;
    let (browser, server) = stage.browser_and_server()?;
    let page = View::open_address(browser, &address, WIDE).await?;
    page.fill("code", &code).await?;
    for (field, text) in [("name", "root"), ("password", PASSWORD), ("again", PASSWORD)] {
        page.fill(field, text).await?;
    }
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("Live").await?;
    server.kill().await?;
    page.wait_for_words("The server does not answer.").await?;
    server.restart().await?;
    page.wait_for_words("Log in as a user with the role admin.").await?;
    page.fill("name", "root").await?;
    page.fill("password", "another password").await?;
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("The name or the password is wrong.").await?;
    look(&page, "login").await?;
    page.fill("password", PASSWORD).await?;
    page.click("[data-testid=enter]").await?;
    page.wait_for_words("Live").await?;
    // It happened before the server was killed.
    page.click("[data-testid=tab-events]").await?;
    page.fill("events-search", "first ADMINISTRATOR").await?;
    page.wait_for_words("root is the first administrator").await?;
    look(&page, "search").await?;
    page.click("[data-testid=log-out]").await?;
    page.wait_for_words("Log in as a user with the role admin.").await?;
    browser.check_no_panic()
}

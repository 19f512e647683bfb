//! The shared files on the administration page, and a link that is made there.

use anyhow::{Result, ensure};
use wstp_e2e::{Stage, View};
use wstp_testkit::Hashed;

use super::{LINES, WIDE, enter, look, secret};

#[tokio::test(flavor = "multi_thread")]
async fn files_are_browsed_and_a_link_is_made_from_there() -> Result<()> {
    let hostile = "films/<b>bold\u{202e}gnp.exe";
    let files = [("films/film.bin", 3 << 20), ("films/new/one.txt", 5), ("papers/one.txt", 5), (hostile, 7)];
    let stage = Stage::configured(&files, LINES).await?;
    let page = enter(&stage).await?;
    // The server keeps the hash of a small file only while somebody has it open.
    let _hashed = Hashed::open(stage.server.address(), "films/film.bin").await?;
    page.click("[data-testid=tab-files]").await?;
    page.wait_for_words("papers").await?;
    look(&page, "files-shares").await?;
    page.click("[data-testid=open-folder][data-name=films]").await?;
    page.wait_for_words("3.15 MB").await?;
    page.wait_for_words("Known").await?;
    page.wait_for_words("Not yet").await?;
    page.wait_for_words("<b>bold").await?;
    look(&page, "files").await?;
    page.click("[data-testid=open-folder][data-name=new]").await?;
    page.wait_for_words("one.txt").await?;
    page.click("[data-testid=crumb][data-name=films]").await?;
    page.click("[data-testid=file][data-name='film.bin'] [data-testid=make-link]").await?;
    page.wait_for_words("Days until it ends").await?;
    look(&page, "files-link").await?;
    page.click("dialog[open] [data-testid=link-add]").await?;
    page.wait_for_words("Anybody who has it may download").await?;
    let link = secret(&page, "link-url").await?;
    ensure!(link.starts_with(&format!("http://{}/s/", stage.server.address())), "{link}");
    page.click("dialog[open] [data-testid=link-kept]").await?;
    let opened = View::open_address(stage.browser()?, &link, WIDE).await?;
    opened.wait_for_words("film.bin").await?;
    stage.browser()?.check_no_panic()
}

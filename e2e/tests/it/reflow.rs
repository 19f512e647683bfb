//! Narrow windows and large zooms: nothing is cut off, nothing overlaps (WCAG 1.4.10).

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Page, Stage, View};

/// The controls that stick out of the window, and the pairs of them that overlap, in words.
const FAULTS: &str = "
    const shown = [...document.querySelectorAll('button, input, select')]
        .map(e => [e, e.getBoundingClientRect()])
        .filter(([e, r]) => r.width > 0 && e.checkVisibility() && !e.closest('.entries-body, .transfers, .files'));
    const name = e => e.dataset.testid || e.className;
    const outside = shown.filter(([, r]) => r.left < -1 || r.right > innerWidth + 1).map(([e]) => `${name(e)} sticks out`);
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const pairs = shown.flatMap(([a, r], i) => shown.slice(i + 1)
        .filter(([b, s]) => !a.contains(b) && meet(r, s)).map(([b]) => `${name(a)} overlaps ${name(b)}`));
    const scrolls = document.documentElement.scrollWidth > innerWidth && getComputedStyle(document.documentElement).overflowX !== 'hidden';
    return [...outside, ...pairs, ...(scrolls ? ['the page scrolls sideways'] : [])]";

pub(crate) async fn faults(view: &View<'_>) -> Result<Vec<String>> {
    Ok(serde_json::from_value(view.run(FAULTS, json!([])).await?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cut_off_in_a_narrow_window() -> Result<()> {
    let long = format!("{} a file of a long name.txt", "very ".repeat(20));
    let stage = Stage::serving(&[("inner/deeper/deepest/a.txt", 10), (&long, 2_000_000)]).await?;
    for page in [Page::Popup, Page::Manager] {
        let view = stage.open(page).await?;
        view.connect(&stage.address()).await?;
        view.download(&long).await?;
        view.click_entry("inner").await?;
        view.wait_for_name("deeper").await?;
        // 320 pixels are 1280 at 400 %; 200 are the popup at 200 % on Chrome's largest.
        for size in [(320, 600), (320, 256), (200, 300), (600, 400)] {
            // Only the popup gets so narrow.
            if page == Page::Manager && size.0 < 320 {
                continue;
            }
            view.resize(size).await?;
            let at = format!("{page:?} at {size:?}");
            let found = faults(&view).await.with_context(|| at.clone())?;
            ensure!(found.is_empty(), "{at}: {found:?}");
            if size.0 == 320 {
                view.screenshot(&format!("{}-reflow-{}", page.name(), size.1)).await?;
            }
        }
        view.show_transfers().await?;
        view.resize((320, 600)).await?;
        let found = faults(&view).await?;
        ensure!(found.is_empty(), "the transfers: {found:?}");
        view.close().await?;
    }
    Ok(())
}

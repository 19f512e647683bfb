//! How soon the popup can be used: from the start of the navigation until the server field takes text.
//!
//! The popup opens in a tab, because no driver reaches the real popup. The browser runs already, as a user's does. A
//! round is the median of some openings.

use anyhow::{Context, Result};
use serde_json::json;
use wstp_e2e::{Browser, Extension, Page, View};
use wstp_testkit::{SHORT, until};

use crate::Plan;
use crate::browser::Place;
use crate::figure::{Series, median};

/// Openings in a round.
const OPENINGS: usize = 5;

/// Runs before anything of the page. It notes when the field is there and can be used. The clock begins with the
/// navigation.
const WATCH: &str = "const look = () => { \
        const field = document.querySelector('[data-testid=\"server-input\"]'); \
        if (field && !field.disabled && field.checkVisibility()) { \
            window.benchReady ??= performance.now(); watching.disconnect(); \
        } \
    }; \
    const watching = new MutationObserver(look); \
    watching.observe(document, { subtree: true, childList: true, attributes: true });";

/// Milliseconds.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let place = Place::new()?;
    let browser = Browser::launch(&place.profile, &Extension::built()?).await?;
    // The first page wakes sleeping parts.
    View::open(&browser, Page::Popup).await?.close().await?;
    let mut series = Series::default();
    for _ in plan.rounds() {
        let mut times = Vec::with_capacity(OPENINGS);
        for _ in 0..OPENINGS {
            times.push(open(&browser).await?);
        }
        series.push(median(&times).context("no opening")?);
    }
    browser.kill().await?;
    Ok(vec![series])
}

async fn open(browser: &Browser) -> Result<f64> {
    let session = browser.session();
    let back = session.window().await?;
    let tab = session.new_tab().await?;
    session.switch_to_window(tab).await?;
    let size = json!({ "width": 400, "height": 600, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", size).await?;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await?;
    session.goto(browser.extension().url("popup.html")).await?;
    let ready = until("the field for the server", SHORT, async || {
        Ok(session.execute("return window.benchReady ?? null", vec![]).await?.json().as_f64())
    });
    let ready = ready.await?;
    session.close_window().await?;
    session.switch_to_window(back).await?;
    Ok(ready)
}

//! The extension in each of its languages: no English is left, nothing is cut off, and Arabic is mirrored.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wstp_e2e::{Page, Profile, Stage, View};

use crate::reflow::faults;

/// Texts of the page that are English: an English sentence of the table, which the language says in other words, or
/// Latin letters in a language that has none.
const ENGLISH: &str = r"
    const [english, own, isLatin] = arguments;
    const escape = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const patterns = Object.entries(english)
        .filter(([key, entry]) => /[a-z]{3}/i.test(entry.message.replace(/\$\w+\$/g, '')) && own[key]?.message !== entry.message)
        .map(([, entry]) => new RegExp('^' + entry.message.split(/\$\w+\$/).map(escape).join('.+') + '$'));
    const shown = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (element.checkVisibility() && !element.closest('bdi, option:not(:checked)')) shown.push(walk.currentNode.data.trim());
    }
    for (const element of document.querySelectorAll('[placeholder], [title], [aria-label]'))
        if (element.checkVisibility())
            shown.push(...['placeholder', 'title', 'aria-label'].map(name => element.getAttribute(name) ?? ''));
    // Names of files and servers, names of things, and what stands between isolates.
    const plain = text => text.replace(/\u2068[^\u2069]*\u2069/g, '')
        .replace(/Notes of a trip|readme|archive|BLAKE3|WSTP|WebSocket|Chrome|KiB|kB|host:port|127\.0\.0\.1|\.txt|\.bin/g, '');
    return shown.filter(text => patterns.some(pattern => pattern.test(text)) || (!isLatin && /[a-z]{3}/i.test(plain(text))))";

/// Words that their place cuts off. Names and paths may lose their middle, and tell it all in a tooltip.
const CUT_OFF: &str = "
    const may = '.name, .name-head, .crumb, .transfer-origin, .server bdi, .spoken, .tool-words, .tab-word, .picker-options';
    return [...document.querySelectorAll('button, label, h1, h2, p, span, output, dt, .input')]
        .filter(e => e.checkVisibility() && !e.closest(may) && e.clientWidth > 0)
        .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' || e.matches('button') && e.scrollWidth > e.clientWidth + 1)
        .map(e => `${e.className || e.tagName}: ${e.innerText || e.placeholder}`)
        .concat([...document.querySelectorAll('input[placeholder]')].filter(e => {
            const canvas = document.createElement('canvas').getContext('2d');
            const style = getComputedStyle(e);
            canvas.font = `${style.fontSize} ${style.fontFamily}`;
            const room = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
            return e.checkVisibility() && !e.value && canvas.measureText(e.placeholder).width > room + 1;
        }).map(e => `placeholder: ${e.placeholder}`))";

struct Spoken {
    language: &'static str,
    direction: &'static str,
    english: Value,
    own: Value,
}

impl Spoken {
    fn new(language: &'static str, direction: &'static str) -> Result<Self> {
        let table = |language: &str| -> Result<Value> {
            let path = wstp_e2e::Extension::built()?.dir().join("_locales").join(language).join("messages.json");
            Ok(serde_json::from_slice(&std::fs::read(path)?)?)
        };
        Ok(Self { language, direction, english: table("en")?, own: table(language)? })
    }

    /// Looks at what the page shows now, and takes its picture.
    async fn look(&self, view: &View<'_>, name: &str) -> Result<()> {
        view.screenshot(&format!("{}-{name}", self.language)).await?;
        let root =
            view.run("return [document.documentElement.lang.split('-')[0], document.documentElement.dir]", json!([]));
        ensure!(root.await? == json!([self.language, self.direction]), "the page says another language");
        let is_latin = !matches!(self.language, "ja" | "ar");
        if self.language != "en" {
            let left = view.run(ENGLISH, json!([self.english, self.own, is_latin])).await?;
            ensure!(left == json!([]), "{name}: English is left: {left}");
        }
        let cut = view.run(CUT_OFF, json!([])).await?;
        ensure!(cut == json!([]), "{name}: cut off: {cut}");
        let faults = faults(view).await?;
        ensure!(faults.is_empty(), "{name}: {faults:?}");
        Ok(())
    }

    /// Goes through the places of a page.
    async fn tour(&self, stage: &Stage, page: Page) -> Result<()> {
        let view = stage.open(page).await?;
        let name = |place: &str| format!("{}-{place}", page.name());
        self.look(&view, &name("first")).await?;
        view.ask_for("127.0.0.1:1").await?;
        view.wait_for_error().await?;
        self.look(&view, &name("error")).await?;
        view.connect(&stage.address()).await?;
        view.wait_for_name("readme.txt").await?;
        view.download("readme.txt").await?;
        self.look(&view, &name("folder")).await?;
        view.resize((320, 600)).await?;
        self.look(&view, &name("folder-320")).await?;
        view.resize(page.size()).await?;
        view.show_transfers().await?;
        let row = view.wait_for_state("readme.txt", &["complete"]).await?;
        view.expand(&row).await?;
        view.click("[data-testid=details]").await?;
        self.look(&view, &name("details")).await?;
        view.resize((320, 600)).await?;
        self.look(&view, &name("details-320")).await?;
        view.resize(page.size()).await?;
        if page == Page::Manager {
            view.click("[data-testid=open-settings]").await?;
            self.look(&view, &name("settings")).await?;
            view.click("[data-testid=close-sheet]").await?;
        }
        self.check_mirrored(&view).await?;
        // Removing what was not saved asks first; then a note offers to undo it.
        view.press(&row, "remove").await?;
        self.look(&view, &name("question")).await?;
        view.click("[data-testid=confirm-yes]").await?;
        view.click("[data-testid=toast]").await?;
        self.look(&view, &name("note")).await?;
        view.close().await
    }

    /// A row begins at the right where lines run from right to left.
    async fn check_mirrored(&self, view: &View<'_>) -> Result<()> {
        let script = "const at = s => document.querySelector(s).getBoundingClientRect();
            return at('.transfer-title').left > at('.transfer-actions').left";
        let is_mirrored = view.run(script, json!([])).await?;
        ensure!(is_mirrored == json!(self.direction == "rtl"), "the row runs in the other direction");
        Ok(())
    }
}

async fn speaks(language: &'static str, direction: &'static str) -> Result<()> {
    let spoken = Spoken::new(language, direction)?;
    let files = [("Notes of a trip/deep/page.txt", 10), ("readme.txt", 2_000_000), ("archive.bin", 40_000)];
    let stage = Stage::serving_to(&files, Profile::new()?.speaking(language)).await?;
    for page in [Page::Popup, Page::Manager] {
        spoken.tour(&stage, page).await.with_context(|| format!("{language}, {page:?}"))?;
    }
    stage.browser()?.check_no_panic()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extension_speaks_english() -> Result<()> {
    speaks("en", "ltr").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extension_speaks_german() -> Result<()> {
    speaks("de", "ltr").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extension_speaks_spanish() -> Result<()> {
    speaks("es", "ltr").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extension_speaks_japanese() -> Result<()> {
    speaks("ja", "ltr").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extension_speaks_arabic_and_is_mirrored() -> Result<()> {
    speaks("ar", "rtl").await
}

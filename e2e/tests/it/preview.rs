//! The preview of a file, also while it comes.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Page, Stage, View};
use wstp_testkit::{LONG, SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 256 * MIB;
const SOUND: &str = "concert.wav";
/// Bytes that may come between a jump and the first sound there.
const MOST_BEFORE_SOUND: u64 = 8 * MIB;

/// The beginning of a sound of this many bytes: 16 bits, two channels, 44,100 times a second (RIFF WAVE).
fn wave_header(size: u64) -> Result<Vec<u8>> {
    let size = u32::try_from(size)?;
    let mut header = Vec::new();
    header.extend(b"RIFF");
    header.extend((size - 8).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend([1_u16, 2].map(u16::to_le_bytes).concat());
    header.extend([44_100_u32, 176_400].map(u32::to_le_bytes).concat());
    header.extend([4_u16, 16].map(u16::to_le_bytes).concat());
    header.extend(b"data");
    header.extend((size - 44).to_le_bytes());
    Ok(header)
}

/// Opens the preview of the newest transfer of this name, as its button does.
async fn open_preview<'a>(stage: &'a Stage, view: &View<'_>, name: &str) -> Result<View<'a>> {
    let script = "return document.querySelector(`[data-testid=transfer][data-name=\"${arguments[0]}\"]`).dataset.id";
    let id = view.run(script, json!([name])).await?;
    let id = id.as_str().context("the row has no id")?;
    let browser = stage.browser()?;
    let address = browser.extension().url(&format!("preview/index.html?{id}"));
    View::open_address(browser, &address, (1000, 700)).await
}

async fn wait_for_script(view: &View<'_>, what: &str, script: &str) -> Result<()> {
    until(what, LONG, async || Ok((view.run(script, json!([])).await? == json!(true)).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_jumps_gets_first_what_it_needs() -> Result<()> {
    let stage = Stage::serving(&[(SOUND, SIZE)]).await?;
    let mut file = fs::OpenOptions::new().write(true).open(stage.folder().join(SOUND))?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&wave_header(SIZE)?)?;
    drop(file);
    let view = stage.open_connected().await?;
    stage.proxy.limit_rate(4 * MIB);
    view.download(SOUND).await?;
    view.show_transfers().await?;
    let row = view.wait_for_state(SOUND, &["downloading"]).await?;
    view.expand(&row).await?;
    view.wait_for_count("[data-testid=preview]", 1).await?;
    let preview = open_preview(&stage, &view, SOUND).await?;
    let player = "const player = document.querySelector('[data-testid=player]');";
    let known = format!("{player} return player?.duration > 1000;");
    wait_for_script(&preview, "the player to know how long the sound is", &known).await?;
    let violations = preview.violations().await?;
    ensure!(violations.is_empty(), "{violations:?}");
    let before = stage.proxy.passed();
    let jump = "player.muted = true; player.onseeked = () => { window.arrived = true; }; \
                player.currentTime = player.duration * 0.8;";
    preview.run(&format!("{player} {jump}"), json!([])).await?;
    wait_for_script(&preview, "the player to arrive", "return window.arrived === true;").await?;
    let passed = stage.proxy.passed() - before;
    println!("{passed} bytes came between the jump and the sound there");
    ensure!(passed <= MOST_BEFORE_SOUND, "{passed} bytes came before the sound");
    preview.screenshot("preview-sound").await?;
    stage.proxy.limit_rate(u64::MAX);
    preview.wait_for_words("Complete").await?;
    stage.browser()?.check_no_panic()
}

/// Each of them writes into the page's title if it may run a script there.
const HOSTILE: [(&str, &str, &str); 3] = [
    (
        "evil.svg",
        "picture",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" onload=\"top.document.title='ran'\">\
         <script>top.document.title = 'ran'</script><rect width=\"9\" height=\"9\" fill=\"red\"/></svg>",
    ),
    (
        "evil.html",
        "text",
        "<script>top.document.title = 'ran'</script><img src=x onerror=\"top.document.title='ran'\">",
    ),
    (
        "evil.pdf",
        "document",
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(top.document.title='ran')>>>>endobj\n\
         2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\n\
         trailer<</Root 1 0 R>>\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_previewed_file_runs() -> Result<()> {
    let stage = Stage::serving(&[]).await?;
    for (name, _, contents) in HOSTILE {
        fs::write(stage.folder().join(name), contents)?;
    }
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    for (name, ..) in HOSTILE {
        view.wait_for_name(name).await?;
        view.download(name).await?;
    }
    view.show_transfers().await?;
    for (name, element, contents) in HOSTILE {
        view.wait_for_state(name, &["complete"]).await?;
        let preview = open_preview(&stage, &view, name).await?;
        let shown = format!("return !!document.querySelector('[data-testid={element}]');");
        wait_for_script(&preview, &format!("{name} to be shown"), &shown).await?;
        if element == "picture" {
            let is_drawn = "return document.querySelector('[data-testid=picture]').naturalWidth === 9;";
            wait_for_script(&preview, "the picture", is_drawn).await?;
        }
        if element == "text" {
            let text =
                preview.run("return document.querySelector('[data-testid=text]').textContent", json!([])).await?;
            ensure!(text == json!(contents), "{text}");
        }
        preview.screenshot(&format!("preview-{element}")).await?;
        let title = preview.run("return document.title", json!([])).await?;
        ensure!(title == json!(name), "{name} changed the title to {title}");
        // Opened by itself, it has another origin than the extension, and still runs nothing.
        let alone = "const frame = document.createElement('iframe'); frame.src = document.querySelector('[src]').src; \
                     frame.onload = () => { window.loaded = true; }; document.body.append(frame);";
        if element == "picture" {
            preview.run(alone, json!([])).await?;
            until("the picture alone", SHORT, async || {
                Ok((preview.run("return window.loaded === true", json!([])).await? == json!(true)).then_some(()))
            })
            .await?;
            let title = preview.run("return document.title", json!([])).await?;
            ensure!(title == json!(name), "{name} changed the title to {title}");
        }
        preview.close().await?;
    }
    stage.browser()?.check_no_panic()
}

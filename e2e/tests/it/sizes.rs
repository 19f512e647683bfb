//! Files at the edges of a block, and a file that is much larger than the memory it may take.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wstp_e2e::{Memory, MemoryWatch, Stage};
use wstp_testkit::target;

const IMAGE: &str = "image.bin";
/// How much the extension's processes may grow while a file of any size passes through them.
const MOST_GROWTH: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_every_size_around_a_block_arrives_and_one_with_holes() -> Result<()> {
    let files = [("empty.bin", 0), ("byte.bin", 1), ("less.bin", 8191), ("block.bin", 8192), ("more.bin", 8193)];
    let stage = Stage::serving(&files).await?;
    write_image(&stage.folder().join(IMAGE))?;
    let view = stage.open_connected().await?;
    for (name, size) in files {
        let arrives = async {
            view.download(name).await?;
            let saved = view.save(name).await?;
            stage.check_saved(name, &saved)
        };
        arrives.await.with_context(|| format!("a file of {size} bytes"))?;
    }
    let before = stage.proxy.passed();
    view.download(IMAGE).await?;
    let saved = view.save(IMAGE).await?;
    stage.check_saved(IMAGE, &saved)?;
    let passed = stage.proxy.passed() - before;
    ensure!(passed < 2 << 20, "{passed} bytes were sent for an image that is mostly holes");
    stage.browser()?.check_no_panic()
}

/// A file that is a hole but for a few bytes, longer than two stretches that one hash proves.
fn write_image(path: &Path) -> Result<()> {
    let file = File::create(path)?;
    file.set_len((150 << 20) + 77)?;
    file.write_all_at(&[7; 100_000], 70 << 20)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_arrives_in_little_memory() -> Result<()> {
    let stage = Stage::serving(&[("large.bin", 1 << 30), ("first.bin", 1 << 20)]).await?;
    let view = stage.open_connected().await?;
    // Code is compiled and pages are drawn once. That is no cost of a large file.
    view.download("first.bin").await?;
    view.save("first.bin").await?;

    let browser = stage.browser()?.processes()?;
    let before = Memory::of_extension(browser);
    let watch = MemoryWatch::start(browser);
    view.download("large.bin").await?;
    let saved = view.save("large.bin").await?;
    let most = watch.most();
    stage.check_saved("large.bin", &saved)?;

    let growth = most.saturating_sub(before.proportional);
    let figures =
        json!({ "before": before.proportional, "most": most, "growth": growth, "processes": before.processes });
    println!("memory of the extension's processes, in bytes: {figures}");
    fs::write(target().join("e2e-memory.json"), format!("{figures}\n"))?;
    ensure!(before.processes > 0, "no process of the extension was found");
    ensure!(growth < MOST_GROWTH, "the extension grew by {growth} bytes: {figures}");
    Ok(())
}

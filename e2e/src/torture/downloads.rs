//! The downloads under torture: the files, the downloads that run, and the checks of complete ones.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Log;
use crate::{Row, Stage, View};
use wstp_testkit::{Contents, Random, hash_file};

/// Sizes of files, in bytes.
const SIZES: Range<u64> = 8 << 20..80 << 20;
/// One of this many downloads is a folder.
const FOLDER_EVERY: u32 = 4;
/// The large file in a folder, and its sizes.
const LARGE: &str = "large.bin";
const LARGE_SIZES: Range<u64> = 4 << 20..16 << 20;
/// How many small files are beside it, and their sizes.
const SMALL_FILES: Range<u64> = 50..400;
const SMALL_SIZES: Range<u64> = 0..100 << 10;
/// Downloads at once.
const AT_ONCE: usize = 2;
/// Files and folders that wait for their turn.
const IN_STOCK: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    /// Names of files that are not being downloaded yet.
    stock: VecDeque<String>,
    /// Names of files that are being downloaded.
    under_way: Vec<String>,
    made: u32,
    whole: u32,
    accounted: u64,
}

impl Downloads {
    /// How many files and folders arrived whole.
    pub(super) fn whole(&self) -> u32 {
        self.whole
    }

    /// Bytes of the files that arrived whole and are in the line's account: all but the small files of folders.
    pub(super) fn accounted(&self) -> u64 {
        self.accounted
    }

    /// Whether no download runs.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The large files that are being downloaded: paths and sizes.
    pub(super) fn files(&self, stage: &Stage) -> Result<Vec<(String, u64)>> {
        let file = |name: &String| {
            let is_folder = stage.folder().join(name).is_dir();
            let path = if is_folder { format!("{name}/{LARGE}") } else { name.clone() };
            let size = fs::metadata(stage.folder().join(&path))?.len();
            Ok((path, size))
        };
        self.under_way.iter().map(file).collect()
    }

    /// Writes files and folders until enough of them wait.
    pub(super) fn fill_stock(&mut self, stage: &Stage, random: &mut Random) -> Result<()> {
        while self.stock.len() < IN_STOCK {
            self.made += 1;
            let is_folder = self.made.is_multiple_of(FOLDER_EVERY);
            let name = format!("torture-{}{}", self.made, if is_folder { "" } else { ".bin" });
            let place = stage.folder().join(&name);
            if is_folder {
                write(&place.join(LARGE), LARGE_SIZES, random)?;
                for index in 0..random.in_range(SMALL_FILES) {
                    write(&place.join(format!("{}/{index}.txt", index % 9)), SMALL_SIZES, random)?;
                }
            } else {
                write(&place, SIZES, random)?;
            }
            self.stock.push_back(name);
        }
        Ok(())
    }

    /// Takes complete downloads, and fails if one needs help.
    pub(super) async fn take_complete(&mut self, stage: &Stage, view: &View<'_>, log: Log) -> Result<()> {
        for row in view.rows().await? {
            match row.state.as_str() {
                "failed" | "cancelled" | "paused" => bail!("{} does not go on by itself: {}", row.name, row.text),
                "complete" => {
                    self.accounted += compare(stage, view, &row).await.with_context(|| row.name.clone())?;
                    self.under_way.retain(|name| *name != row.name);
                    self.whole += 1;
                    log.say(&format!("     {} arrived whole", row.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins as many downloads as there is room for.
    pub(super) async fn begin(&mut self, stage: &Stage, view: &View<'_>) -> Result<()> {
        if self.under_way.len() >= AT_ONCE || self.stock.is_empty() {
            return Ok(());
        }
        view.ask_for(&stage.address()).await?;
        while self.under_way.len() < AT_ONCE
            && let Some(name) = self.stock.pop_front()
        {
            view.wait_for_name(&name).await?;
            if stage.folder().join(&name).is_dir() {
                view.download_folder(&name).await?;
            } else {
                view.download(&name).await?;
            }
            let is_there = |rows: &[Row]| rows.iter().any(|row| row.name == name).then_some(());
            view.wait_for_rows("the download in the list", is_there).await?;
            self.under_way.push(name);
        }
        Ok(())
    }
}

/// A file of a given size with random bytes.
fn write(place: &Path, sizes: Range<u64>, random: &mut Random) -> Result<()> {
    Contents::new(random.number().to_string(), random.in_range(sizes)).write(place)
}

/// Compares a complete file with its source by its hash. Saves it, or the folder, compares the saved copy, and removes
/// all of it. Returns how many of its bytes are in the line's account.
async fn compare(stage: &Stage, view: &View<'_>, row: &Row) -> Result<u64> {
    let source = stage.folder().join(&row.name);
    let is_folder = source.is_dir();
    let accounted = fs::metadata(if is_folder { source.join(LARGE) } else { source.clone() })?.len();
    if is_folder {
        let saved = view.save_folder(&row.name).await?;
        stage.check_saved_folder(&row.name)?;
        remove(view, &saved).await?;
        fs::remove_dir_all(stage.downloads().join(&row.name))?;
        fs::remove_dir_all(source)?;
    } else {
        view.press(row, "expand").await?;
        view.wait_for_text(&hash_file(&source)?).await.context("the extension shows another hash")?;
        let saved = view.save(&row.id).await?;
        stage.check_saved(&row.name, &saved)?;
        remove(view, row).await?;
        fs::remove_file(saved)?;
        fs::remove_file(source)?;
    }
    Ok(accounted)
}

async fn remove(view: &View<'_>, row: &Row) -> Result<()> {
    view.press(row, "remove").await?;
    view.wait_for_rows("the row to go", |rows| rows.iter().all(|other| other.id != row.id).then_some(())).await
}

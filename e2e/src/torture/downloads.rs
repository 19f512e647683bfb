//! The downloads under torture: which files there are, which of them are under way, and whether those that are complete are right.

use std::collections::VecDeque;
use std::fs;

use anyhow::{Context, Result, bail};

use super::Log;
use crate::{Contents, Random, Row, Stage, View, hash_file};

/// Sizes of files, in bytes.
const SIZES: std::ops::Range<u64> = 8 << 20..80 << 20;
/// Downloads at once.
const AT_ONCE: usize = 2;
/// Files that wait in the folder for their turn.
const IN_STOCK: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    /// Names of files that nobody downloads yet.
    stock: VecDeque<String>,
    /// Names of files that are being downloaded.
    under_way: Vec<String>,
    made: u32,
    whole: u32,
}

impl Downloads {
    /// How many files arrived whole.
    pub(super) fn whole(&self) -> u32 {
        self.whole
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Writes files until enough of them wait.
    pub(super) fn fill_stock(&mut self, stage: &Stage, random: &mut Random) -> Result<()> {
        while self.stock.len() < IN_STOCK {
            self.made += 1;
            let name = format!("torture-{}.bin", self.made);
            let contents = Contents::new(random.number().to_string(), random.within(SIZES));
            contents.write(&stage.folder().join(&name))?;
            self.stock.push_back(name);
        }
        Ok(())
    }

    /// Takes what is complete, and fails where a download needs help.
    pub(super) async fn take_complete(&mut self, stage: &Stage, view: &View<'_>, log: Log) -> Result<()> {
        for row in view.rows().await? {
            match row.state.as_str() {
                "failed" | "cancelled" | "paused" => bail!("{} does not go on by itself: {}", row.name, row.text),
                "complete" => {
                    compare(stage, view, &row).await.with_context(|| row.name.clone())?;
                    self.under_way.retain(|name| *name != row.name);
                    self.whole += 1;
                    log.say(&format!("     {} arrived whole", row.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins as many as there is room for.
    pub(super) async fn begin(&mut self, stage: &Stage, view: &View<'_>) -> Result<()> {
        if self.under_way.len() >= AT_ONCE || self.stock.is_empty() {
            return Ok(());
        }
        view.ask_for(&stage.address()).await?;
        while self.under_way.len() < AT_ONCE
            && let Some(name) = self.stock.pop_front()
        {
            view.wait_for_name(&name).await?;
            view.download(&name).await?;
            let is_there = |rows: &[Row]| rows.iter().any(|row| row.name == name).then_some(());
            view.wait_for_rows("the download in the list", is_there).await?;
            self.under_way.push(name);
        }
        Ok(())
    }
}

/// Compares a complete file with its source, by its hash and on disk, and removes all three.
async fn compare(stage: &Stage, view: &View<'_>, row: &Row) -> Result<()> {
    let source = stage.folder().join(&row.name);
    view.press(row, "expand").await?;
    view.wait_for_text(&hash_file(&source)?).await.context("the extension shows another hash")?;
    let saved = view.save(&row.id).await?;
    stage.check_saved(&row.name, &saved)?;
    view.press(row, "remove").await?;
    view.wait_for_rows("the row to go", |rows| rows.iter().all(|other| other.id != row.id).then_some(())).await?;
    fs::remove_file(saved)?;
    fs::remove_file(source)?;
    Ok(())
}

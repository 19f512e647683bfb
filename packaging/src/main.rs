//! Writes the man pages and the shell completions into a folder: `wstp-packaging FOLDER`.

use std::path::Path;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("which folder? wstp-packaging FOLDER")?;
    wstp_packaging::write_manual(Path::new(&folder)).with_context(|| format!("can't write {folder:?}"))
}

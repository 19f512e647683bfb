//! How much WebAssembly the extension has, gzipped. It is the same each time, so there is one round.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use wstp_e2e::Extension;

use crate::Plan;
use crate::figure::Series;

/// KiB over all files.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(_: Plan) -> Result<Vec<Series>> {
    let extension = Extension::built()?;
    let mut bytes = 0;
    for entry in fs::read_dir(extension.dir()).context("the extension can't be read")? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "wasm") {
            bytes += gzipped(&fs::read(path)?)?;
        }
    }
    ensure!(bytes > 0, "the extension has no wasm: run `cargo xtask build`");
    let mut series = Series::default();
    series.push(bytes as f64 / 1024.0);
    Ok(vec![series])
}

fn gzipped(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

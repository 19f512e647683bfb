//! Files that compress: the log of a web server, a table of measurements, and this project's own source.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wstp_testkit::Random;

/// Folders of source.
const SOURCE: [&str; 4] = ["engine/src", "server/src", "protocol/src", "docs"];

/// About `size` bytes: a third of each kind.
///
/// # Errors
///
/// When the source can't be read.
pub fn mixed(size: u64) -> Result<Vec<u8>> {
    let third = usize::try_from(size / 3)?;
    let source = source()?;
    let mut all = log(third).into_bytes();
    all.extend(table(third).into_bytes());
    all.extend(source.iter().cycle().take(third));
    Ok(all)
}

fn log(size: usize) -> String {
    const PATHS: [&str; 5] = ["/", "/api/v1/items/", "/static/app.js?v=", "/images/", "/search?q="];
    const AGENTS: [&str; 2] = [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "curl/8.14.1",
    ];
    let (mut text, mut random) = (String::new(), Random::new(1));
    for line in 0_u64.. {
        if text.len() >= size {
            break;
        }
        let second = line / 20;
        let [a, b, c, d] = [(); 4].map(|()| random.below(256));
        let (path, number) = (random.pick(&PATHS), random.below(100_000));
        let (status, bytes) = (random.pick(&[200, 200, 200, 304, 404]), random.below(50_000));
        let agent = random.pick(&AGENTS);
        let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
        let time = format!("29/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000");
        let _infallible = writeln!(
            text,
            "{a}.{b}.{c}.{d} - - [{time}] \"GET {path}{number} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\""
        );
    }
    text
}

fn table(size: usize) -> String {
    let (mut text, mut random, mut value) = (String::new(), Random::new(2), 20_000);
    for row in 0_u64.. {
        if text.len() >= size {
            break;
        }
        let (hour, minute) = (row / 60 % 24, row % 60);
        value = value + random.below(21) - 10;
        let place = random.pick(&["Berlin", "Paris", "Madrid", "Rome", "Vienna", "Warsaw"]);
        let (share, count) = (random.below(1000), random.below(1000));
        let _infallible = writeln!(
            text,
            "{row},2026-11-29T{hour:02}:{minute:02}:00Z,{place},{}.{:02},{}.{},{count},ok",
            value / 100,
            value % 100,
            share / 10,
            share % 10
        );
    }
    text
}

fn source() -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for folder in SOURCE {
        append(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder), &mut all)?;
    }
    Ok(all)
}

/// All files in a folder, in the order of their names.
fn append(folder: &Path, all: &mut Vec<u8>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no source in {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            append(&path, all)?;
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
            all.extend(fs::read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_is_of_each_kind() {
        let text = mixed(300_000).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!((300_000..301_000).contains(&text.len()), "{}", text.len());
        assert!(text.contains("GET /search?q=") && text.contains(",Vienna,") && text.contains("pub fn "));
    }
}

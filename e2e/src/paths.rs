//! The paths of the extension and of pictures.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result};
use wstp_testkit::workspace;

/// The folder for screenshots.
///
/// # Errors
///
/// When the folder can't be made.
pub fn screenshots() -> Result<PathBuf> {
    let dir = workspace().join("target/screenshots");
    fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
    Ok(dir)
}

/// The script of axe-core, which `scripts/setup --tests` installs.
pub(crate) fn axe() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache"))).context("no cache folder")?;
    Ok(cache.join("wstp/axe/node_modules/axe-core/axe.min.js"))
}

/// The unpacked extension to test: `WSTP_EXTENSION`, or `dist/extension`.
pub(crate) fn extension_dir() -> Result<PathBuf> {
    let dir = env::var_os("WSTP_EXTENSION").map_or_else(|| workspace().join("dist/extension"), PathBuf::from);
    dir.canonicalize().with_context(|| format!("no extension in {}: run `cargo xtask build`", dir.display()))
}

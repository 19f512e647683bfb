//! The paths of the build's outputs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, Result};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in a folder of the workspace").to_owned()
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

/// The server to test: `WSTP_SERVER`, or the one built last.
pub(crate) fn server_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("WSTP_SERVER") {
        return Ok(path.into());
    }
    ["release", "debug"]
        .map(|profile| target().join(profile).join("wstp-server"))
        .into_iter()
        .filter_map(|path| Some((built(&path)?, path)))
        .max()
        .map(|(_, path)| path)
        .with_context(|| {
            format!("no wstp-server in {}: run `cargo build --release -p wstp-server`", target().display())
        })
}

fn built(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

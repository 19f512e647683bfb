//! The Rust that compiles to WebAssembly, as `scripts/setup` found or made it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// `wasm-toolchain.json` in the cache folder of `scripts/setup`.
#[derive(Deserialize)]
pub struct Toolchain {
    kind: Kind,
    cargo: String,
    linker: String,
    sysroot: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// rustup's, with its own wasm32 standard library.
    Rustup,
    /// Debian's, with one built from source into `sysroot`.
    Debian,
}

impl Toolchain {
    /// Reads what `scripts/setup` wrote.
    pub fn load() -> Result<Self> {
        let file = cache_dir()?.join("wasm-toolchain.json");
        let text = fs::read_to_string(&file).context("run scripts/setup first: there is no wasm toolchain yet")?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: delete it and run scripts/setup", file.display()))
    }

    /// A cargo that builds for wasm32 into `target`.
    pub fn cargo(&self, target: &Path) -> Command {
        let mut cargo = Command::new(&self.cargo);
        let mut flags = "-C target-feature=+simd128".to_owned();
        // This process runs under the native cargo, whose choices must not leak into the other one.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
            cargo.env_remove(name);
        }
        if self.kind == Kind::Debian {
            flags = format!("--sysroot {} {flags}", self.sysroot);
            cargo.env("PATH", "/usr/bin:/bin").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker);
        }
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags).env("CARGO_TARGET_DIR", target);
        cargo
    }

    /// What every wasm artifact depends on besides its source: a changed one makes them all useless.
    pub fn stamp(&self) -> String {
        format!("{} {}", self.cargo, self.sysroot)
    }
}

/// The newest wasm-opt that `scripts/setup` installed.
pub fn wasm_opt() -> Result<PathBuf> {
    let cache = cache_dir()?;
    let mut found: Vec<PathBuf> = fs::read_dir(&cache)
        .with_context(|| format!("run scripts/setup first: {} is missing", cache.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("node_modules/.bin/wasm-opt")))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    match found.pop() {
        Some(path) => Ok(path),
        None => bail!("run scripts/setup first: wasm-opt is missing"),
    }
}

fn cache_dir() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("wstp"))
}

//! The Rust that compiles to WebAssembly and the tools around it, as `scripts/setup` found or made them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::files::run;
use crate::{root, wasm_target};

/// Provides what the build needs and this machine lacks.
///
/// # Errors
///
/// When `scripts/setup` fails, which says why.
pub fn setup() -> Result<()> {
    run(&mut Command::new(root().join("scripts/setup")))
}

/// The target all of the extension is compiled for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// The variables that cargo leaves for this program, and those that a user may have set for native code. Neither are
/// for the wasm toolchain.
const NATIVE_ONLY: [&str; 6] = ["RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTC_WRAPPER", "LD_LIBRARY_PATH"];

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
    /// Reads the file that `scripts/setup` wrote, and discards artifacts of another toolchain.
    pub fn load() -> Result<Self> {
        let file = cache_dir()?.join("wasm-toolchain.json");
        let text = fs::read_to_string(&file).context("run scripts/setup first: there is no wasm toolchain yet")?;
        let toolchain: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: delete it and run scripts/setup", file.display()))?;
        discard_if_foreign(&wasm_target(), &text)?;
        Ok(toolchain)
    }

    /// Whether it has clippy: Debian's does not.
    pub fn has_clippy(&self) -> bool {
        self.kind == Kind::Rustup
    }

    /// A cargo with `subcommand` for wasm32.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = Command::new(&self.cargo);
        for name in NATIVE_ONLY {
            cargo.env_remove(name);
        }
        if self.kind == Kind::Debian {
            cargo.env("PATH", "/usr/bin:/bin").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags().join("\x1f")).env("CARGO_TARGET_DIR", wasm_target());
        cargo.current_dir(root()).args([subcommand, "--target", WASM]);
        cargo
    }

    fn flags(&self) -> Vec<String> {
        // Leptos then names fewer types, and less code is compiled once for each.
        let mut flags = vec!["-Ctarget-feature=+simd128".to_owned(), "--cfg=erase_components".to_owned()];
        // Panic messages name source files. They must be the same wherever the code was built.
        flags.push(format!("--remap-path-prefix={}=", root().display()));
        flags.extend(cargo_home().map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
        if self.kind == Kind::Debian {
            flags.push(format!("--sysroot={}", self.sysroot));
        }
        flags
    }
}

/// Artifacts of another standard library can't be linked (E0463), and cargo does not notice.
fn discard_if_foreign(target: &Path, toolchain: &str) -> Result<()> {
    let stamp = target.join("toolchain");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == toolchain) {
        return Ok(());
    }
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    fs::create_dir_all(target)?;
    fs::write(stamp, toolchain)?;
    Ok(())
}

/// wasm-opt and its version.
pub fn wasm_opt() -> Result<(PathBuf, String)> {
    let modules = cache_dir()?.join("binaryen/node_modules");
    let description = fs::read_to_string(modules.join("binaryen/package.json"))
        .context("run scripts/setup first: wasm-opt is missing")?;
    let description: serde_json::Value = serde_json::from_str(&description)?;
    Ok((modules.join(".bin/wasm-opt"), description["version"].to_string()))
}

/// The program that runs a test's wasm in a browser.
pub fn test_runner() -> Result<PathBuf> {
    let runner = cache_dir()?.join("tools/bin/wasm-bindgen-test-runner");
    ensure!(runner.exists(), "run scripts/setup --tests first: wasm-bindgen-test-runner is missing");
    Ok(runner)
}

fn cache_dir() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| in_home(".cache"))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("wstp"))
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| in_home(".cargo"))
}

fn in_home(folder: &str) -> Option<PathBuf> {
    env::var_os("HOME").map(|home| Path::new(&home).join(folder))
}

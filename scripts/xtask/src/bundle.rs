//! One crate becomes one JavaScript module and one wasm file: wasm-bindgen, then wasm-opt, and only if its wasm changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::files::run;
use crate::toolchain::{WASM, wasm_opt};
use crate::wasm_target;

/// What becomes of one crate.
pub struct Bundle {
    pub package: &'static str,
    /// The crate's name as a file.
    artifact: &'static str,
    /// The name of the bundle's files in `dist/extension`.
    pub name: &'static str,
    /// How wasm-opt is to treat it.
    level: &'static str,
}

/// A transfer runs for minutes, so `core` is built for speed; a page must open at once, so `views` is built for size.
pub const BUNDLES: [Bundle; 2] = [
    Bundle { package: "wstp-extension", artifact: "wstp_extension", name: "core", level: "-O3" },
    Bundle { package: "wstp-views", artifact: "wstp_views", name: "views", level: "-Oz" },
];

/// The features rustc uses; wasm-opt must know them to read its output.
const WASM_FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

impl Bundle {
    /// The folder with the bundle's files, up to date with what cargo left for `profile`.
    pub fn bound(&self, profile: &str, optimise: bool) -> Result<PathBuf> {
        let wasm = wasm_target().join(WASM).join(profile).join(format!("{}.wasm", self.artifact));
        let fingerprint = self.fingerprint(&wasm, optimise)?;
        let folder = wasm_target().join("bound").join(format!("{}-{profile}", self.name));
        let stamp = folder.with_extension("stamp");
        if fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        self.bind(&wasm, &folder)?;
        if optimise {
            self.optimise(&folder)?;
        }
        fs::write(stamp, fingerprint)?;
        Ok(folder)
    }

    fn fingerprint(&self, wasm: &Path, optimise: bool) -> Result<String> {
        let bytes = fs::read(wasm).with_context(|| format!("{} is missing", wasm.display()))?;
        let treatment = if optimise { format!("{} {}", self.level, wasm_opt()?.1) } else { "as it is".to_owned() };
        Ok(format!("{} {treatment}", blake3::hash(&bytes)))
    }

    fn bind(&self, wasm: &Path, folder: &Path) -> Result<()> {
        Bindgen::new()
            .input_path(wasm)
            .out_name(self.name)
            .web(true)?
            .typescript(false)
            .generate(folder)
            .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))
    }

    fn optimise(&self, folder: &Path) -> Result<()> {
        let file = folder.join(format!("{}_bg.wasm", self.name));
        let mut wasm_opt = Command::new(wasm_opt()?.0);
        run(wasm_opt.args([self.level, "--strip-producers"]).args(WASM_FEATURES).arg(&file).arg("-o").arg(&file))
    }
}

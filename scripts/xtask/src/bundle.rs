//! Turns the extension's crate into one JavaScript module and one wasm file. It runs wasm-bindgen, and wasm-opt only if
//! the wasm changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::files::run;
use crate::toolchain::{WASM, wasm_opt};
use crate::wasm_target;

/// The crate.
pub const PACKAGE: &str = "wstp-module";
/// The crate's name as a file.
const ARTIFACT: &str = "wstp_module";
/// The name of its files in `dist/extension`.
pub const NAME: &str = "wstp";
/// The optimisation level of wasm-opt. Fast code is compiled for speed before (`[profile.wasm]`), and this leaves it
/// unchanged.
const LEVEL: &str = "-Oz";

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

/// The folder with its files, up to date with cargo's output for `profile`.
pub fn bound(profile: &str, optimise: bool) -> Result<PathBuf> {
    let wasm = wasm_target().join(WASM).join(profile).join(format!("{ARTIFACT}.wasm"));
    let fingerprint = fingerprint(&wasm, optimise)?;
    let folder = wasm_target().join("bound").join(format!("{NAME}-{profile}"));
    let stamp = folder.with_extension("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    bind(&wasm, &folder)?;
    if optimise {
        shrink(&folder)?;
    }
    fs::write(stamp, fingerprint)?;
    Ok(folder)
}

fn fingerprint(wasm: &Path, optimise: bool) -> Result<String> {
    let bytes = fs::read(wasm).with_context(|| format!("{} is missing", wasm.display()))?;
    let treatment = if optimise { format!("{LEVEL} {}", wasm_opt()?.1) } else { "as it is".to_owned() };
    Ok(format!("{} {treatment}", blake3::hash(&bytes)))
}

fn bind(wasm: &Path, folder: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .out_name(NAME)
        .web(true)?
        .typescript(false)
        .generate(folder)
        .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))
}

fn shrink(folder: &Path) -> Result<()> {
    let file = folder.join(format!("{NAME}_bg.wasm"));
    let mut wasm_opt = Command::new(wasm_opt()?.0);
    run(wasm_opt.args([LEVEL, "--strip-producers"]).args(WASM_FEATURES).arg(&file).arg("-o").arg(&file))
}

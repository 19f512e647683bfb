//! Turns a crate for the browser into one JavaScript module and one wasm file. It runs wasm-bindgen, and wasm-opt only
//! if the wasm changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::files::run;
use crate::toolchain::{WASM, wasm_opt};
use crate::wasm_target;

/// A crate that runs in the browser as a whole.
pub struct Bundle {
    /// The crate.
    pub package: &'static str,
    /// The crate's name as a file.
    artifact: &'static str,
    /// The name of its two files.
    pub name: &'static str,
}

/// The extension.
pub const EXTENSION: Bundle = Bundle { package: "wstp-module", artifact: "wstp_module", name: "wstp" };
/// The administration page of the server.
pub const ADMIN_PAGE: Bundle = Bundle { package: "wstp-admin-page", artifact: "wstp_admin_page", name: "wstp_admin" };
/// Passes of wasm-opt. Fast code is compiled for speed before (`[profile.wasm]`), and `-Oz` leaves it unchanged. Ordered
/// by their names, the instances of a generic function are neighbours, and gzip saves a twentieth.
const PASSES: [&str; 4] = ["-Oz", "--strip-producers", "-g", "--reorder-functions-by-name"];

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
    /// The folder with its files, up to date with cargo's output for `profile`.
    pub fn bound(&self, profile: &str, optimise: bool) -> Result<PathBuf> {
        let wasm = wasm_target().join(WASM).join(profile).join(format!("{}.wasm", self.artifact));
        let fingerprint = fingerprint(&wasm, optimise)?;
        let folder = wasm_target().join("bound").join(format!("{}-{profile}", self.name));
        let stamp = folder.with_extension("stamp");
        if fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        bind(&wasm, &folder, self.name)?;
        if optimise {
            shrink(&folder.join(self.wasm()))?;
        }
        fs::write(stamp, fingerprint)?;
        Ok(folder)
    }

    /// The name of the JavaScript.
    pub fn script(&self) -> String {
        format!("{}.js", self.name)
    }

    /// The name of the WebAssembly.
    pub fn wasm(&self) -> String {
        format!("{}_bg.wasm", self.name)
    }
}

fn fingerprint(wasm: &Path, optimise: bool) -> Result<String> {
    let bytes = fs::read(wasm).with_context(|| format!("{} is missing", wasm.display()))?;
    let treatment = if optimise { format!("{} {}", PASSES.join(" "), wasm_opt()?.1) } else { "as it is".to_owned() };
    Ok(format!("{} {treatment}", blake3::hash(&bytes)))
}

fn bind(wasm: &Path, folder: &Path, name: &str) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .generate(folder)
        .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))
}

fn shrink(file: &Path) -> Result<()> {
    let program = wasm_opt()?.0;
    let rewrite =
        |passes: &[&str]| run(Command::new(&program).args(passes).args(WASM_FEATURES).arg(file).arg("-o").arg(file));
    rewrite(&PASSES)?;
    // Without `-g` the names are left out.
    rewrite(&[])
}

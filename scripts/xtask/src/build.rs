//! `dist/extension` and `dist/www`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::files::{copy_tree, gzipped_len, list, run};
use crate::root;
use crate::toolchain::{Toolchain, wasm_opt};

/// A crate that becomes one JavaScript module and one wasm file.
struct Bundle {
    package: &'static str,
    /// The crate's name as a file.
    artifact: &'static str,
    /// The name of the bundle's files in `dist/extension`.
    name: &'static str,
    /// How wasm-opt is to treat it.
    level: &'static str,
}

/// A transfer runs for minutes, so `core` is built for speed; a page must open at once, so `views` is built for size.
const BUNDLES: [Bundle; 2] = [
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

/// Builds everything that is not up to date.
pub fn build(dev: bool) -> Result<()> {
    let root = root();
    let extension = fresh_dir(&root.join("dist/extension"))?;
    copy_tree(&root.join("manifest"), &extension)?;
    copy_tree(&root.join("ui/style"), &extension.join("style"))?;
    compile(&root, dev)?;
    for bundle in &BUNDLES {
        place_bundle(&root, &extension, bundle, dev)?;
    }
    let www = fresh_dir(&root.join("dist/www"))?;
    copy_tree(&root.join("www"), &www)?;
    println!("dist/extension is ready: load it at chrome://extensions");
    Ok(())
}

fn fresh_dir(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("could not empty {}", path.display()))?;
    }
    fs::create_dir_all(path)?;
    Ok(path.to_owned())
}

const fn profile(dev: bool) -> &'static str {
    if dev { "wasm-dev" } else { "wasm" }
}

fn compile(root: &Path, dev: bool) -> Result<()> {
    let toolchain = Toolchain::load()?;
    let target = root.join("target/wasm");
    discard_if_stale(&target, &toolchain.stamp())?;
    let mut cargo = toolchain.cargo(&target);
    cargo.current_dir(root).args([
        "build",
        "--quiet",
        "--lib",
        "--target",
        "wasm32-unknown-unknown",
        "--profile",
        profile(dev),
    ]);
    for bundle in &BUNDLES {
        cargo.args(["--package", bundle.package]);
    }
    run(&mut cargo)
}

/// Artifacts of another standard library can't be linked (E0463), and cargo does not notice.
fn discard_if_stale(target: &Path, stamp: &str) -> Result<()> {
    let file = target.join("toolchain");
    if fs::read_to_string(&file).is_ok_and(|old| old == stamp) {
        return Ok(());
    }
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    fs::create_dir_all(target)?;
    fs::write(file, stamp)?;
    Ok(())
}

/// Puts a bundle's files into the extension, binding and optimising it only if its wasm changed.
fn place_bundle(root: &Path, extension: &Path, bundle: &Bundle, dev: bool) -> Result<()> {
    let target = root.join("target/wasm");
    let wasm = target.join(format!("wasm32-unknown-unknown/{}/{}.wasm", profile(dev), bundle.artifact));
    let fingerprint =
        blake3::hash(&fs::read(&wasm).with_context(|| format!("{} is missing", wasm.display()))?).to_hex();
    let bound = target.join(format!("bound/{}-{}-{}", bundle.name, profile(dev), &fingerprint[..16]));
    if !bound.join("complete").exists() {
        bind(&wasm, &bound, bundle, dev)?;
        fs::write(bound.join("complete"), "")?;
    }
    for file in list(&bound)?.iter().filter(|file| file.as_os_str() != "complete") {
        fs::create_dir_all(extension.join(file).parent().unwrap_or(extension))?;
        fs::copy(bound.join(file), extension.join(file))?;
    }
    report(&extension.join(format!("{}_bg.wasm", bundle.name)))
}

fn bind(wasm: &Path, bound: &Path, bundle: &Bundle, dev: bool) -> Result<()> {
    let bound = fresh_dir(bound)?;
    Bindgen::new()
        .input_path(wasm)
        .out_name(bundle.name)
        .web(true)?
        .typescript(false)
        .generate(&bound)
        .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))?;
    if dev {
        return Ok(());
    }
    let file = bound.join(format!("{}_bg.wasm", bundle.name));
    run(Command::new(wasm_opt()?)
        .args([bundle.level, "--strip-producers"])
        .args(WASM_FEATURES)
        .arg(&file)
        .arg("-o")
        .arg(&file))
}

fn report(wasm: &Path) -> Result<()> {
    let bytes = fs::read(wasm)?;
    let name = wasm.file_name().unwrap_or_default().to_string_lossy();
    println!("{name}: {:.1} KiB, {:.1} KiB gzipped", kib(bytes.len()), kib(gzipped_len(&bytes)?));
    Ok(())
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

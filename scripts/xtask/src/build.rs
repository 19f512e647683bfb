//! `dist/extension`, `dist/www`, and the administration page in `www/admin`, which the server has in its binary.
//!
//! A failed build leaves the last one unchanged. Files with the same content are not touched, because a browser may
//! have them open.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

use crate::bundle::{ADMIN_PAGE, Bundle, EXTENSION};
use crate::files::{Tree, gzipped_len, run, write_if_different};
use crate::toolchain::Toolchain;
use crate::{root, wasm_target};

/// Builds everything that is out of date.
pub fn build(dev: bool) -> Result<()> {
    let profile = if dev { "wasm-dev" } else { "wasm" };
    let toolchain = Toolchain::load()?;
    let lock = File::create(wasm_target().join("build.lock"))?;
    lock.lock().context("could not wait for another build")?;
    compile(&toolchain, profile)?;
    let dist = root().join("dist");
    extension(profile, !dev)?.write_to(&dist.join("extension"))?;
    www()?.write_to(&dist.join("www"))?;
    let page = ADMIN_PAGE.bound(profile, !dev)?;
    for name in [ADMIN_PAGE.script(), ADMIN_PAGE.wasm()] {
        write_if_different(&page.join(&name), &root().join("www/admin").join(&name))?;
    }
    report(&dist.join("extension"), &EXTENSION)?;
    report(&root().join("www/admin"), &ADMIN_PAGE)?;
    println!("dist/extension is ready: load it at chrome://extensions");
    println!("www/admin is ready: the server has it once it is compiled again");
    Ok(())
}

fn compile(toolchain: &Toolchain, profile: &str) -> Result<()> {
    let mut cargo = toolchain.cargo("build");
    cargo.args(["--lib", "--profile", profile, "--package", EXTENSION.package, "--package", ADMIN_PAGE.package]);
    run(&mut cargo)
}

fn extension(profile: &str, optimise: bool) -> Result<Tree> {
    let mut tree = Tree::default();
    tree.add(&root().join("manifest"), "")?;
    tree.add(&root().join("ui/style"), "style")?;
    tree.add(&EXTENSION.bound(profile, optimise)?, "")?;
    Ok(tree)
}

fn www() -> Result<Tree> {
    let mut tree = Tree::default();
    tree.add(&root().join("www"), "")?;
    tree.add(&root().join("ui/style"), "style")?;
    Ok(tree)
}

fn report(folder: &Path, bundle: &Bundle) -> Result<()> {
    for name in [bundle.wasm(), bundle.script()] {
        let bytes = fs::read(folder.join(&name))?;
        println!("{name}: {:.1} KiB, {:.1} KiB gzipped", kib(bytes.len()), kib(gzipped_len(&bytes)?));
    }
    Ok(())
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

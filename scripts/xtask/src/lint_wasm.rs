//! Clippy on the code that exists only in the browser.

use anyhow::Result;

use crate::files::run;
use crate::test_wasm::PACKAGES;
use crate::toolchain::Toolchain;

/// Fails with every warning. Says so when the toolchain for wasm has no clippy.
pub fn lint() -> Result<()> {
    let toolchain = Toolchain::load()?;
    if !toolchain.has_clippy() {
        println!("clippy for wasm32: left out, Debian's Rust has none (the same crates are checked as native code)");
        return Ok(());
    }
    let mut cargo = toolchain.cargo("clippy");
    cargo.args(["--quiet", "--all-targets", "--profile", "wasm-dev"]);
    // No part of the extension needs the provider yet, and it has to stay fit for one. The page has no tests in a browser.
    for package in PACKAGES.iter().copied().chain(["wstp-provider", "wstp-admin-page"]) {
        cargo.args(["--package", package]);
    }
    run(cargo.args(["--", "--deny", "warnings"]))
}

//! The tests of code that exists only in the browser, in a headless Chromium driven by chromedriver.

use anyhow::Result;

use crate::files::run;
use crate::root;
use crate::toolchain::{Toolchain, test_runner};

/// The crates that run in the browser.
pub const PACKAGES: [&str; 4] = ["wstp-bus", "wstp-extension", "wstp-views", "wstp-ui"];

/// Runs the tests that `arguments` of `cargo test` choose: all of them if it is empty.
pub fn test(arguments: &[String]) -> Result<()> {
    let mut cargo = Toolchain::load()?.cargo("test");
    cargo
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", test_runner()?)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", root().join("scripts/xtask/webdriver.json"))
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .args(["--lib", "--tests", "--profile", "wasm-dev"]);
    if arguments.is_empty() {
        for package in PACKAGES {
            cargo.args(["--package", package]);
        }
    }
    run(cargo.args(arguments))
}

//! Builds, packages, checks, measures and tortures WSTP: `cargo xtask --help`.

mod arrows;
mod bench;
mod build;
mod bundle;
mod files;
mod lint_wasm;
mod package;
mod test_wasm;
mod toolchain;
mod torture;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Builds, packages, checks and measures WSTP.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Build dist/extension (unpacked, loadable as it is) and dist/www.
    Build {
        /// Quick: less optimisation and no wasm-opt.
        #[arg(long)]
        dev: bool,
    },
    /// Build, then pack the extension for the store and the server as a tarball.
    Package,
    /// Check that no crate reaches one it must not.
    CheckArrows,
    /// Run clippy on the browser's crates as they are compiled for the browser.
    LintWasm,
    /// Run the browser's tests in a headless Chromium.
    TestWasm {
        /// Passed on to `cargo test`: a package, a test's name, options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure speed and cost beside peers (docs/performance.md).
    Bench(bench::Arguments),
    /// Download files while every part is killed and the line damages its frames (CONTRIBUTING.md).
    Torture(torture::Arguments),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Build { dev } => build::build(dev),
        Task::Package => package::package(),
        Task::CheckArrows => arrows::check(),
        Task::LintWasm => lint_wasm::lint(),
        Task::TestWasm { arguments } => test_wasm::test(&arguments),
        Task::Bench(arguments) => bench::bench(&arguments),
        Task::Torture(arguments) => torture::torture(&arguments),
    }
}

/// The workspace's folder: the current one, or the one above it that has the workspace. A path that was compiled in
/// would be wrong if two clones share a target folder.
fn root() -> PathBuf {
    let here = std::env::current_dir().expect("a process that cargo started has a working directory");
    let found = here.ancestors().find(|folder| folder.join("scripts/xtask/Cargo.toml").exists());
    found.expect("`cargo xtask` is an alias that exists only inside the workspace").to_owned()
}

/// Cargo's target folder for native code.
fn native_target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The target folder for wasm. It is separate because another toolchain may build it.
fn wasm_target() -> PathBuf {
    root().join("target/wasm")
}

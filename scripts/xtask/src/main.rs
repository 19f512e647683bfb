//! Builds, packages and checks WSTP: `cargo xtask --help`.

mod arrows;
mod build;
mod files;
mod package;
mod toolchain;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Builds, packages and checks WSTP.
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
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Build { dev } => build::build(dev),
        Task::Package => package::package(),
        Task::CheckArrows => arrows::check(),
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

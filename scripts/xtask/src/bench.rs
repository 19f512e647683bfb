//! Measures WSTP beside its peers. Everything is optimised. The extension has one more file, the worker that fetches
//! for comparison.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::build::build;
use crate::files::{Tree, run};
use crate::toolchain::setup;
use crate::{native_target, root};

/// The beginnings of the figures that need the extension.
const IN_BROWSER: [&str; 7] = ["browser", "list", "popup", "real.browser", "resume", "tree.vs_fetch", "wasm"];

/// The figures to measure, and how.
#[derive(Args)]
pub struct Arguments {
    /// Figures by name, or by how the name begins; `all` are all of them (docs/performance.md).
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Write an object a line to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of each; fewer than five only with --quick.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Fewer rounds and bytes, for a first look. The figures say so.
    #[arg(long)]
    quick: bool,
}

/// Builds what is measured, unless `WSTP_SERVER`, `WSTP_CLIENT` or `WSTP_EXTENSION` name other builds, and measures it.
pub fn bench(arguments: &Arguments) -> Result<()> {
    let release = native_target().join("release");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["build", "--quiet", "--release", "--package", "wstp-bench"]);
    let mut bench = Command::new(release.join("wstp-bench"));
    for (variable, package, program) in
        [("WSTP_SERVER", "wstp-server", "wstp-server"), ("WSTP_CLIENT", "wstp-cli", "wstp")]
    {
        if env::var_os(variable).is_none() {
            cargo.args(["--package", package]);
            bench.env(variable, release.join(program));
        }
    }
    run(&mut cargo)?;
    if arguments.names.iter().any(|name| needs_extension(name)) {
        bench.env("WSTP_EXTENSION", extension()?);
    }
    bench.args(&arguments.names);
    if let Some(file) = &arguments.json {
        bench.arg("--json").arg(file);
    }
    if let Some(rounds) = arguments.rounds {
        bench.args(["--rounds", &rounds.to_string()]);
    }
    if arguments.quick {
        bench.arg("--quick");
    }
    run(&mut bench)
}

fn needs_extension(name: &str) -> bool {
    name == "all" || IN_BROWSER.iter().any(|area| name.starts_with(area) || area.starts_with(name))
}

/// A copy of the extension with the comparison's worker in it.
fn extension() -> Result<PathBuf> {
    let built = match env::var_os("WSTP_EXTENSION") {
        Some(folder) => PathBuf::from(folder),
        None => {
            setup()?;
            build(false)?;
            root().join("dist/extension")
        }
    };
    let folder = native_target().join("bench/extension");
    compare_with_fetch(&built, &root().join("bench/browser"), &folder)?;
    Ok(folder)
}

fn compare_with_fetch(built: &Path, worker: &Path, folder: &Path) -> Result<()> {
    let mut tree = Tree::default();
    tree.add(built, "")?;
    tree.add(worker, "")?;
    tree.write_to(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_in_a_browser_needs_the_extension() {
        for name in ["all", "browser", "browser.vs_fetch1", "brow", "wasm.gz_kib", "tree"] {
            assert!(needs_extension(name), "{name}");
        }
        for name in ["wan", "server.idle_kib", "tree.cli_vs_fetch", "mirror"] {
            assert!(!needs_extension(name), "{name}");
        }
    }

    #[test]
    fn the_copy_is_the_extension_and_the_worker() {
        let scratch = tempfile::tempdir().unwrap();
        let [built, worker, copy] = ["built", "worker", "copy"].map(|name| scratch.path().join(name));
        for (folder, file) in [(&built, "manifest.json"), (&worker, "bench-fetch.js")] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join(file), "").unwrap();
        }
        compare_with_fetch(&built, &worker, &copy).unwrap();
        let files = crate::files::list(&copy).unwrap();
        assert_eq!(files, [Path::new("bench-fetch.js"), Path::new("manifest.json")]);
    }
}

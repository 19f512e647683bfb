//! The packages: the extension as a zip for the store, the server and the command line client as tarballs. The same
//! files give the same bytes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::files::{list, run};
use crate::{build, native_target, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A native program and its package.
struct Program {
    package: &'static str,
    binary: &'static str,
    /// Files beside the licences.
    documents: &'static [&'static str],
}

const PROGRAMS: [Program; 2] = [
    Program {
        package: "wstp-server",
        binary: "wstp-server",
        documents: &["README.md", "docs/protocol.md", "docs/plain-http.md"],
    },
    Program { package: "wstp-cli", binary: "wstp", documents: &["docs/cli.md"] },
];

/// Builds and packs everything.
pub fn package() -> Result<()> {
    build::build(false)?;
    let dist = root().join("dist");
    check_version(&dist.join("extension/manifest.json"))?;
    pack_extension(&dist.join("extension"), &dist.join(format!("wstp-extension-{VERSION}.zip")))?;
    let mut cargo = Command::new("cargo");
    let packages = PROGRAMS.iter().flat_map(|program| ["--package", program.package]);
    run(cargo.current_dir(root()).args(["build", "--quiet", "--release"]).args(packages))?;
    PROGRAMS.iter().try_for_each(|program| pack_program(&dist, program))
}

/// The store tells versions by the manifest, everyone else by the workspace.
fn check_version(manifest: &Path) -> Result<()> {
    let text = fs::read_to_string(manifest).with_context(|| format!("{} is missing", manifest.display()))?;
    let manifest: serde_json::Value = serde_json::from_str(&text).context("manifest.json is not JSON")?;
    ensure!(manifest["version"] == VERSION, "manifest.json has version {}, not {VERSION}", manifest["version"]);
    Ok(())
}

fn pack_extension(folder: &Path, archive: &Path) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(File::create(archive)?);
    for file in list(folder)? {
        zip.start_file(file.to_string_lossy(), options)?;
        zip.write_all(&fs::read(folder.join(&file))?)?;
    }
    zip.finish()?;
    println!("{}", archive.display());
    Ok(())
}

fn pack_program(dist: &Path, program: &Program) -> Result<()> {
    let binary = program.binary;
    let name = format!("{binary}-{VERSION}-{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let archive = dist.join(format!("{name}.tar.gz"));
    let encoder = GzBuilder::new().mtime(0).write(File::create(&archive)?, Compression::best());
    let mut tar = tar::Builder::new(encoder);
    append(&mut tar, &native_target().join("release").join(binary), &format!("{name}/{binary}"), 0o755)?;
    for file in program.documents.iter().chain(&["LICENSE-MIT", "LICENSE-APACHE"]) {
        append(&mut tar, &root().join(file), &format!("{name}/{file}"), 0o644)?;
    }
    tar.into_inner()?.finish()?;
    println!("{}", archive.display());
    Ok(())
}

fn append(tar: &mut tar::Builder<impl Write>, from: &Path, name: &str, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("{} is missing", from.display()))?;
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes.as_slice())?;
    Ok(())
}

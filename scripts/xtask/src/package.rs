//! The packages: the extension as a zip for the store, the server and the command line client as tarballs and Debian
//! packages. The same files give the same zip and tarballs.

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
    /// Files of the repository beside the licences.
    files: &'static [&'static str],
}

const PROGRAMS: [Program; 2] = [
    Program {
        package: "wstp-server",
        binary: "wstp-server",
        files: &[
            "README.md",
            "docs/server.md",
            "docs/security.md",
            "docs/protocol.md",
            "docs/plain-http.md",
            "packaging/systemd/wstp-server.service",
            "packaging/systemd/wstp-server.socket",
            "packaging/sysusers.d/wstp-server.conf",
            "packaging/tmpfiles.d/wstp-server.conf",
        ],
    },
    Program { package: "wstp-cli", binary: "wstp", files: &["docs/cli.md"] },
];

/// Builds and packs everything.
pub fn package() -> Result<()> {
    build::build(false)?;
    let dist = root().join("dist");
    check_version(&dist.join("extension/manifest.json"))?;
    pack_extension(&dist.join("extension"), &dist.join(format!("wstp-extension-{VERSION}.zip")))?;
    let mut cargo = Command::new("cargo");
    let packages = PROGRAMS.iter().map(|program| program.package).chain(["wstp-packaging"]);
    let packages = packages.flat_map(|package| ["--package", package]);
    run(cargo.current_dir(root()).args(["build", "--quiet", "--release"]).args(packages))?;
    let built = native_target().join("release");
    let manual = built.join("manual");
    run(Command::new(built.join("wstp-packaging")).arg(&manual))?;
    for program in &PROGRAMS {
        pack_program(&dist, program, &manual)?;
        pack_for_debian(&dist, program)?;
    }
    Ok(())
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

fn pack_program(dist: &Path, program: &Program, manual: &Path) -> Result<()> {
    let binary = program.binary;
    let name = format!("{binary}-{VERSION}-{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let archive = dist.join(format!("{name}.tar.gz"));
    let encoder = GzBuilder::new().mtime(0).write(File::create(&archive)?, Compression::best());
    let mut tar = tar::Builder::new(encoder);
    append(&mut tar, &native_target().join("release").join(binary), &format!("{name}/{binary}"), 0o755)?;
    for file in list(manual)?.iter().filter(|file| is_about(file, binary)) {
        append(&mut tar, &manual.join(file), &format!("{name}/{}", file.display()), 0o644)?;
    }
    for file in program.files.iter().chain(&["LICENSE-MIT", "LICENSE-APACHE"]) {
        append(&mut tar, &root().join(file), &format!("{name}/{file}"), 0o644)?;
    }
    tar.into_inner()?.finish()?;
    println!("{}", archive.display());
    Ok(())
}

/// Whether a file of the manual is about a program: its name is the program's, or that and a command of the program.
fn is_about(file: &Path, binary: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('_');
    let other = PROGRAMS.iter().any(|program| program.binary.len() > binary.len() && name.starts_with(program.binary));
    name.starts_with(binary) && !other
}

fn pack_for_debian(dist: &Path, program: &Program) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["deb", "--quiet", "--no-build", "--package", program.package]);
    run(cargo.arg("--output").arg(dist)).context("`cargo install cargo-deb` provides `cargo deb`")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_gets_its_own_manual() {
        for (file, binary) in [
            ("man/wstp-server.1.gz", "wstp-server"),
            ("man/wstp-server-user-add.1.gz", "wstp-server"),
            ("completions/_wstp-server", "wstp-server"),
            ("man/wstp-get.1.gz", "wstp"),
            ("completions/wstp.bash", "wstp"),
        ] {
            let about: Vec<_> = PROGRAMS.iter().filter(|program| is_about(Path::new(file), program.binary)).collect();
            assert_eq!(about.iter().map(|program| program.binary).collect::<Vec<_>>(), [binary], "{file}");
        }
    }
}

//! What is handed out: the extension as a zip for the store, the server as a tarball. The same input gives the same bytes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::files::{list, run};
use crate::{build, root};

/// Builds and packs both.
pub fn package() -> Result<()> {
    build::build(false)?;
    let root = root();
    let version = env!("CARGO_PKG_VERSION");
    pack_extension(&root, &root.join(format!("dist/wstp-extension-{version}.zip")))?;
    run(Command::new("cargo").current_dir(&root).args(["build", "--quiet", "--release", "--package", "wstp-server"]))?;
    let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    pack_server(&root, &format!("wstp-server-{version}-{platform}"))
}

fn pack_extension(root: &Path, archive: &Path) -> Result<()> {
    let folder = root.join("dist/extension");
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(File::create(archive)?);
    for file in list(&folder)? {
        zip.start_file(file.to_string_lossy(), options)?;
        zip.write_all(&fs::read(folder.join(&file))?)?;
    }
    zip.finish()?;
    println!("{}", archive.display());
    Ok(())
}

fn pack_server(root: &Path, name: &str) -> Result<()> {
    let archive = root.join(format!("dist/{name}.tar.gz"));
    let encoder = GzBuilder::new().mtime(0).write(File::create(&archive)?, Compression::best());
    let mut tar = tar::Builder::new(encoder);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    append(&mut tar, &target.join("release/wstp-server"), &format!("{name}/wstp-server"), 0o755)?;
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "docs/protocol.md"] {
        append(&mut tar, &root.join(file), &format!("{name}/{file}"), 0o644)?;
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

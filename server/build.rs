//! Puts the administration page into the server, if `cargo xtask build` made it. Without it the server says so.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> std::io::Result<()> {
    let page = Path::new("../www/admin");
    println!("cargo:rerun-if-changed={}", page.display());
    let out = std::env::var_os("OUT_DIR").expect("cargo tells each build script its folder");
    let read = |name: &str| fs::read(page.join(name)).unwrap_or_default();
    fs::write(Path::new(&out).join("wstp_admin.js"), read("wstp_admin.js"))?;
    let mut wasm =
        GzEncoder::new(fs::File::create(Path::new(&out).join("wstp_admin_bg.wasm.gz"))?, Compression::best());
    wasm.write_all(&read("wstp_admin_bg.wasm"))?;
    wasm.finish()?.sync_all()
}

//! Whole small files for a bundle, read one after the other. Blocking.

use std::fs::File;
use std::io;

use wstp_protocol::{BundledFile, ErrorCode, SharePath};
use wstp_provider::{Bundle, Refusal};

use super::folder::Share;
use super::refused::refused;
use super::stamp::Stamp;

/// Fills a bundle.
pub fn fill(share: &Share, mut bundle: Bundle) -> Result<Bundle, Refusal> {
    while let Some(path) = bundle.wanted() {
        match small_file(share, &path, &mut bundle) {
            Ok(Some(file)) => bundle.put(Ok(file))?,
            Ok(None) => {}
            Err(refusal) => bundle.put(Err(refusal))?,
        }
    }
    Ok(bundle)
}

/// A whole file; `None` if it does not fit.
fn small_file(share: &Share, path: &SharePath, bundle: &mut Bundle) -> Result<Option<BundledFile>, Refusal> {
    let (file, stamp) = share.file(path)?;
    if !bundle.takes(stamp.size)? {
        return Ok(None);
    }
    // Until then a change may not show in the stamp, and the bytes could mix two versions.
    std::thread::sleep(stamp.settles_in());
    let data = read(&file, stamp.size as usize).map_err(refused)?;
    if data.len() as u64 != stamp.size || Stamp::of(&file).map_err(refused)? != stamp {
        return Err(ErrorCode::Changed.into());
    }
    let root = *blake3::hash(&data).as_bytes();
    let (modified_ms, version) = (stamp.modified_ms(), stamp.version());
    Ok(Some(BundledFile { modified_ms, version, root, data: data.into() }))
}

/// The first `length` bytes of a file, or as many as there are.
fn read(file: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::with_capacity(length);
    while data.len() < length {
        let offset = data.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut data), offset) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(data)
}

//! Tar in GNU's dialect, which takes names of any bytes and any length. The headers come from the `tar` crate.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::format::{Directory, Format};
use super::member::Member;

/// Everything in a tar begins at a multiple of this.
const BLOCK: u64 = 512;

/// The format.
pub struct Tar;

impl Format for Tar {
    fn extension(&self) -> &'static str {
        "tar"
    }

    fn media_type(&self) -> &'static str {
        "application/x-tar"
    }

    fn has_checksum(&self, _member: &Member) -> bool {
        false
    }

    fn head(&self, name: &[u8], member: &Member) -> Vec<u8> {
        let (kind, mode) = if member.is_folder() { (EntryType::Directory, 0o755) } else { (EntryType::Regular, 0o644) };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(member.size);
        header.set_mtime(member.modified_seconds().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0));
        let mut builder = Builder::new(Vec::new());
        let path = Path::new(OsStr::from_bytes(name));
        builder.append_data(&mut header, path, io::empty()).expect("a path in a share has plain names and no NUL");
        std::mem::take(builder.get_mut())
    }

    fn tail(&self, member: &Member, _crc: u32) -> Vec<u8> {
        vec![0; (member.size.wrapping_neg() % BLOCK) as usize]
    }

    fn entry(&self, _name: &[u8], _member: &Member, _start: u64, _crc: u32) -> Vec<u8> {
        Vec::new()
    }

    fn end(&self, _directory: &Directory) -> Vec<u8> {
        vec![0; 2 * BLOCK as usize]
    }
}

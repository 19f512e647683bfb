//! The bytes that an archive adds to those of its files.

use super::member::Member;

/// A format in which the place of each byte follows from names, sizes and dates alone.
///
/// An archive is the head, the bytes and the tail of each member, then a directory with an entry for each, and an end.
pub trait Format: Sync {
    /// The end of its files' names, without the dot.
    fn extension(&self) -> &'static str;

    /// The media type.
    fn media_type(&self) -> &'static str;

    /// Whether tail and entry of this member hold its checksum.
    fn has_checksum(&self, member: &Member) -> bool;

    /// The bytes before those of the file. `name` is the whole path in the archive; that of a folder ends in a slash.
    fn head(&self, name: &[u8], member: &Member) -> Vec<u8>;

    /// The bytes behind those of the file.
    fn tail(&self, member: &Member, crc: u32) -> Vec<u8>;

    /// The entry in the directory, for a member that begins at `start`.
    fn entry(&self, name: &[u8], member: &Member, start: u64, crc: u32) -> Vec<u8>;

    /// The end of the archive.
    fn end(&self, directory: &Directory) -> Vec<u8>;
}

/// The directory of an archive.
pub struct Directory {
    /// The number of entries.
    pub entries: u64,
    /// The place of the first one.
    pub start: u64,
    /// The place behind the last one.
    pub end: u64,
}

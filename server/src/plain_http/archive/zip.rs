//! Zip with stored files, by PKWARE's APPNOTE 6.3. No crate writes one whose bytes are known before the files are read
//! and can be made from any place on, which `Range` needs.
//!
//! The checksum of a file is known only once it was read, so it follows the file in a data descriptor. Sizes are known
//! before and stand in the head too, for programs that read the archive while it arrives. Zip64 is used where a number
//! needs it.

use time::OffsetDateTime;

use super::format::{Directory, Format};
use super::member::Member;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const ZIP64_END: u32 = 0x0606_4b50;
const ZIP64_LOCATOR: u32 = 0x0706_4b50;

/// Folders and stored files; Zip64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// The attributes of entries are those of Unix.
const MADE_BY_UNIX: u16 = 3 << 8;
/// The checksum comes in a descriptor.
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8. Other names go out as their bytes, which unpack as they were on Unix.
const IS_UTF8: u16 = 1 << 11;

/// Stands for a number in a Zip64 field.
const SEE_ZIP64: u32 = u32::MAX;
const SEE_ZIP64_SHORT: u16 = u16::MAX;
const ZIP64_FIELD: u16 = 0x0001;
/// The time in seconds since 1970, which DOS has no zone for.
const TIME_FIELD: u16 = 0x5455;
const TIME_IS_OF_CHANGE: u8 = 1;

/// 1 January 1980, the first day that DOS knows.
const FIRST_DATE: u16 = 1 << 5 | 1;

/// The format.
pub struct Zip;

impl Format for Zip {
    fn extension(&self) -> &'static str {
        "zip"
    }

    fn media_type(&self) -> &'static str {
        "application/zip"
    }

    fn has_checksum(&self, member: &Member) -> bool {
        member.size > 0
    }

    fn head(&self, name: &[u8], member: &Member) -> Vec<u8> {
        let is_large = is_large(member.size);
        let size = short(member.size);
        let mut extra = Record::default();
        if is_large {
            extra.u16(ZIP64_FIELD).u16(16).u64(member.size).u64(member.size);
        }
        extra.time(member);
        let mut head = Record::default();
        head.u32(LOCAL).about(name, member, is_large, 0, size).lengths(name, &extra.0).bytes(name).bytes(&extra.0);
        head.0
    }

    fn tail(&self, member: &Member, crc: u32) -> Vec<u8> {
        let mut tail = Record::default();
        if self.has_checksum(member) {
            tail.u32(DESCRIPTOR).u32(crc);
            match is_large(member.size) {
                true => tail.u64(member.size).u64(member.size),
                false => tail.u32(short(member.size)).u32(short(member.size)),
            };
        }
        tail.0
    }

    fn entry(&self, name: &[u8], member: &Member, start: u64, crc: u32) -> Vec<u8> {
        let large: Vec<_> = [member.size, member.size, start].into_iter().filter(|number| is_large(*number)).collect();
        let mut extra = Record::default();
        if !large.is_empty() {
            extra.u16(ZIP64_FIELD).u16(8 * large.len() as u16);
            for number in &large {
                extra.u64(*number);
            }
        }
        extra.time(member);
        let version = if large.is_empty() { VERSION } else { VERSION_ZIP64 };
        let (mode, dos): (u32, u32) = if member.is_folder() { (0o040_755, 0x10) } else { (0o100_644, 0) };
        let mut entry = Record::default();
        entry.u32(CENTRAL).u16(MADE_BY_UNIX | version);
        entry.about(name, member, !large.is_empty(), crc, short(member.size)).lengths(name, &extra.0);
        // No comment, the first disk, and no internal attributes.
        entry.u16(0).u16(0).u16(0).u32(mode << 16 | dos).u32(short(start)).bytes(name).bytes(&extra.0);
        entry.0
    }

    fn end(&self, directory: &Directory) -> Vec<u8> {
        let Directory { entries, start, end } = *directory;
        let count = u16::try_from(entries).unwrap_or(SEE_ZIP64_SHORT);
        let mut record = Record::default();
        if count == SEE_ZIP64_SHORT || is_large(start) || is_large(end - start) {
            record.u32(ZIP64_END).u64(44).u16(MADE_BY_UNIX | VERSION_ZIP64).u16(VERSION_ZIP64).u32(0).u32(0);
            record.u64(entries).u64(entries).u64(end - start).u64(start);
            record.u32(ZIP64_LOCATOR).u32(0).u64(end).u32(1);
        }
        record.u32(END).u16(0).u16(0).u16(count).u16(count).u32(short(end - start)).u32(short(start)).u16(0);
        record.0
    }
}

/// Whether a number needs Zip64.
fn is_large(number: u64) -> bool {
    number >= u64::from(SEE_ZIP64)
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(SEE_ZIP64)
}

/// Time and date of DOS, in UTC and in steps of two seconds.
fn dos(member: &Member) -> (u16, u16) {
    let then = member.modified_seconds().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let Some((then, years)) = then.and_then(|then| Some((then, u16::try_from(then.year() - 1980).ok()?))) else {
        return (0, FIRST_DATE);
    };
    if years > 127 {
        return (0, FIRST_DATE);
    }
    let time = u16::from(then.hour()) << 11 | u16::from(then.minute()) << 5 | (u16::from(then.second()) / 2);
    (time, years << 9 | u16::from(u8::from(then.month())) << 5 | u16::from(then.day()))
}

/// Little-endian fields, one behind the other.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The fields that head and entry have in common.
    fn about(&mut self, name: &[u8], member: &Member, is_large: bool, crc: u32, size: u32) -> &mut Self {
        let (time, date) = dos(member);
        let utf8 = if std::str::from_utf8(name).is_ok() { IS_UTF8 } else { 0 };
        let descriptor = if member.size > 0 { HAS_DESCRIPTOR } else { 0 };
        self.u16(if is_large { VERSION_ZIP64 } else { VERSION }).u16(utf8 | descriptor);
        // Method 0 stores.
        self.u16(0).u16(time).u16(date).u32(crc).u32(size).u32(size)
    }

    fn lengths(&mut self, name: &[u8], extra: &[u8]) -> &mut Self {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("a path has at most 5 KiB, and fields are short");
        self.u16(length(name)).u16(length(extra))
    }

    fn time(&mut self, member: &Member) -> &mut Self {
        match member.modified_seconds().and_then(|seconds| i32::try_from(seconds).ok()) {
            Some(seconds) => self.u16(TIME_FIELD).u16(5).bytes(&[TIME_IS_OF_CHANGE]).u32(seconds.cast_unsigned()),
            None => self,
        }
    }
}

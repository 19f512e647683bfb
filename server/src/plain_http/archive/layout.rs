//! An archive as it will be: its members, and the place of each byte.

use std::ops::Range;

use bytes::Bytes;
use headers::ETag;
use tokio::sync::OwnedSemaphorePermit;
use wstp_protocol::{ErrorCode, SharePath, spelling};
use wstp_provider::Refusal;

use super::format::{Directory, Format};
use super::member::{Data, Member};

const TOO_LARGE: Refusal =
    Refusal::new(ErrorCode::Forbidden, "This folder is too large for one archive. Fetch its folders one by one.");
/// Counts up when the bytes of an archive are made in another way.
const REVISION: u8 = 1;

/// An archive that is not written anywhere.
pub struct Layout {
    /// Its format.
    pub format: &'static dyn Format,
    /// The outermost name in it.
    root: Vec<u8>,
    /// The folder that is archived.
    pub folder: SharePath,
    /// Its members.
    pub members: Vec<Member>,
    /// The offset of each member, and then of the directory.
    starts: Vec<u64>,
    /// The offset of each entry of the directory, and then of the end.
    entries: Vec<u64>,
    size: u64,
    tag: [u8; 16],
    /// Bounds the number of these in memory.
    pub place: Option<OwnedSemaphorePermit>,
}

/// Bytes of an archive, and how they are made.
pub enum Part {
    /// These bytes.
    Made(Bytes),
    /// Bytes of the file that this member is.
    File(usize, Range<u64>),
    /// Bytes that contain the checksum of this member: these ones of its tail, or of its entry in the directory.
    Checked(usize, Checked, Range<usize>),
}

/// Which bytes contain a checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Those behind the file.
    Tail,
    /// The entry in the directory.
    Entry,
}

impl Layout {
    /// The archive of these members of a folder. `root` is the name around all of them.
    ///
    /// # Errors
    /// When its size has more than 64 bits.
    pub fn new(
        format: &'static dyn Format,
        root: &str,
        folder: SharePath,
        members: Vec<Member>,
    ) -> Result<Self, Refusal> {
        let root = spelling::bytes(root).unwrap_or_default().into_owned();
        let tag = tag(format, &root, &folder, &members);
        let (starts, entries) = (Vec::with_capacity(members.len() + 1), Vec::with_capacity(members.len() + 1));
        let mut layout = Self { format, root, folder, members, starts, entries, size: 0, tag, place: None };
        layout.measure().ok_or(TOO_LARGE)?;
        Ok(layout)
    }

    fn measure(&mut self) -> Option<()> {
        let mut at = 0_u64;
        for member in &self.members {
            self.starts.push(at);
            let made = self.head(member).len() + self.format.tail(member, 0).len();
            at = at.checked_add(member.size)?.checked_add(made as u64)?;
        }
        self.starts.push(at);
        for (member, start) in self.members.iter().zip(&self.starts) {
            self.entries.push(at);
            at = at.checked_add(self.format.entry(&self.name(member), member, *start, 0).len() as u64)?;
        }
        self.entries.push(at);
        self.size = at.checked_add(self.end().len() as u64)?;
        Some(())
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A strong tag of the whole.
    pub fn etag(&self) -> ETag {
        format!("\"{:032x}\"", u128::from_be_bytes(self.tag)).parse().expect("hexadecimal digits in quotes are a tag")
    }

    /// The first of the wanted bytes, as many as are made in the same way.
    pub fn part(&self, wanted: Range<u64>) -> Part {
        let (directory, end) = (self.starts[self.members.len()], self.entries[self.members.len()]);
        if wanted.start >= end {
            return Part::Made(cut(self.end(), end, &wanted));
        }
        if wanted.start >= directory {
            let index = index(&self.entries, wanted.start);
            return self.checked(index, Checked::Entry, self.entries[index], &wanted);
        }
        let index = index(&self.starts, wanted.start);
        let (member, start) = (&self.members[index], self.starts[index]);
        let head = self.head(member);
        let data = start + head.len() as u64;
        let tail = data + member.size;
        if wanted.start < data {
            return Part::Made(cut(head, start, &wanted));
        }
        if wanted.start >= tail {
            return self.checked(index, Checked::Tail, tail, &wanted);
        }
        let range = wanted.start - data..wanted.end.min(tail) - data;
        match &member.data {
            Data::Text(text) => Part::Made(text.slice(range.start as usize..range.end as usize)),
            _ => Part::File(index, range),
        }
    }

    /// Bytes that contain a checksum, now that it is known.
    pub fn with_checksum(&self, index: usize, which: Checked, crc: u32) -> Bytes {
        let member = &self.members[index];
        Bytes::from(match which {
            Checked::Tail => self.format.tail(member, crc),
            Checked::Entry => self.format.entry(&self.name(member), member, self.starts[index], crc),
        })
    }

    /// Bytes from `start` on that contain a checksum, or would in another format.
    fn checked(&self, index: usize, which: Checked, start: u64, wanted: &Range<u64>) -> Part {
        let bytes = self.with_checksum(index, which, 0);
        let range = (wanted.start - start) as usize..(wanted.end - start).min(bytes.len() as u64) as usize;
        match self.format.has_checksum(&self.members[index]) {
            true => Part::Checked(index, which, range),
            false => Part::Made(bytes.slice(range)),
        }
    }

    fn head(&self, member: &Member) -> Vec<u8> {
        self.format.head(&self.name(member), member)
    }

    fn end(&self) -> Vec<u8> {
        let (start, end) = (self.starts[self.members.len()], self.entries[self.members.len()]);
        self.format.end(&Directory { entries: self.members.len() as u64, start, end })
    }

    /// The whole path of a member in the archive.
    fn name(&self, member: &Member) -> Vec<u8> {
        let mut name = self.root.clone();
        if !member.path.is_empty() {
            name.push(b'/');
            name.extend_from_slice(&spelling::bytes(&member.path).unwrap_or_default());
        }
        if member.is_folder() {
            name.push(b'/');
        }
        name
    }
}

/// The index of the last of these places that is not behind `at`. Places where nothing is have the next one's number.
fn index(places: &[u64], at: u64) -> usize {
    places.partition_point(|start| *start <= at) - 1
}

/// The wanted ones of bytes that begin at `start`.
fn cut(bytes: Vec<u8>, start: u64, wanted: &Range<u64>) -> Bytes {
    let end = (wanted.end - start).min(bytes.len() as u64) as usize;
    Bytes::from(bytes).slice((wanted.start - start) as usize..end)
}

/// Differs whenever the bytes of the archive may.
fn tag(format: &dyn Format, root: &[u8], folder: &SharePath, members: &[Member]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(&[REVISION]);
    add(format.media_type().as_bytes());
    add(root);
    add(folder.as_str().as_bytes());
    for member in members {
        add(member.path.as_bytes());
        add(&member.size.to_le_bytes());
        add(&member.modified_ms.unwrap_or(i64::MIN).to_le_bytes());
        match &member.data {
            Data::Folder => add(b"folder"),
            Data::File(version) => add(&version.0),
            Data::Text(text) => add(text),
        }
    }
    let mut tag = [0; 16];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Seek, SeekFrom};

    use super::*;
    use crate::plain_http::archive::tar::Tar;
    use crate::plain_http::archive::zip::Zip;
    use wstp_protocol::FileVersion;

    /// An archive whose files are zeros, for programs that read it.
    struct Reader<'a>(&'a Layout, u64);

    impl Read for Reader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = self.0.size().min(self.1 + buffer.len() as u64);
            if end == self.1 {
                return Ok(0);
            }
            let bytes = match self.0.part(self.1..end) {
                Part::Made(bytes) => bytes,
                Part::File(_, range) => vec![0; (range.end - range.start) as usize].into(),
                Part::Checked(index, which, range) => self.0.with_checksum(index, which, 7).slice(range),
            };
            buffer[..bytes.len()].copy_from_slice(&bytes);
            self.1 += bytes.len() as u64;
            Ok(bytes.len())
        }
    }

    impl Seek for Reader<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let at = match to {
                SeekFrom::Start(at) => Some(at),
                SeekFrom::End(by) => self.0.size().checked_add_signed(by),
                SeekFrom::Current(by) => self.1.checked_add_signed(by),
            };
            self.1 = at.ok_or(io::ErrorKind::InvalidInput)?;
            Ok(self.1)
        }
    }

    fn member(path: String, data: Data, size: u64) -> Member {
        Member { path: path.into(), data, size, modified_ms: Some(1_000_000_000_700) }
    }

    fn file(path: &str, size: u64) -> Member {
        member(path.to_owned(), Data::File(FileVersion([1; 16])), size)
    }

    fn of(format: &'static dyn Format, members: Vec<Member>) -> Layout {
        Layout::new(format, "root", SharePath::root(), members).unwrap()
    }

    #[test]
    fn files_beyond_four_gibibytes_are_in_both_formats() {
        const LARGE: u64 = 5 << 30;
        let members = || {
            vec![member(String::new(), Data::Folder, 0), file("a", LARGE), file("b", 3), file("c", u64::from(u32::MAX))]
        };
        let zip = of(&Zip, members());
        let mut archive = ::zip::ZipArchive::new(Reader(&zip, 0)).unwrap();
        let told: Vec<_> = (0..4)
            .map(|index| {
                let file = archive.by_index_raw(index).unwrap();
                (file.name().to_owned(), file.size(), file.crc32())
            })
            .collect();
        let expected = [("root/", 0, 0), ("root/a", LARGE, 7), ("root/b", 3, 7), ("root/c", u64::from(u32::MAX), 7)];
        assert_eq!(told, expected.map(|(name, size, crc)| (name.to_owned(), size, crc)));
        assert!(archive.by_index_raw(2).unwrap().header_start() > LARGE);

        let tar = of(&Tar, members());
        let mut archive = ::tar::Archive::new(Reader(&tar, 0));
        let entries = archive.entries_with_seek().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.size())
        });
        let expected = [("root/", 0), ("root/a", LARGE), ("root/b", 3), ("root/c", u64::from(u32::MAX))];
        assert_eq!(entries.collect::<Vec<_>>(), expected.map(|(name, size)| (name.to_owned(), size)));
    }

    #[test]
    fn more_entries_than_two_bytes_count_are_in_a_zip() {
        let members = (0..70_000).map(|number| file(&number.to_string(), 0)).collect();
        let layout = of(&Zip, members);
        let mut archive = ::zip::ZipArchive::new(Reader(&layout, 0)).unwrap();
        assert_eq!((archive.len(), archive.by_index_raw(69_999).unwrap().name()), (70_000, "root/69999"));
    }

    #[test]
    fn an_archive_larger_than_any_is_refused() {
        let members = vec![file("a", u64::MAX / 2), file("b", u64::MAX / 2)];
        assert!(Layout::new(&Zip, "root", SharePath::root(), members).is_err());
    }

    #[test]
    fn the_tag_names_every_fact() {
        let tag = |members: Vec<Member>| of(&Zip, members).etag();
        let first = tag(vec![file("a", 1)]);
        assert_eq!(tag(vec![file("a", 1)]), first);
        let dated = Member { modified_ms: Some(1), ..file("a", 1) };
        let other = Member { data: Data::File(FileVersion([2; 16])), ..file("a", 1) };
        for members in
            [vec![file("b", 1)], vec![file("a", 2)], vec![dated], vec![other], vec![file("a", 1), file("b", 0)]]
        {
            assert_ne!(tag(members), first);
        }
        assert_ne!(of(&Tar, vec![file("a", 1)]).etag(), first);
    }
}

//! An archive as it is sent, from any place on.
//!
//! Each file is opened when its turn comes, and must still have the version that the layout names. Otherwise the answer
//! breaks off. A checksum that nobody remembers is computed from the bytes that go out. Bytes before the requested part
//! are read for it when it is due, which comes behind the file.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use wstp_protocol::{ErrorCode, SharePath};
use wstp_provider::Refusal;

use super::Archives;
use super::layout::{Layout, Part};
use super::member::{Data, Member};
use crate::access::Caller;
use crate::files::Files;
use crate::plain_http::content::{Content, piece};
use crate::plain_http::stream::FileStream;
use crate::store::Found;

/// Smaller pieces are sent together.
const ENOUGH: usize = 64 * 1024;

/// An archive for one answer.
pub struct ArchiveStream {
    layout: Arc<Layout>,
    archives: Arc<Archives>,
    files: Arc<Files>,
    caller: Caller,
    /// The file that is being sent.
    open: Option<Open>,
}

/// A member that is being sent.
struct Open {
    index: usize,
    file: FileStream,
    sum: Sum,
}

/// A checksum of consecutive bytes.
struct Sum {
    range: Range<u64>,
    hasher: Hasher,
}

impl Sum {
    fn from(start: u64) -> Self {
        Self { range: start..start, hasher: Hasher::new() }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.range.end += bytes.len() as u64;
    }
}

impl ArchiveStream {
    /// The archive for a caller, who is asked about for each file.
    pub fn new(layout: Arc<Layout>, archives: Arc<Archives>, files: Arc<Files>, caller: Caller) -> Self {
        Self { layout, archives, files, caller, open: None }
    }

    /// The first of the wanted bytes, as many as come from one place.
    async fn part(&mut self, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        match self.layout.part(wanted) {
            Part::Made(bytes) => Ok(bytes),
            Part::File(index, range) => self.read(index, piece(range)).await,
            Part::Checked(index, which, range) => {
                let crc = self.checksum(index).await?;
                Ok(self.layout.with_checksum(index, which, crc).slice(range))
            }
        }
    }

    async fn read(&mut self, index: usize, range: Range<u64>) -> Result<Bytes, Refusal> {
        let open = match self.open.take().filter(|open| open.index == index) {
            Some(open) => self.open.insert(open),
            None => {
                let file = self.file(index).await?;
                self.open.insert(Open { index, file, sum: Sum::from(range.start) })
            }
        };
        let bytes = open.file.read(range.clone()).await?;
        if open.sum.range.end != range.start {
            open.sum = Sum::from(range.start);
        }
        open.sum.update(&bytes);
        Ok(bytes)
    }

    /// The checksum of a member. It may have to be read for that.
    async fn checksum(&mut self, index: usize) -> Result<u32, Refusal> {
        let layout = self.layout.clone();
        let member = &layout.members[index];
        let version = match &member.data {
            Data::File(version) => *version,
            Data::Text(text) => return Ok(crc32fast::hash(text)),
            Data::Folder => return Ok(0),
        };
        let path = path(&layout, member)?;
        if let Some(crc) = self.archives.checksums.get(&path, version) {
            return Ok(crc);
        }
        let sent = self.open.take().filter(|open| open.index == index && open.sum.range.end == member.size);
        let rest = sent.map_or_else(|| Sum::from(member.size), |open| open.sum);
        let mut sum = Sum::from(0);
        if rest.range.start > 0 {
            let mut file = self.file(index).await?;
            while sum.range.end < rest.range.start {
                sum.update(&file.read(piece(sum.range.end..rest.range.start)).await?);
            }
        }
        sum.hasher.combine(&rest.hasher);
        let crc = sum.hasher.finalize();
        self.archives.checksums.put(&path, version, crc);
        Ok(crc)
    }

    /// Opens the file that a member is, if it still has the member's version.
    async fn file(&self, index: usize) -> Result<FileStream, Refusal> {
        let member = &self.layout.members[index];
        match self.files.store().open(&self.caller, &path(&self.layout, member)?).await {
            Ok(Found::File(version)) => {
                let file = FileStream::new(version).await;
                let is_same = matches!(&member.data, Data::File(version) if *version == file.version());
                if is_same { Ok(file) } else { Err(ErrorCode::Changed.into()) }
            }
            Ok(Found::Folder(_)) => Err(ErrorCode::Changed.into()),
            Err(refusal) if refusal.code() == ErrorCode::NotFound => Err(ErrorCode::Changed.into()),
            Err(refusal) => Err(refusal),
        }
    }
}

#[async_trait]
impl Content for ArchiveStream {
    async fn next(&mut self, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        let mut gathered = BytesMut::new();
        let mut at = wanted.start;
        while at < wanted.end && gathered.len() < ENOUGH {
            let part = self.part(at..wanted.end).await?;
            if gathered.is_empty() && part.len() >= ENOUGH {
                return Ok(part);
            }
            at += part.len() as u64;
            gathered.extend_from_slice(&part);
        }
        Ok(gathered.freeze())
    }

    fn path(&self) -> Option<SharePath> {
        let open = self.open.as_ref()?;
        path(&self.layout, &self.layout.members[open.index]).ok()
    }
}

/// The path of a member in the tree of all shares.
fn path(layout: &Layout, member: &Member) -> Result<SharePath, Refusal> {
    let path = SharePath::parse(&*member.path).and_then(|path| layout.folder.append(&path));
    path.map_err(|_| ErrorCode::Changed.into())
}

//! The files that a provider has, and the task that one answer needs.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{
    BLOCK_SIZE, BlockIndex, CompressedHeader, Entry, FileVersion, Hash, RequestId, SearchRequest, ServerMessage,
    SharePath, block_count, zeros,
};

use crate::{Bundle, Hits, KnownZeros, Page, Read, Refusal};

/// Bytes of an answer that is neither data nor a page of something.
const SMALL_ANSWER: u32 = 2048;

/// Bytes that are read behind zeros to tell those that follow: 4 MiB.
const LOOKED_AHEAD: u64 = 4 << 20;
/// Bytes of them that are read at once.
const LOOKED_AT_ONCE: u64 = 256 << 10;

/// The folders and files that a peer may ask for.
pub trait Offer {
    /// A file that a peer has open.
    type File: OfferedFile;

    /// One page of a folder: at most `limit` entries behind `cursor`.
    fn list(&self, path: &SharePath, cursor: Option<&str>, limit: u32) -> impl Future<Output = Result<Page, Refusal>>;

    /// Entries beneath a folder by words of their names, as many as one request finds.
    fn search(&self, request: &SearchRequest) -> impl Future<Output = Result<Hits, Refusal>>;

    /// The facts about one entry.
    fn stat(&self, path: &SharePath) -> impl Future<Output = Result<Entry, Refusal>>;

    /// Opens a file.
    fn open(&self, path: SharePath) -> impl Future<Output = Result<Self::File, Refusal>>;

    /// Reads bytes of one version, all within the file, behind the header of the read. A read of no bytes only finds out
    /// whether the file still has this version.
    fn read(&self, file: &Self::File, read: &Read) -> impl Future<Output = Result<Bytes, Refusal>>;

    /// The end of the zeros that begin at this offset, as far as it is known without reading them. It is the offset
    /// itself if other bytes may stand there.
    fn zeros_until(&self, _file: &Self::File, offset: u64) -> impl Future<Output = Result<u64, Refusal>> {
        std::future::ready(Ok(offset))
    }

    /// A page of hashes that lies within the tree, and its uncles.
    fn hashes(
        &self,
        file: &Self::File,
        page: (u8, u64, u32),
    ) -> impl Future<Output = Result<(Vec<Hash>, Vec<Hash>), Refusal>>;

    /// A whole frame as one Zstandard frame behind this header, if that is worth it now. The frame has bytes of `file`,
    /// or small files.
    fn compress(
        &self,
        _file: Option<&Self::File>,
        _header: CompressedHeader,
        _frame: &Bytes,
    ) -> impl Future<Output = Option<Bytes>> {
        std::future::ready(None)
    }

    /// Fills a bundle with small files.
    fn fill(&self, bundle: Bundle) -> impl Future<Output = Result<Bundle, Refusal>>;
}

/// The facts that a peer is told of an open file.
pub trait OfferedFile {
    /// Bytes.
    fn size(&self) -> u64;
    /// Changes with the bytes.
    fn version(&self) -> FileVersion;
    /// Its hash; `None` while it is not known.
    fn root(&self) -> Option<Hash>;
    /// The zeros of this version that were read before, whoever read them.
    fn known_zeros(&self) -> &KnownZeros;
}

impl<F: OfferedFile + ?Sized> OfferedFile for Arc<F> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn version(&self) -> FileVersion {
        (**self).version()
    }

    fn root(&self) -> Option<Hash> {
        (**self).root()
    }

    fn known_zeros(&self) -> &KnownZeros {
        (**self).known_zeros()
    }
}

/// The rest of the work for a request, after all checks.
#[derive(Debug)]
pub enum Task<F> {
    /// List a folder.
    List(SharePath, Option<String>, u32),
    /// Look for entries.
    Search(SearchRequest),
    /// Look at an entry.
    Stat(SharePath),
    /// Open a file.
    Open(SharePath),
    /// Read a run of blocks.
    Read(F, Read),
    /// Look up hashes: level, first node and number of nodes.
    Hashes(F, (u8, u64, u32)),
    /// Read small files.
    Fill(Bundle),
}

/// The result of a [`Task`].
#[derive(Debug)]
pub enum Outcome<F> {
    /// The result of [`Task::List`].
    Listed(Page),
    /// The result of [`Task::Search`].
    Found(Hits),
    /// The result of [`Task::Stat`].
    Stat(Entry),
    /// The result of [`Task::Open`].
    Opened(F),
    /// The result of [`Task::Read`] and [`Task::Fill`]: a whole frame.
    Frame(Bytes),
    /// The result of [`Task::Read`], if these blocks are zero: those requested, and maybe more behind them.
    Zeros(Range<BlockIndex>),
    /// The result of [`Task::Hashes`]: nodes and uncles.
    Hashes(Vec<Hash>, Vec<Hash>),
}

impl<F> Task<F> {
    /// Most bytes the answer takes.
    #[must_use]
    pub fn answer_len(&self) -> u32 {
        match self {
            Self::List(..) | Self::Search(_) | Self::Fill(_) => MAX_SERVER_FRAME as u32,
            Self::Stat(_) | Self::Open(_) => SMALL_ANSWER,
            Self::Read(_, read) => u32::try_from(read.length()).unwrap_or(u32::MAX).next_multiple_of(BLOCK_SIZE as u32),
            Self::Hashes(_, (.., count)) => count * size_of::<Hash>() as u32 + SMALL_ANSWER,
        }
    }
}

/// Does what the request with this id asks for.
///
/// # Errors
/// Those of the [`Offer`].
pub async fn perform<O: Offer>(offer: &O, id: RequestId, task: Task<O::File>) -> Result<Outcome<O::File>, Refusal> {
    Ok(match task {
        Task::List(path, cursor, limit) => Outcome::Listed(offer.list(&path, cursor.as_deref(), limit).await?),
        Task::Search(request) => Outcome::Found(offer.search(&request).await?),
        Task::Stat(path) => Outcome::Stat(offer.stat(&path).await?),
        Task::Open(path) => Outcome::Opened(offer.open(path).await?),
        Task::Read(file, read) => match read_or_tell(offer, &file, &read).await? {
            Outcome::Frame(frame) if read.may_compress() => {
                Outcome::Frame(shortest(offer, Some(&file), id, frame).await)
            }
            outcome => outcome,
        },
        Task::Hashes(file, page) => {
            let (nodes, uncles) = offer.hashes(&file, page).await?;
            Outcome::Hashes(nodes, uncles)
        }
        Task::Fill(bundle) => {
            let may_compress = bundle.may_compress();
            let frame = Bytes::from(ServerMessage::Bundle(offer.fill(bundle).await?.reply()).encode());
            Outcome::Frame(if may_compress { shortest(offer, None, id, frame).await } else { frame })
        }
    })
}

/// A frame, compressed if that is worth it.
async fn shortest<O: Offer>(offer: &O, file: Option<&O::File>, id: RequestId, frame: Bytes) -> Bytes {
    let header = CompressedHeader { id, length: frame.len() as u32 };
    offer.compress(file, header, &frame).await.unwrap_or(frame)
}

/// Reads a run of blocks. Zeros are told in its place where the peer understands that.
async fn read_or_tell<O: Offer>(offer: &O, file: &O::File, read: &Read) -> Result<Outcome<O::File>, Refusal> {
    if !read.tells_zeros() {
        return Ok(Outcome::Frame(offer.read(file, read).await?));
    }
    let known = file.known_zeros();
    if known.until(read.offset()) >= read.end() {
        // Zeros are known of one version. A read of no bytes finds out whether the file still has it.
        offer.read(file, &Read::bytes(read.offset(), 0)).await?;
    } else if offer.zeros_until(file, read.offset()).await? < read.end() {
        let frame = offer.read(file, read).await?;
        if !zeros::are_zeros(&frame[read.header().len()..]) {
            return Ok(Outcome::Frame(frame));
        }
        known.add(read.offset()..read.end());
    }
    let end = zeros_behind(offer, file, read.end()).await?;
    Ok(Outcome::Zeros(read.offset() / BLOCK_SIZE..block_count(end)))
}

/// The end of the zeros that go on at an offset, in whole blocks. It reads some way ahead, so that a peer far away need
/// not ask for each run. Zeros that are known count as read.
async fn zeros_behind<O: Offer>(offer: &O, file: &O::File, offset: u64) -> Result<u64, Refusal> {
    let known = file.known_zeros();
    let (mut end, mut looked_at, reads_ahead) = (offset, 0, known.read_ahead());
    while end < file.size() {
        let until = known.until(end);
        if until > end {
            looked_at += until - end;
            end = until;
            continue;
        }
        let hole = offer.zeros_until(file, end).await?.min(file.size());
        let hole = if hole < file.size() { hole / BLOCK_SIZE * BLOCK_SIZE } else { hole };
        if hole > end {
            end = hole;
            continue;
        }
        if looked_at >= LOOKED_AHEAD || reads_ahead.is_none() || known.ends_at(end) {
            break;
        }
        let length = LOOKED_AT_ONCE.min(file.size() - end);
        let piece = offer.read(file, &Read::bytes(end, length as usize)).await?;
        let blocks = piece.chunks(BLOCK_SIZE as usize).take_while(|block| zeros::are_zeros(block));
        let zeros = blocks.map(|block| block.len() as u64).sum::<u64>();
        known.add(end..end + zeros);
        end += zeros;
        looked_at += zeros;
        if zeros < length {
            known.end_at(end);
            break;
        }
    }
    Ok(end)
}

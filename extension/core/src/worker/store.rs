//! The storage of one file's transfer: the files `data`, `hashes` and those of its journal. They are in a folder of the
//! sandbox, held open by its worker alone.

use bytes::Bytes;
use wasm_bindgen::prelude::*;
use wstp_engine::journal::{self, End, Recovered};
use wstp_engine::{FileIdentity, StoreError, StoreReply, StoreRequest};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

use crate::folder_layout::DATA;
use crate::opfs::{File, Folder};
use crate::words::other_version;

const HASH: usize = size_of::<Hash>();
/// Bytes read back at once.
const PIECE: u32 = 32;
/// Longest journal that is read.
const MAX_JOURNAL: u64 = 64 << 20;

/// A transfer's files. They are closed when this is dropped.
pub struct Store {
    data: File,
    hashes: File,
    journals: [File; 2],
    /// The journal in use, and how much of it is believed: the next record goes there.
    end: End,
}

/// Why an update could not begin with a copy of what it updates.
pub enum NoUpdate {
    /// It was told to stop.
    Stopped,
    /// An error of storage; there may be no room for a second copy.
    Storage(StoreError),
    /// The files can't be opened.
    Failed(JsValue),
}

impl From<JsValue> for NoUpdate {
    fn from(error: JsValue) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Opens the files in the folder to which these names lead, and reads the journal back.
    ///
    /// # Errors
    ///
    /// When another worker has them open and does not end, or storage fails.
    pub async fn open(path: &[&str]) -> Result<(Self, Recovered), JsValue> {
        let folder = Folder::open(path).await?;
        let (data, hashes) = (folder.file(DATA).await?, folder.file("hashes").await?);
        let [first, second] = journal::FILES;
        let journals = [folder.file(first).await?, folder.file(second).await?];
        let first = journals[0].read_all(MAX_JOURNAL).map_err(failed)?;
        let second = journals[1].read_all(MAX_JOURNAL).map_err(failed)?;
        if [&first, &second].into_iter().any(|bytes| journal::is_of_other_version(bytes)) {
            return Err(other_version());
        }
        let (recovered, end) = journal::replay([&first, &second]);
        journals[end.file].set_len(end.length).map_err(failed)?;
        Ok((Self { data, hashes, journals, end }, recovered))
    }

    /// The same, for a transfer that updates the complete copy of another one, `base`. If there is nothing yet, it
    /// begins with all of that, unless `goes_on` ends it. Half a copy takes no room.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and see [`NoUpdate`].
    pub async fn open_update(
        path: &[&str],
        base: &str,
        goes_on: impl Fn() -> bool,
    ) -> Result<(Self, Recovered), NoUpdate> {
        let (store, recovered) = Self::open(path).await?;
        let is_there = Folder::open(&["transfers"]).await?.names().await?.iter().any(|name| name == base);
        if recovered.file().is_some() || !is_there {
            return Ok((store, recovered));
        }
        let (older, what_it_has) = Self::open(&["transfers", base]).await?;
        if !what_it_has.is_complete() {
            return Ok((store, recovered));
        }
        let copied = match older.data.copy_to(&store.data, &goes_on).await {
            Ok(true) => older.hashes.copy_to(&store.hashes, &goes_on).await,
            stopped => stopped,
        };
        if copied != Ok(true) {
            store.data.set_len(0).and_then(|()| store.hashes.set_len(0)).map_err(failed)?;
            return Err(copied.map_or_else(NoUpdate::Storage, |_| NoUpdate::Stopped));
        }
        // Last, and at once: a journal that is here speaks of data that is.
        let mut store = store;
        store.commit(&what_it_has.reopened()).map_err(failed)?;
        drop(store);
        Ok(Self::open(path).await?)
    }

    /// Reads all data of a complete file back and hashes them. Gives whether they have the file's hash. `goes_on` hears
    /// how many bytes were read; if it says no, the answer is no.
    pub async fn is_right(&self, file: &FileIdentity, goes_on: impl Fn(u64) -> bool) -> bool {
        if self.data.len() != Ok(file.size) {
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        let hash = |offset, piece: &[u8]| {
            hasher.update(piece);
            Ok(goes_on(offset + piece.len() as u64))
        };
        let is_read = self.data.read_through(file.size, hash).await == Ok(true);
        is_read && file.root == Some(*hasher.finalize().as_bytes())
    }

    /// Whether there is room for so many bytes more. The rest of an interrupted trial is no record, and is cut off when
    /// the journal is read.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.journals[self.end.file].has_room(self.end.length, bytes)
    }

    /// Does what the engine wants.
    pub fn perform(&mut self, request: StoreRequest) -> StoreReply {
        let done = match request {
            StoreRequest::SetLength { size } => self.data.set_len(size),
            StoreRequest::Write { offset, data } => self.write(offset, &data),
            StoreRequest::WriteHashes { first, hashes } => {
                self.hashes.write_at(first * HASH as u64, hashes.as_flattened())
            }
            StoreRequest::ReadHashes { run } => return self.read_hashes(run).into_reply(),
            StoreRequest::Rehash { run, size } => return self.rehash(run, size).into_reply(),
            StoreRequest::Commit { record } => self.commit(&record),
            StoreRequest::Compact { journal } => self.compact(&journal),
        };
        done.map_or_else(StoreReply::Failed, |()| StoreReply::Done)
    }

    fn write(&self, offset: u64, data: &Bytes) -> Result<(), StoreError> {
        self.data.write_at(offset, data)
    }

    fn read_hashes(&self, run: BlockRun) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = vec![[0; HASH]; run.count as usize];
        self.hashes.read_at(run.first * HASH as u64, hashes.as_flattened_mut())?;
        Ok(hashes)
    }

    fn rehash(&self, run: BlockRun, size: u64) -> Result<Vec<Hash>, StoreError> {
        let tree = Tree::of_size(size);
        let mut hashes = Vec::with_capacity(run.count as usize);
        let mut buffer = vec![0; (PIECE.min(run.count) as u64 * BLOCK_SIZE) as usize];
        let mut first = run.first;
        while first < run.end() {
            let piece = BlockRun { first, count: u32::try_from(run.end() - first).unwrap_or(PIECE).min(PIECE) };
            let (offset, length) = piece.byte_range(size).ok_or(StoreError::Missing)?;
            let bytes = &mut buffer[..length as usize];
            self.data.read_at(offset, bytes)?;
            hashes.extend(
                (first..).zip(bytes.chunks(BLOCK_SIZE as usize)).map(|(block, data)| hash_block(tree, block, data)),
            );
            first = piece.end();
        }
        Ok(hashes)
    }

    fn commit(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.flush()?;
        let journal = &self.journals[self.end.file];
        journal.write_at(self.end.length, record)?;
        journal.flush()?;
        self.end.length += record.len() as u64;
        Ok(())
    }

    fn compact(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.flush()?;
        let file = 1 - self.end.file;
        let journal = &self.journals[file];
        let written = journal.set_len(0).and_then(|()| journal.write_at(0, bytes)).and_then(|()| journal.flush());
        if written.is_err() {
            // It would take room, and must not count later.
            let _stays = journal.set_len(0);
            return written;
        }
        let _does_not_count = self.journals[self.end.file].set_len(0);
        self.end = End { file, length: bytes.len() as u64 };
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.data.flush()?;
        self.hashes.flush()
    }
}

trait IntoReply {
    fn into_reply(self) -> StoreReply;
}

impl IntoReply for Result<Vec<Hash>, StoreError> {
    fn into_reply(self) -> StoreReply {
        self.map_or_else(StoreReply::Failed, StoreReply::Hashes)
    }
}

fn failed(error: StoreError) -> JsValue {
    JsError::new(&format!("the sandbox failed: {error:?}")).into()
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::opfs::tests::Calls;
    use wasm_bindgen_test::wasm_bindgen_test;
    use wstp_protocol::FileVersion;

    const SIZE: u64 = 3 * BLOCK_SIZE + 5;

    async fn store(name: &str) -> Store {
        Folder::open(&["transfers"]).await.unwrap().remove(name).await.unwrap();
        Store::open(&["transfers", name]).await.unwrap().0
    }

    #[wasm_bindgen_test]
    async fn data_is_read_back_and_hashed_as_it_was_written() {
        let mut store = store("rehash").await;
        let data: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        assert_eq!(store.perform(StoreRequest::SetLength { size: SIZE }), StoreReply::Done);
        assert_eq!(store.perform(StoreRequest::Write { offset: 0, data: data.clone() }), StoreReply::Done);
        let hash = |(block, bytes)| hash_block(Tree::of_size(SIZE), block, bytes);
        let hashes: Vec<_> = (0..).zip(data.chunks(BLOCK_SIZE as usize)).map(hash).collect();
        let run = BlockRun { first: 1, count: 3 };
        let rehashed = store.perform(StoreRequest::Rehash { run, size: SIZE });
        assert_eq!(rehashed, StoreReply::Hashes(hashes[1..].to_vec()));
    }

    #[wasm_bindgen_test]
    async fn a_complete_file_is_right_until_a_byte_of_it_changes() {
        let mut store = store("right").await;
        let data: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        let write = |offset, data: &[u8]| StoreRequest::Write { offset, data: Bytes::copy_from_slice(data) };
        assert_eq!(store.perform(write(0, &data)), StoreReply::Done);
        let root = Some(*blake3::hash(&data).as_bytes());
        let file = FileIdentity { size: SIZE, version: FileVersion([0; 16]), root };
        assert!(store.is_right(&file, |_| true).await);
        assert!(!store.is_right(&file, |_| false).await, "it was not read to its end");
        assert!(!store.is_right(&FileIdentity { root: None, ..file }, |_| true).await);
        assert_eq!(store.perform(write(SIZE - 1, &[!data[SIZE as usize - 1]])), StoreReply::Done);
        assert!(!store.is_right(&file, |_| true).await);
        assert_eq!(store.perform(write(SIZE - 1, &data[SIZE as usize - 1..])), StoreReply::Done);
        assert_eq!(store.perform(StoreRequest::SetLength { size: SIZE + 1 }), StoreReply::Done);
        assert!(!store.is_right(&file, |_| true).await, "it has another size");
    }

    #[wasm_bindgen_test]
    async fn hashes_are_kept_apart_from_data() {
        let mut store = store("hashes").await;
        let hashes = vec![[1; 32], [2; 32], [3; 32]];
        assert_eq!(store.perform(StoreRequest::WriteHashes { first: 5, hashes: hashes.clone() }), StoreReply::Done);
        let run = BlockRun { first: 6, count: 2 };
        assert_eq!(store.perform(StoreRequest::ReadHashes { run }), StoreReply::Hashes(hashes[1..].to_vec()));
        let past_the_end = StoreRequest::ReadHashes { run: BlockRun { first: 7, count: 2 } };
        assert_eq!(store.perform(past_the_end), StoreReply::Failed(StoreError::Missing));
    }

    #[wasm_bindgen_test]
    async fn a_compacted_journal_takes_the_place_of_the_former_one() {
        let mut store = store("compacted").await;
        let requests = [
            StoreRequest::Commit { record: vec![1; 9] },
            StoreRequest::Compact { journal: vec![2; 4] },
            StoreRequest::Commit { record: vec![3] },
        ];
        for request in requests {
            assert_eq!(store.perform(request), StoreReply::Done);
        }
        let journals = store.journals.each_ref().map(|journal| journal.read_all(100).unwrap());
        assert_eq!((journals, store.end), ([vec![], vec![2, 2, 2, 2, 3]], End { file: 1, length: 5 }));
    }

    /// The power can go at any moment, and then only what was flushed is there for certain. No test can switch it off:
    /// this one looks at the calls.
    #[wasm_bindgen_test]
    async fn what_a_record_speaks_of_is_flushed_before_it_is_written() {
        let mut store = store("flushed").await;
        let calls = Calls::record();
        for request in [StoreRequest::Commit { record: vec![1] }, StoreRequest::Compact { journal: vec![2] }] {
            store.perform(StoreRequest::SetLength { size: SIZE });
            store.perform(StoreRequest::Write { offset: 0, data: Bytes::from_static(&[7; 100]) });
            store.perform(StoreRequest::WriteHashes { first: 0, hashes: vec![[1; 32]] });
            let journal = 1 - usize::from(matches!(request, StoreRequest::Commit { .. }));
            calls.take();
            assert_eq!(store.perform(request), StoreReply::Done);
            let first = [(&store.data, "flush"), (&store.hashes, "flush")];
            calls.assert_before(&first, (&store.journals[journal], "write"));
            calls.assert_before(&[(&store.journals[journal], "write")], (&store.journals[journal], "flush"));
        }
        let (former, current) = (&store.journals[0], &store.journals[1]);
        calls.assert_before(&[(current, "flush")], (former, "truncate"));
    }

    #[wasm_bindgen_test]
    async fn a_torn_record_is_cut_off_when_the_journal_is_opened() {
        let mut store = store("torn").await;
        assert_eq!(store.perform(StoreRequest::Commit { record: b"half a rec".to_vec() }), StoreReply::Done);
        assert_eq!(store.journals[0].len(), Ok(10));
        drop(store);
        let (store, recovered) = Store::open(&["transfers", "torn"]).await.unwrap();
        assert_eq!((store.journals[0].len(), store.end), (Ok(0), End::default()));
        assert!(recovered.file().is_none() && !recovered.is_complete());
    }
}

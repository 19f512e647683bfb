//! The storage of one file's transfer in a folder of the sandbox, held open by its worker alone.

use wasm_bindgen::prelude::*;
use wstp_client::store::{BlockFile, FileStore, Unreadable};
use wstp_engine::journal::{self, Recovered};
use wstp_engine::{StoreError, StoreReply, StoreRequest};
use wstp_protocol::Hash;

use crate::folder_layout::DATA;
use crate::opfs::{File, Folder, failed};
use crate::words::other_version;

/// A transfer's files. They are closed when this is dropped.
pub struct Store(FileStore<File>);

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
        let (files, recovered) = FileStore::open(data, hashes, journals).map_err(unreadable)?;
        Ok((Self(files), recovered))
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
        let (from, to) = (&older.0, &store.0);
        let copied = match from.data().copy_to(to.data(), &goes_on).await {
            Ok(true) => from.hashes().copy_to(to.hashes(), &goes_on).await,
            stopped => stopped,
        };
        if copied != Ok(true) {
            to.data().truncate(0).and_then(|()| to.hashes().truncate(0)).map_err(failed)?;
            return Err(copied.map_or_else(NoUpdate::Storage, |_| NoUpdate::Stopped));
        }
        // Last, and at once: a journal that is here speaks of data that is.
        let mut store = store;
        store.0.commit(&what_it_has.reopened()).map_err(failed)?;
        drop(store);
        Ok(Self::open(path).await?)
    }

    /// Bytes of the data; `None` if storage does not say.
    pub fn size(&self) -> Option<u64> {
        self.0.data().size().ok()
    }

    /// Reads all data of a complete file back and hashes them. Gives whether they have this size and this hash.
    /// `goes_on` hears how many bytes were read; if it says no, the answer is no.
    pub async fn is_right(&self, size: u64, root: Hash, goes_on: impl Fn(u64) -> bool) -> bool {
        if self.size() != Some(size) {
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        let hash = |offset, piece: &[u8]| {
            hasher.update(piece);
            Ok(goes_on(offset + piece.len() as u64))
        };
        let is_read = self.0.data().read_through(size, hash).await == Ok(true);
        is_read && root == *hasher.finalize().as_bytes()
    }

    /// Fills the buffer with data from `offset` on.
    ///
    /// # Errors
    ///
    /// An error of storage; [`StoreError::Missing`] when the data end before.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.0.data().read_at(offset, buffer)
    }

    /// Whether there is room for this many more bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.0.journals().has_room(bytes)
    }

    /// Executes a request of the engine.
    pub fn perform(&mut self, request: StoreRequest) -> StoreReply {
        self.0.perform(request).reply
    }
}

/// The error for a journal that can't be used.
pub(super) fn unreadable(error: Unreadable<StoreError>) -> JsValue {
    match error {
        Unreadable::OtherVersion => other_version(),
        Unreadable::Storage(error) => failed(error),
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::opfs::tests::Calls;
    use bytes::Bytes;
    use wasm_bindgen_test::wasm_bindgen_test;
    use wstp_client::store::testing::cases;
    use wstp_engine::journal::End;
    use wstp_protocol::BLOCK_SIZE;

    const SIZE: u64 = 3 * BLOCK_SIZE + 5;

    async fn store(name: &str) -> Store {
        Folder::open(&["transfers"]).await.unwrap().remove(name).await.unwrap();
        Store::open(&["transfers", name]).await.unwrap().0
    }

    #[wasm_bindgen_test]
    async fn a_store_in_the_sandbox_behaves_as_every_store() {
        for (name, check) in cases() {
            web_sys::console::log_1(&name.into());
            check(store(name).await.0);
        }
    }

    #[wasm_bindgen_test]
    async fn a_complete_file_is_right_until_a_byte_of_it_changes() {
        let mut store = store("right").await;
        let data: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        let write = |offset, data: &[u8]| StoreRequest::Write { offset, data: Bytes::copy_from_slice(data) };
        assert_eq!(store.perform(write(0, &data)), StoreReply::Done);
        let root = *blake3::hash(&data).as_bytes();
        assert!(store.is_right(SIZE, root, |_| true).await);
        assert!(!store.is_right(SIZE, root, |_| false).await, "it was not read to its end");
        assert!(!store.is_right(SIZE, [0; 32], |_| true).await);
        assert_eq!(store.perform(write(SIZE - 1, &[!data[SIZE as usize - 1]])), StoreReply::Done);
        assert!(!store.is_right(SIZE, root, |_| true).await);
        assert_eq!(store.perform(write(SIZE - 1, &data[SIZE as usize - 1..])), StoreReply::Done);
        assert_eq!(store.perform(StoreRequest::SetLength { size: SIZE + 1 }), StoreReply::Done);
        assert!(!store.is_right(SIZE, root, |_| true).await, "it has another size");
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
            let (first, journal) =
                ([(store.0.data(), "flush"), (store.0.hashes(), "flush")], store.0.journals().files()[journal]);
            calls.assert_before(&first, (journal, "write"));
            calls.assert_before(&[(journal, "write")], (journal, "flush"));
        }
        let [former, current] = store.0.journals().files();
        calls.assert_before(&[(current, "flush")], (former, "truncate"));
    }

    #[wasm_bindgen_test]
    async fn a_torn_record_is_cut_off_when_the_journal_is_opened() {
        let mut store = store("torn").await;
        assert_eq!(store.perform(StoreRequest::Commit { record: b"half a rec".to_vec() }), StoreReply::Done);
        assert_eq!(store.0.journals().files()[0].size(), Ok(10));
        drop(store);
        let (store, recovered) = Store::open(&["transfers", "torn"]).await.unwrap();
        assert_eq!((store.0.journals().files()[0].size(), store.0.journals().end()), (Ok(0), End::default()));
        assert!(recovered.file().is_none() && !recovered.is_complete());
    }
}

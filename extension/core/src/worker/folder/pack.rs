//! The storage of a folder's transfer, held open by its worker alone. `pack` has the small files one behind the other.
//! `journal` has the state of all files, and `problems` the failures in words.
//!
//! Small files are gathered and written in pieces, because the browser's storage costs by the piece. The journal never
//! claims data that is not durable.

use wasm_bindgen::prelude::*;
use wstp_client::store::{BlockFile, JournalFile, Unreadable, read_journal};
use wstp_engine::StoreError;
use wstp_engine::folder::Place;
use wstp_engine::folder::journal::{self, Form, Recovered};
use wstp_messages::TransferId;
use wstp_protocol::Hash;

use crate::folder_layout::{JOURNAL, MAX_JOURNAL, PACK, PROBLEMS, Trouble, encode_problems, read_problems};
use crate::opfs::{File, Folder};
use crate::words::other_version;

/// Bytes written at once.
const PIECE: usize = 256 << 10;

/// The files. They are closed when this is dropped.
pub struct Pack {
    pack: File,
    journal: JournalFile<File>,
    problems: File,
    /// Bytes of the pack that are written.
    written: u64,
    /// Bytes that wait to be written behind them.
    gathered: Vec<u8>,
}

impl Pack {
    /// Opens the files and reads their content.
    ///
    /// # Errors
    ///
    /// When another worker has them open and does not end, or storage fails.
    pub async fn open(transfer: &TransferId) -> Result<(Self, Recovered, Vec<Trouble>), JsValue> {
        let folder = Folder::open(&["transfers", &transfer.0]).await?;
        let (pack, journal, problems) =
            (folder.file(PACK).await?, folder.file(JOURNAL).await?, folder.file(PROBLEMS).await?);
        let bytes = read_journal(&journal, MAX_JOURNAL, journal::is_of_other_version).map_err(|error| match error {
            Unreadable::OtherVersion => other_version(),
            Unreadable::Storage(error) => failed(error),
        })?;
        let (mut recovered, length) = journal::replay(&bytes);
        let journal = JournalFile::open(journal, length).map_err(failed)?;
        let written = forget_what_is_cut(&mut recovered, pack.size().map_err(failed)?);
        pack.truncate(written).map_err(failed)?;
        let known = read_problems(&problems.read_all(MAX_JOURNAL).map_err(failed)?);
        Ok((Self { pack, journal, problems, written, gathered: Vec::new() }, recovered, known))
    }

    /// Whether there is room for this many more bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.journal.has_room(bytes)
    }

    /// Keeps a file's bytes; they are durable from the next commit on.
    ///
    /// # Errors
    ///
    /// The error of storage.
    pub fn keep(&mut self, data: &[u8]) -> Result<Place, StoreError> {
        let place = Place { offset: self.written + self.gathered.len() as u64, length: data.len() as u64 };
        self.gathered.extend_from_slice(data);
        if self.gathered.len() >= PIECE {
            self.write()?;
        }
        Ok(place)
    }

    /// The hash of the pack's bytes at a place; `None` if they can't be read.
    pub fn hash(&self, Place { offset, length }: Place) -> Option<Hash> {
        let mut data = vec![0; usize::try_from(length).ok()?];
        self.pack.read_at(offset, &mut data).ok()?;
        Some(*blake3::hash(&data).as_bytes())
    }

    /// Makes everything kept so far durable, then the record of it.
    ///
    /// # Errors
    ///
    /// The error of storage. Nothing of the record is left then.
    pub fn commit(&mut self, record: &[u8], problems: Option<&[Trouble]>) -> Result<(), StoreError> {
        self.write()?;
        self.pack.flush()?;
        if let Some(problems) = problems {
            self.problems.overwrite(&encode_problems(problems))?;
        }
        self.journal.append(record)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.pack.write_at(self.written, &self.gathered)?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

/// Drops files beyond the end of the pack; they are fetched again. Returns the end of the others.
fn forget_what_is_cut(recovered: &mut Recovered, pack_len: u64) -> u64 {
    let place = |form| match form {
        Form::Packed(Place { offset, length }) => Some(offset.saturating_add(length)),
        Form::Own | Form::Fetched => None,
    };
    let ends: Vec<_> = recovered.stored().filter_map(|(file, stored)| Some((file, place(stored.form)?))).collect();
    let (there, cut): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(_, end)| *end <= pack_len);
    cut.into_iter().for_each(|(file, _)| recovered.forget(file));
    there.into_iter().map(|(_, end)| end).max().unwrap_or(0)
}

fn failed(error: StoreError) -> JsValue {
    JsError::new(&format!("the sandbox failed: {error:?}")).into()
}

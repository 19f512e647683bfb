//! The storage of a folder's transfer, held open by its worker alone. `pack` has the small files one behind the other.
//! The journal has the state of all files, and `problems` the failures in words.
//!
//! Small files are gathered and written in pieces, because the browser's storage costs by the piece. The journal never
//! claims data that is not durable.

use wasm_bindgen::prelude::*;
use wstp_client::store::{BlockFile, Journals};
use wstp_engine::folder::Place;
use wstp_engine::folder::journal::{Form, Recovered};
use wstp_messages::TransferId;
use wstp_protocol::Hash;

use crate::folder_layout::{JOURNAL, JOURNAL2, MAX_JOURNAL, PACK, PROBLEMS, Trouble, encode_problems, read_problems};
use crate::opfs::failed;
use crate::opfs::{File, Folder};
use crate::worker::store::unreadable;

/// Bytes written at once.
const PIECE: usize = 256 << 10;

/// The files. They are closed when this is dropped.
pub struct Pack<F = File> {
    pack: F,
    journals: Journals<F>,
    problems: F,
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
        let (pack, problems) = (folder.file(PACK).await?, folder.file(PROBLEMS).await?);
        let journals = [folder.file(JOURNAL).await?, folder.file(JOURNAL2).await?];
        let (journals, mut recovered) = Journals::open_of_folder(journals, MAX_JOURNAL).map_err(unreadable)?;
        let written = forget_what_is_cut(&mut recovered, pack.size().map_err(failed)?);
        pack.truncate(written).map_err(failed)?;
        let known = read_problems(&problems.read_all(MAX_JOURNAL).map_err(failed)?);
        Ok((Self { pack, journals, problems, written, gathered: Vec::new() }, recovered, known))
    }
}

impl<F: BlockFile> Pack<F> {
    /// Whether there is room for this many more bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.journals.has_room(bytes)
    }

    /// Keeps a file's bytes; they are durable from the next commit on.
    ///
    /// # Errors
    ///
    /// The error of storage.
    pub fn keep(&mut self, data: &[u8]) -> Result<Place, F::Error> {
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
    pub fn commit(&mut self, record: &[u8], problems: Option<&[Trouble]>) -> Result<(), F::Error> {
        self.write()?;
        self.pack.flush()?;
        if let Some(problems) = problems {
            self.problems.overwrite(&encode_problems(problems))?;
        }
        self.journals.append(record)
    }

    fn write(&mut self) -> Result<(), F::Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_client::store::testing::{MemoryFile, Power};
    use wstp_words::Phrase;

    const KEPT: usize = 5;

    /// An empty pack: its own file, the journal's, and the problems.
    fn empty(power: &Power) -> (Pack<MemoryFile>, [MemoryFile; 4]) {
        let files = [(); 4].map(|()| MemoryFile::on(power));
        let [pack, first, second, problems] = files.clone();
        let (journals, _) = Journals::open_of_folder([first, second], MAX_JOURNAL).unwrap();
        (Pack { pack, journals, problems, written: 0, gathered: Vec::new() }, files)
    }

    fn troubles(number: usize) -> Vec<Trouble> {
        let problem = wstp_messages::Problem { what: "It is gone.".into(), advice: Phrase::default() };
        vec![Trouble { path: "a".to_owned(), size: number as u64, problem, is_left_out: false }]
    }

    /// The power goes after each number of calls. The journal keeps what was not flushed, and the others lose it.
    #[test]
    fn a_record_never_speaks_of_files_or_problems_that_are_not_durable() {
        for calls in 1.. {
            let (mut pack, files) = empty(&Power::for_calls(calls));
            let mut answered = 0;
            let is_done = (1..=KEPT).all(|number| {
                let is_kept = pack.keep(&[number as u8; 100]).is_ok()
                    && pack.commit(&[number as u8], Some(&troubles(number))).is_ok();
                answered += usize::from(is_kept);
                is_kept
            });
            let [small, journal, _, problems] = &files;
            let recorded = journal.after_crash(true).len();
            assert!(small.after_crash(false).len() >= recorded * 100, "after {calls} calls");
            let told = read_problems(&problems.after_crash(false));
            let told = told.first().map_or(0, |trouble| trouble.size as usize);
            assert!(told >= recorded || !is_done && told == 0, "{told} of {recorded} after {calls} calls");
            assert!(journal.after_crash(false).len() >= answered, "what was answered is durable");
            if is_done {
                assert_eq!(answered, KEPT);
                return;
            }
        }
    }
}

//! The catalogue's journal in the sandbox: two files, of which the one with the higher generation counts.
//!
//! When the one in use grows long, everything is written as a snapshot into the other, which counts from the moment it is flushed. A crash at
//! any moment leaves at least one whole. Files of another version are not touched.

use wasm_bindgen::prelude::*;
use wstp_engine::StoreError;

use super::model::{Model, Record};
use super::record;
use super::recover::{Recovered, Unreadable, recover};
use crate::opfs::{File, Folder};

/// A journal may grow so far beyond its snapshot before it is written anew.
const SLACK: u64 = 1 << 20;
/// Longest journal that is read.
const MAX_LEN: u64 = 512 << 20;

/// The open journal.
pub struct Journal {
    files: [File; 2],
    current: usize,
    generation: u64,
    sequence: u64,
    len: u64,
    snapshot: u64,
}

/// Why a journal can't be opened.
pub enum OpenError {
    /// There is one, and it can't be read.
    Unreadable(Unreadable),
    /// Another catalogue has it open and does not end, or storage fails.
    Failed(JsValue),
}

impl From<JsValue> for OpenError {
    fn from(error: JsValue) -> Self {
        Self::Failed(error)
    }
}

impl Journal {
    /// Opens the journal, or begins one. `has_files` says whether there are files of any transfer.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; then it is as it was.
    pub async fn open(has_files: bool) -> Result<(Self, Option<Recovered>), OpenError> {
        let folder = Folder::open(&["catalogue"]).await?;
        let files = [folder.file("a").await?, folder.file("b").await?];
        let mut bytes = [Vec::new(), Vec::new()];
        for (bytes, file) in bytes.iter_mut().zip(&files) {
            *bytes = file.read_all(MAX_LEN).map_err(failed)?;
        }
        let found = recover([&bytes[0], &bytes[1]], has_files).map_err(OpenError::Unreadable)?;
        let Some((current, recovered)) = found else {
            let mut journal = Self { files, current: 1, generation: 0, sequence: 0, len: 0, snapshot: 0 };
            journal.compact(&Model::default()).map_err(failed)?;
            return Ok((journal, None));
        };
        let len = recovered.valid as u64;
        files[current].set_len(len).map_err(failed)?;
        let journal = Self {
            files,
            current,
            generation: recovered.generation,
            sequence: recovered.sequence,
            len,
            snapshot: recovered.snapshot as u64,
        };
        Ok((journal, Some(recovered)))
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    ///
    /// What storage says; then the journal is not to be used any more.
    pub fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let bytes = record::encode(self.sequence + 1, record);
        let file = &self.files[self.current];
        file.write_at(self.len, &bytes)?;
        file.flush()?;
        self.sequence += 1;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Whether it is time to [`Journal::compact`].
    pub fn is_long(&self) -> bool {
        self.len > 4 * self.snapshot + SLACK
    }

    /// Writes everything into the other file, and goes on there.
    ///
    /// # Errors
    ///
    /// What storage says; the file in use is untouched then.
    pub fn compact(&mut self, model: &Model) -> Result<(), StoreError> {
        let record = Record::Snapshot { generation: self.generation + 1, model: model.clone() };
        let bytes = record::begin(self.sequence + 1, &record);
        let other = 1 - self.current;
        let file = &self.files[other];
        file.set_len(0)?;
        file.write_at(0, &bytes)?;
        file.flush()?;
        self.current = other;
        self.generation += 1;
        self.sequence += 1;
        self.len = bytes.len() as u64;
        self.snapshot = self.len;
        Ok(())
    }
}

fn failed(error: StoreError) -> JsValue {
    JsError::new(&format!("the list of downloads can't be opened: {error:?}")).into()
}

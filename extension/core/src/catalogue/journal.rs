//! The catalogue's journal in the sandbox: two files, of which the one with the higher generation counts.
//!
//! When the one in use grows long, everything is written as a snapshot into the other, which counts from the moment it
//! is flushed. A crash at any moment leaves at least one whole.
//!
//! The files are in a folder. If they can't be read wholly, the folder is set aside as it is, and the next one is
//! begun: `catalogue`, `catalogue-2` and so on. The last one counts.

use wasm_bindgen::prelude::*;
use wstp_client::store::BlockFile;
use wstp_engine::StoreError;

use super::change::Record;
use super::model::Model;
use super::record::FORMAT;
use super::recover::{Recovered, Unreadable, Wholeness, recover};
use crate::opfs::{File, Folder, bytes};

/// A journal may grow so far beyond its snapshot before it is written anew.
const SLACK: u64 = 1 << 20;
/// Longest journal that is read.
const MAX_LEN: u64 = 512 << 20;
/// Name of the first journal's folder; the names of later ones also have a number.
const FOLDER: &str = "catalogue";

/// The open journal.
pub struct Journal {
    folder: String,
    files: [File; 2],
    current: usize,
    generation: u64,
    sequence: u64,
    len: u64,
    snapshot: u64,
}

/// The journal that is found in the sandbox.
pub struct Found {
    folder: String,
    /// The files, unless it can't be read or another one follows.
    files: Option<[File; 2]>,
    /// Which of the files counts, and what it says.
    recovered: Option<(usize, Recovered)>,
    /// Why it can't be read, or not wholly.
    reason: Option<Unreadable>,
}

impl Found {
    /// Looks for the journal. `has_files` says whether there are files of any transfer.
    ///
    /// # Errors
    ///
    /// When another catalogue has it open and does not end, or the browser gives no storage.
    pub async fn look(has_files: bool) -> Result<Self, JsValue> {
        let root = Folder::open(&[]).await?;
        let newest = root.names().await?.iter().filter_map(|name| number(name)).max();
        let folder = name(newest.unwrap_or(1));
        let unreadable = |reason| Self { folder: folder.clone(), files: None, recovered: None, reason: Some(reason) };
        if newest.is_some() && Folder::find(&[&folder]).await.is_err() {
            // Something else stands where it should be.
            return Ok(unreadable(Unreadable::Damaged));
        }
        let files = files(&folder).await?;
        let read = files[0].read_all(MAX_LEN).and_then(|a| Ok([a, files[1].read_all(MAX_LEN)?]));
        let Ok([a, b]) = read else { return Ok(unreadable(Unreadable::Damaged)) };
        Ok(match recover([&a, &b], has_files) {
            Ok(recovered) => {
                let is_damaged = |(_, found): &(usize, Recovered)| found.wholeness == Wholeness::Damaged;
                let reason = recovered.as_ref().is_some_and(is_damaged).then_some(Unreadable::Damaged);
                Self { folder, files: Some(files), recovered, reason }
            }
            Err(reason) => unreadable(reason),
        })
    }

    /// The lists that were set aside before and can be read now, with the names of their folders, oldest first. Another
    /// version wrote them, and the user went back to that version.
    pub async fn set_aside(&self) -> Vec<(String, Model)> {
        let mut lists = Vec::new();
        for folder in (1..number(&self.folder).unwrap_or(1)).map(name) {
            lists.extend(read_aside(&folder).await.map(|model| (folder, model)));
        }
        lists
    }

    /// The state recovered from the journal.
    pub fn recovered(&mut self) -> Option<&mut Recovered> {
        self.recovered.as_mut().map(|(_, recovered)| recovered)
    }

    /// Why it can't be read, or not wholly.
    pub fn reason(&self) -> Option<Unreadable> {
        self.reason
    }

    /// Goes on where it ends, or sets it aside and begins the next one with `model`.
    ///
    /// # Errors
    ///
    /// The error that storage returns.
    pub async fn go_on(self, model: &Model) -> Result<Journal, JsValue> {
        if self.reason.is_some() {
            return Journal::begin(after(&self.folder), model).await;
        }
        match (self.files, self.recovered) {
            (Some(files), Some((current, recovered))) => {
                let len = recovered.valid as u64;
                files[current].truncate(len).map_err(failed)?;
                let (generation, sequence) = (recovered.generation, recovered.sequence);
                let snapshot = recovered.snapshot as u64;
                Ok(Journal { folder: self.folder, files, current, generation, sequence, len, snapshot })
            }
            (files, _) => {
                drop(files);
                Journal::begin(self.folder, model).await
            }
        }
    }
}

impl Journal {
    async fn begin(folder: String, model: &Model) -> Result<Self, JsValue> {
        let files = files(&folder).await?;
        let mut journal = Self { folder, files, current: 1, generation: 0, sequence: 0, len: 0, snapshot: 0 };
        journal.compact(model).map_err(failed)?;
        Ok(journal)
    }

    /// Whether its files are still in the sandbox: somebody may have cleared it.
    ///
    /// # Errors
    ///
    /// The error that the browser returns.
    pub async fn is_there(folder: &str) -> Result<bool, JsValue> {
        Folder::has_file(&[folder], NAMES[0]).await
    }

    /// The folder after `folder`, and its files. Those of a folder that was removed can't be made again as long as they
    /// are open.
    ///
    /// # Errors
    ///
    /// The error that storage returns.
    pub async fn next(folder: &str) -> Result<(String, [File; 2]), JsValue> {
        let next = after(folder);
        let files = files(&next).await?;
        Ok((next, files))
    }

    /// Goes on in other files, with everything. The former ones were removed: Chromium never returns from closing such.
    ///
    /// # Errors
    ///
    /// The error that storage returns.
    pub fn move_to(&mut self, (folder, files): (String, [File; 2]), model: &Model) -> Result<(), StoreError> {
        self.folder = folder;
        std::mem::forget(std::mem::replace(&mut self.files, files));
        self.compact(model)
    }

    /// The folder it is in.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    ///
    /// An error of storage; then the journal is not to be used any more.
    pub fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let bytes = FORMAT.encode(self.sequence + 1, record);
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
    /// An error of storage; the file in use is untouched then.
    pub fn compact(&mut self, model: &Model) -> Result<(), StoreError> {
        let record = Record::Snapshot { generation: self.generation + 1, model: model.written() };
        let bytes = FORMAT.begin(self.sequence + 1, &record);
        let other = 1 - self.current;
        self.files[other].overwrite(&bytes)?;
        self.current = other;
        self.generation += 1;
        self.sequence += 1;
        self.len = bytes.len() as u64;
        self.snapshot = self.len;
        Ok(())
    }
}

const NAMES: [&str; 2] = ["a", "b"];

async fn read_aside(folder: &str) -> Option<Model> {
    let folder = Folder::find(&[folder]).await.ok()?;
    let read = async |name| bytes(&folder.snapshot(name).await?).await;
    let [a, b] = NAMES.map(read);
    let (a, b) = (a.await.unwrap_or_default(), b.await.unwrap_or_default());
    let (_, recovered) = recover([&a, &b], false).ok()??;
    (recovered.wholeness != Wholeness::Damaged).then_some(recovered.model)
}

async fn files(folder: &str) -> Result<[File; 2], JsValue> {
    let folder = Folder::open(&[folder]).await?;
    Ok([folder.file(NAMES[0]).await?, folder.file(NAMES[1]).await?])
}

fn after(folder: &str) -> String {
    name(number(folder).unwrap_or(1) + 1)
}

fn name(number: u32) -> String {
    if number == 1 { FOLDER.to_owned() } else { format!("{FOLDER}-{number}") }
}

fn number(name: &str) -> Option<u32> {
    match name.strip_prefix(FOLDER)? {
        "" => Some(1),
        rest => rest.strip_prefix('-')?.parse().ok().filter(|number| *number < u32::MAX),
    }
}

fn failed(error: StoreError) -> JsValue {
    JsError::new(&format!("the list of downloads can't be opened: {error:?}")).into()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn each_folder_that_is_set_aside_is_followed_by_another() {
        assert_eq!([1, 2, 30].map(name), ["catalogue", "catalogue-2", "catalogue-30"]);
        assert_eq!(
            ["catalogue", "catalogue-2", "transfers", "catalogue-x"].map(number),
            [Some(1), Some(2), None, None]
        );
    }
}

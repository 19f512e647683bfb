//! What a folder's transfer has in the sandbox, read from its journal: the committed state, whether its worker runs or not.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wstp_engine::RangeSet;
use wstp_engine::tree::journal::{Form, Recovered, Stored, replay};
use wstp_engine::tree::{FileId, FileState as Fetched, Place};
use wstp_messages::{FileState, FileView, Problem, Reply, SaveOutcome, SavePlace, SaveTask, TransferId, TransferKind};

use super::model::Item;
use super::view;
use crate::folder_layout::{JOURNAL, MAX_JOURNAL, PROBLEMS, Trouble, large, read_problems};
use crate::names::{SafePaths, safe_path};
use crate::opfs::{Folder, bytes};
use crate::words::problem;

/// Folders whose contents are remembered.
const SHELVES: usize = 4;
/// A journal that is being written can't be read; it is tried so often.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// What was read lately; cheap to copy.
#[derive(Clone, Default)]
pub struct Library(Rc<RefCell<Vec<Rc<Contents>>>>);

/// A folder's files.
pub struct Contents {
    transfer: TransferId,
    /// Bytes of journal and problems.
    read: (u64, u64),
    files: Recovered,
    stored: HashMap<FileId, Stored>,
    troubles: Vec<Trouble>,
    /// Where each file is saved, computed once.
    paths: OnceCell<SavedAs>,
    name: String,
}

struct SavedAs {
    root: String,
    files: Vec<String>,
}

impl Library {
    /// What a folder has now.
    ///
    /// # Errors
    ///
    /// In words, when it can't be read.
    pub async fn contents(&self, item: &Item) -> Result<Rc<Contents>, Problem> {
        let known = self.0.borrow().iter().find(|contents| contents.transfer == item.id).cloned();
        let read = Contents::read(item, known.as_deref()).await.map_err(|error| {
            web_sys::console::warn_1(&error);
            problem("The list of files can't be read now.", "Try again in a moment.")
        })?;
        let Some(contents) = read.map(Rc::new).or(known) else {
            return Err(problem("There is no list of files yet.", "Try again in a moment."));
        };
        let mut shelves = self.0.borrow_mut();
        shelves.retain(|other| other.transfer != item.id);
        shelves.insert(0, contents.clone());
        shelves.truncate(SHELVES);
        Ok(contents)
    }

    /// What a complete folder has, which does not change any more.
    async fn final_contents(&self, item: &Item) -> Result<Rc<Contents>, Problem> {
        let known = self.0.borrow().iter().find(|contents| contents.transfer == item.id).cloned();
        match known.filter(|known| known.files.is_complete()) {
            Some(known) => Ok(known),
            None => self.contents(item).await,
        }
    }

    /// How to save one file of a transfer.
    ///
    /// # Errors
    ///
    /// In words, when it is not there.
    pub async fn task(&self, item: &Item, file: u32) -> Result<SaveTask, Problem> {
        let (place, filename) = match item.kind {
            TransferKind::File => (SavePlace::Own(vec!["data".to_owned()]), safe_path(&item.path)),
            TransferKind::Folder => self.final_contents(item).await?.to_save(file).ok_or_else(|| {
                problem("One of the files is no longer in the browser.", "Remove this download, then get it again.")
            })?,
        };
        Ok(SaveTask { transfer: item.id.clone(), file, place, filename })
    }

    /// Of a folder's file that was saved, where the folder is.
    pub fn of_whole(&self, transfer: &TransferId, file: u32, outcome: SaveOutcome) -> SaveOutcome {
        let SaveOutcome::Saved { path } = &outcome else { return outcome };
        let shelves = self.0.borrow();
        let whole = shelves
            .iter()
            .find(|contents| contents.transfer == *transfer)
            .and_then(|contents| contents.saved_as().whole(file, path));
        whole.map_or_else(|| outcome.clone(), |path| SaveOutcome::Saved { path })
    }
}

impl Contents {
    /// `None` if nothing changed.
    async fn read(item: &Item, known: Option<&Self>) -> Result<Option<Self>, JsValue> {
        let folder = Folder::open(&["transfers", &item.id.0]).await?;
        let mut attempt = 0;
        loop {
            let read = Self::read_once(&folder, item, known).await;
            attempt += 1;
            if read.is_ok() || attempt >= ATTEMPTS {
                return read;
            }
            sleep(PAUSE).await;
        }
    }

    async fn read_once(folder: &Folder, item: &Item, known: Option<&Self>) -> Result<Option<Self>, JsValue> {
        let (journal, problems) = (folder.snapshot(JOURNAL).await?, folder.snapshot(PROBLEMS).await?);
        let read = (journal.size() as u64, problems.size() as u64);
        if read.0.max(read.1) > MAX_JOURNAL || known.is_some_and(|known| known.read == read) {
            return Ok(None);
        }
        let (files, _) = replay(&bytes(&journal).await?);
        let troubles = read_problems(&bytes(&problems).await?);
        let stored = files.stored().map(|(file, stored)| (file, *stored)).collect();
        let name = if item.path.is_empty() { view::name(item) } else { item.path.clone() };
        let (transfer, paths) = (item.id.clone(), OnceCell::new());
        Ok(Some(Self { transfer, read, files, stored, troubles, paths, name }))
    }

    /// The files that are complete.
    pub fn complete(&self) -> Vec<Range<u64>> {
        let mut complete = RangeSet::new();
        for file in self.stored.keys() {
            complete.insert(u64::from(file.0)..u64::from(file.0) + 1);
        }
        complete.iter().collect()
    }

    /// One page of the files, or of those that could not be had.
    pub fn page(&self, saved: &[Range<u64>], only_problems: bool, from: u64, limit: u32) -> Reply {
        let total = if only_problems { self.troubles.len() as u64 } else { self.files.files().into() };
        let wanted = from..from.saturating_add(limit.into()).min(total);
        let files = wanted.filter_map(|index| match only_problems {
            true => self.troubles.get(usize::try_from(index).ok()?).map(trouble),
            false => self.file(FileId(u32::try_from(index).ok()?), saved),
        });
        Reply::Files { files: files.collect(), total }
    }

    fn file(&self, id: FileId, saved: &[Range<u64>]) -> Option<FileView> {
        let file = self.files.file(id)?;
        let path = file.path.as_str().to_owned();
        let trouble =
            || self.troubles.iter().find(|trouble| trouble.path == path).map(|trouble| trouble.problem.clone());
        let (state, problem) = match file.state {
            Fetched::Done if saved.iter().any(|range| range.contains(&id.0.into())) => (FileState::Saved, None),
            Fetched::Done => (FileState::Complete, None),
            Fetched::Failed => (FileState::Failed, trouble()),
            Fetched::Waiting | Fetched::UnderWay => (FileState::Missing, None),
        };
        Some(FileView { size: file.size, state, problem, path })
    }

    fn to_save(&self, file: u32) -> Option<(SavePlace, String)> {
        let id = FileId(file);
        let place = match self.stored.get(&id)?.form {
            Form::Packed(Place { offset, length }) => SavePlace::Packed { offset, size: length },
            Form::Own | Form::Fetched => {
                let way = large(&self.transfer.0, id).into_iter().skip(2);
                SavePlace::Own(way.chain(["data".to_owned()]).collect())
            }
        };
        Some((place, self.saved_as().files.get(file as usize)?.clone()))
    }

    fn saved_as(&self) -> &SavedAs {
        self.paths.get_or_init(|| {
            let mut paths = SafePaths::new(&self.name);
            let path = |id| self.files.path(FileId(id)).unwrap_or_default();
            let files = (0..self.files.files()).map(|id| paths.file(path(id).as_str())).collect();
            SavedAs { root: paths.root().to_owned(), files }
        })
    }
}

impl SavedAs {
    /// Where the folder is on the disk, if this file of it is at `path`.
    fn whole(&self, file: u32, path: &str) -> Option<String> {
        let inner = self.files.get(file as usize)?.strip_prefix(&self.root)?;
        let depth = inner.matches('/').count();
        let ends = path.rmatch_indices(['/', '\\']).map(|(at, _)| at);
        Some(path[..ends.take(depth).last()?].to_owned())
    }
}

fn trouble(trouble: &Trouble) -> FileView {
    let Trouble { path, size, problem, .. } = trouble.clone();
    FileView { path, size, state: FileState::Failed, problem: Some(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_found_by_where_one_of_its_files_went() {
        let files = vec!["docs/photos/sub/a.jpg".to_owned(), "docs/photos/b.jpg".to_owned()];
        let saved = SavedAs { root: "docs/photos".to_owned(), files };
        assert_eq!(saved.whole(0, "/home/me/docs/photos/sub/a.jpg").as_deref(), Some("/home/me/docs/photos"));
        assert_eq!(
            saved.whole(1, "C:\\Users\\me\\docs\\photos\\b (1).jpg").as_deref(),
            Some("C:\\Users\\me\\docs\\photos")
        );
        assert_eq!(saved.whole(2, "/home/me/c"), None);
    }
}

//! The files of a folder's transfer in the sandbox, read from its journal: the committed state, whether its worker runs
//! or not.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use web_sys::File;
use wstp_engine::RangeSet;
use wstp_engine::folder::journal::{Form, Recovered, Stored, replay};
use wstp_engine::folder::{FileId, FileState as Fetched, Place};
use wstp_messages::{
    FileState, FileView, MAX_FILES, Problem, Reply, SaveOutcome, SavePlace, SaveTask, TransferId, TransferKind,
};
use wstp_words::phrase;

use super::item::Item;
use super::view::save_path;
use crate::folder_layout::{DATA, JOURNAL, JOURNAL2, MAX_JOURNAL, PROBLEMS, Trouble, large, read_problems};
use crate::names::SafePaths;
use crate::opfs::{Folder, bytes};
use crate::placed::last_name;
use crate::seal::Seal;
use crate::words::problem;

/// Folders whose contents are remembered.
const SHELVES: usize = 4;
/// Stands for a folder that the user picked.
const PICKED: &str = "folder";
/// A journal that is being written can't be read; it is tried so often.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// The listings that were read lately; cheap to copy.
#[derive(Clone, Default)]
pub struct Library(Rc<RefCell<Vec<Rc<Contents>>>>);

/// A folder's files.
pub struct Contents {
    transfer: TransferId,
    /// Bytes of the journal's files and of the problems.
    read: [u64; 3],
    /// As it stood then.
    seal: Option<Seal>,
    files: Recovered,
    stored: HashMap<FileId, Stored>,
    troubles: Vec<Trouble>,
    /// The path at which each file is saved, computed once.
    paths: RefCell<Option<Rc<SavedAs>>>,
}

struct SavedAs {
    /// The target folder for which the paths were computed.
    into: String,
    root: String,
    files: Vec<String>,
}

impl Library {
    /// The present files of a folder.
    ///
    /// # Errors
    ///
    /// In words, when it can't be read.
    pub async fn contents(&self, item: &Item) -> Result<Rc<Contents>, Problem> {
        let known = self.0.borrow().iter().find(|contents| contents.transfer == item.id).cloned();
        let read = Contents::read(item, known.as_deref()).await.map_err(|error| {
            web_sys::console::warn_1(&error);
            problem(phrase!(files_unreadable), phrase!(try_in_a_moment))
        })?;
        let Some(contents) = read.map(Rc::new).or(known) else {
            return Err(problem(phrase!(no_files_yet), phrase!(try_in_a_moment)));
        };
        let mut shelves = self.0.borrow_mut();
        shelves.retain(|other| other.transfer != item.id);
        shelves.insert(0, contents.clone());
        shelves.truncate(SHELVES);
        Ok(contents)
    }

    /// The files of a complete folder, which do not change any more.
    async fn final_contents(&self, item: &Item) -> Result<Rc<Contents>, Problem> {
        let known = self.0.borrow().iter().find(|contents| contents.transfer == item.id).cloned();
        match known.filter(|known| known.files.is_complete()) {
            Some(known) => Ok(known),
            None => self.contents(item).await,
        }
    }

    /// How to save one file of a transfer. The files of a folder go `into` a path relative to the downloads folder.
    ///
    /// # Errors
    ///
    /// The outcome of saving it, when it is not there or not sealed.
    pub async fn task(&self, item: &Item, file: u32, into: &str) -> Result<SaveTask, SaveOutcome> {
        if item.kind == TransferKind::Folder {
            let contents = self.final_contents(item).await.map_err(|problem| SaveOutcome::Failed { problem })?;
            return contents.to_save(file, into);
        }
        let seal = Seal::read(&item.id).await.ok_or(SaveOutcome::Stale)?;
        let stamp = seal.stamp(file, false).ok_or(SaveOutcome::Stale)?;
        let place = SavePlace::Own(vec![DATA.to_owned()]);
        Ok(SaveTask { transfer: item.id.clone(), file, place, stamp, filename: save_path(item) })
    }

    /// How to save the files of a complete transfer from one on: a page of them, and where the next begins. The paths
    /// are relative to the folder.
    ///
    /// # Errors
    ///
    /// The outcome of saving them, when one is not there or not sealed.
    pub async fn tasks(&self, item: &Item, from: u32) -> Result<(Vec<SaveTask>, Option<u32>), SaveOutcome> {
        if item.kind == TransferKind::File {
            let task = self.task(item, 0, "").await?;
            return Ok((vec![SaveTask { filename: last_name(&task.filename).to_owned(), ..task }], None));
        }
        // The first page reads the contents; the others take them as they were then.
        let contents = if from == 0 { self.contents(item).await } else { self.final_contents(item).await };
        let contents = contents.map_err(|problem| SaveOutcome::Failed { problem })?;
        let all = contents.complete().into_iter().flatten().filter_map(|file| u32::try_from(file).ok());
        let mut files = all.filter(|file| *file >= from);
        let tasks = files.by_ref().take(MAX_FILES as usize).map(|file| {
            let task = contents.to_save(file, PICKED)?;
            let inner = task.filename.strip_prefix(PICKED).and_then(|inner| inner.strip_prefix('/'));
            let filename = inner.unwrap_or(&task.filename).to_owned();
            Ok(SaveTask { filename, ..task })
        });
        Ok((tasks.collect::<Result<_, _>>()?, files.next()))
    }

    /// Replaces the path of a folder's saved file with the path of the folder itself; other outcomes stay as they are.
    /// The folder's files go `into` a path relative to the downloads folder.
    pub fn of_whole(&self, transfer: &TransferId, file: u32, outcome: SaveOutcome, into: &str) -> SaveOutcome {
        let SaveOutcome::Saved { path, placed } = &outcome else { return outcome };
        let shelves = self.0.borrow();
        let whole = shelves
            .iter()
            .find(|contents| contents.transfer == *transfer)
            .and_then(|contents| contents.saved_as(into).whole(file, path));
        whole.map_or_else(|| outcome.clone(), |path| SaveOutcome::Saved { path, placed: *placed })
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
        let (first, problems) = (folder.snapshot(JOURNAL).await?, folder.snapshot(PROBLEMS).await?);
        // A folder of an earlier build has none.
        let second = folder.snapshot(JOURNAL2).await.ok();
        let size = |file: &File| file.size() as u64;
        let read = [size(&first), second.as_ref().map_or(0, size), size(&problems)];
        let seal = Seal::read(&item.id).await;
        let is_known = known.is_some_and(|known| (known.read, &known.seal) == (read, &seal));
        if read.into_iter().any(|size| size > MAX_JOURNAL) || is_known {
            return Ok(None);
        }
        let second = match &second {
            Some(second) => bytes(second).await?,
            None => Vec::new(),
        };
        let (files, _) = replay([&bytes(&first).await?, &second]);
        let troubles = read_problems(&bytes(&problems).await?);
        let stored = files.stored().map(|(file, stored)| (file, *stored)).collect();
        let (transfer, paths) = (item.id.clone(), RefCell::default());
        Ok(Some(Self { transfer, read, seal, files, stored, troubles, paths }))
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

    fn to_save(&self, file: u32, into: &str) -> Result<SaveTask, SaveOutcome> {
        let id = FileId(file);
        let gone =
            || SaveOutcome::Failed { problem: problem(phrase!(file_left_browser), phrase!(remove_and_get_again)) };
        let (place, is_large) = match self.stored.get(&id).ok_or_else(gone)?.form {
            Form::Packed(Place { offset, length }) => (SavePlace::Packed { offset, size: length }, false),
            Form::Own | Form::Fetched => {
                let way = large(&self.transfer.0, id).into_iter().skip(2);
                (SavePlace::Own(way.chain([DATA.to_owned()]).collect()), true)
            }
        };
        let stamp = self.seal.as_ref().and_then(|seal| seal.stamp(file, is_large)).ok_or(SaveOutcome::Stale)?;
        let filename = self.saved_as(into).files.get(file as usize).ok_or_else(gone)?.clone();
        Ok(SaveTask { transfer: self.transfer.clone(), file, place, stamp, filename })
    }

    fn saved_as(&self, into: &str) -> Rc<SavedAs> {
        let known = self.paths.borrow().clone().filter(|paths| paths.into == into);
        known.unwrap_or_else(|| {
            let mut paths = SafePaths::new(into);
            let path = |id| self.files.path(FileId(id)).unwrap_or_default();
            let files = (0..self.files.files()).map(|id| paths.file(path(id).as_str())).collect();
            let saved_as = Rc::new(SavedAs { into: into.to_owned(), root: paths.root().to_owned(), files });
            self.paths.replace(Some(saved_as.clone()));
            saved_as
        })
    }
}

impl SavedAs {
    /// The folder's path on the disk, if this file of it is at `path`.
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
        let saved = SavedAs { into: "docs/photos".to_owned(), root: "docs/photos".to_owned(), files };
        assert_eq!(saved.whole(0, "/home/me/docs/photos/sub/a.jpg").as_deref(), Some("/home/me/docs/photos"));
        assert_eq!(
            saved.whole(1, "C:\\Users\\me\\docs\\photos\\b (1).jpg").as_deref(),
            Some("C:\\Users\\me\\docs\\photos")
        );
        assert_eq!(saved.whole(2, "/home/me/c"), None);
    }
}

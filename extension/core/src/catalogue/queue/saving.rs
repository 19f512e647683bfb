//! A complete transfer's way to the user's disk. Chrome copies file by file; the queue says which, and remembers how
//! far that came.

use std::ops::Range;

use wstp_messages::{CommandId, Inner, Placed, Problem, SaveOutcome, TransferId, TransferKind};
use wstp_words::{Arg, phrase};

use super::super::change::Change;
use super::super::item::{Item, Place, Save};
use super::super::view::save_path;
use super::pending_save::{PendingSave, Unwritten};
use super::{Effect, Queue, gone};
use crate::names::numbered_path;
use crate::placed::{is_inside, last_name};
use crate::words::{cancelled_problem, misplaced_problem, problem};

/// Names tried for a folder when others of its name are in the list.
const MAX_NAMES: u64 = 1000;

impl Queue {
    /// Something came of saving one file of a transfer.
    pub fn handle_saving(&mut self, id: &TransferId, file: u32, outcome: SaveOutcome) {
        // One that is done stays, and waits for nothing.
        let Some(pending) = self.pending_saves.get_mut(id).filter(|pending| !pending.is_done()) else { return };
        if pending.handle(file, outcome) {
            self.say(Inner::StopSaving(id.clone()));
        }
        self.go_on_saving(id);
    }

    /// Fails a save that ended under another name, or in another folder, than it should: another program may have done
    /// that. The user may not look for the file there. `None` for a file of an earlier save of the folder, to another
    /// place.
    pub fn judge(&self, id: &TransferId, file: u32, outcome: SaveOutcome) -> Option<SaveOutcome> {
        let (Some(item), Some(pending)) = (self.model.item(id), self.pending_saves.get(id)) else {
            return Some(outcome);
        };
        let is_folder = item.kind == TransferKind::Folder;
        let is_here = |path: &str| !is_folder || self.model.saved_into(id).is_none_or(|place| is_inside(place, path));
        let (path, placed) = match &outcome {
            SaveOutcome::Saved { path, placed } => (path, placed),
            _ => return Some(outcome),
        };
        let belongs = match placed {
            Placed::AsAsked | Placed::Numbered if !is_here(path) => return None,
            Placed::AsAsked => true,
            // A folder's own place was free. A browser that was killed may have saved the file there already, whole or
            // in part.
            Placed::Numbered => !is_folder || pending.is_resumed(),
            // The user chose where.
            Placed::Elsewhere => {
                !is_folder && pending.was_nameless(file) && last_name(path) == last_name(&save_path(item))
            }
        };
        let misplaced = || SaveOutcome::Failed { problem: misplaced_problem(path, is_folder) };
        Some(if belongs { outcome } else { misplaced() })
    }

    /// Writes down which files were saved. Soon, so that after a kill little has to be saved again.
    pub fn write_saved(&mut self) {
        let saved =
            self.pending_saves.iter_mut().filter_map(|(id, pending)| Some((id.clone(), pending.take_all_unwritten()?)));
        for (id, files) in saved.collect::<Vec<_>>() {
            self.write_files_saved(id, files);
        }
    }

    fn write_files_saved(&mut self, id: TransferId, Unwritten { saved, beside }: Unwritten) {
        if self.model.item(&id).is_some_and(|item| item.kind == TransferKind::Folder) {
            if !beside.is_empty() {
                self.write(None, Change::SavedBeside(id.clone(), beside));
            }
            self.write(None, Change::FilesSaved(id, saved));
        }
    }

    /// Chrome has no download of this number any more. It keeps ended ones until somebody takes them from its list. It
    /// loses one if the user did not want to keep the file.
    pub fn handle_forgotten(&mut self, download: i32) {
        let found = self.pending_saves.iter().find_map(|(id, pending)| Some((id.clone(), pending.find(download)?)));
        if let Some((id, file)) = found {
            self.handle_saving(&id, file, SaveOutcome::Failed { problem: cancelled_problem() });
        }
    }

    /// Chrome has told all it knows of a save that was under way when everything stopped.
    pub fn handle_asked(&mut self, id: &TransferId) {
        if !self.pending_saves.get_mut(id).is_some_and(PendingSave::told) {
            return;
        }
        if self.model.item(id).is_some_and(Item::is_saving) { self.begin_saving(id) } else { self.go_on_saving(id) }
    }

    /// These files of a folder are complete, if that could be read.
    pub fn handle_contents(&mut self, id: &TransferId, contents: Result<Vec<Range<u64>>, Problem>) {
        let Some(item) = self.model.item(id).filter(|item| item.is_saving()) else { return };
        match contents {
            Ok(files) => {
                self.pending_saves.entry(id.clone()).or_default().want(files, &item.saved);
                self.go_on_saving(id);
            }
            Err(problem) => self.save_failed(id, problem),
        }
    }

    /// Chrome would save a folder under this name, or can't.
    pub fn handle_folder_tried(&mut self, id: &TransferId, folder: Result<String, Problem>) {
        let is_open = self.model.saved_into(id).is_none();
        if !is_open || !self.model.item(id).is_some_and(Item::is_saving) {
            return;
        }
        match folder {
            // It is not on the disk yet, but will be.
            Ok(folder) if self.model.is_taken(&folder, id) => self.try_folder(id, &folder),
            Ok(folder) => {
                self.write(None, Change::SavedInto(id.clone(), Place::Downloads(folder)));
                // Nothing is there yet.
                self.pending_saves.insert(id.clone(), PendingSave::default());
                self.effects.push_back(Effect::ReadContents(id.clone()));
            }
            Err(problem) => self.save_failed(id, problem),
        }
    }

    /// Looks for a name of its own for a folder, so that its files are not mixed with others.
    fn try_folder(&mut self, id: &TransferId, wanted: &str) {
        let numbered = (1..MAX_NAMES).map(|number| numbered_path(wanted, number));
        match std::iter::once(wanted.to_owned()).chain(numbered).find(|path| !self.model.is_taken(path, id)) {
            Some(folder) => self.say(Inner::TryFolder { transfer: id.clone(), folder }),
            None => self.save_failed(id, problem(phrase!(too_many_of_name), phrase!(too_many_of_name_advice))),
        }
    }

    /// A page saves a transfer into a folder that the user picked.
    pub(super) fn save_into(&mut self, command: &CommandId, id: &TransferId, name: String) -> Result<(), Problem> {
        self.can_be_saved_into_folder(id)?;
        // The page compares again what an earlier one wrote there.
        self.write(None, Change::Unsaved(id.clone()));
        self.write(None, Change::SavedInto(id.clone(), Place::Picked(name)));
        self.write(Some(command), Change::Save(id.clone(), Save::Going));
        self.missing.remove(id);
        self.changed.insert(id.clone());
        Ok(())
    }

    /// That page has written these files, and gave some of them another name.
    pub(super) fn wrote(
        &mut self,
        command: &CommandId,
        id: &TransferId,
        files: &[u32],
        beside: &[u32],
    ) -> Result<(), Problem> {
        let is_folder = self.being_written(id)?.kind == TransferKind::Folder;
        if is_folder {
            let ranges = |files: &[u32]| files.iter().map(|file| u64::from(*file)..u64::from(*file) + 1).collect();
            if !beside.is_empty() {
                self.write(None, Change::SavedBeside(id.clone(), ranges(beside)));
            }
            self.write(Some(command), Change::FilesSaved(id.clone(), ranges(files)));
            self.changed.insert(id.clone());
        }
        Ok(())
    }

    /// That page is done.
    pub(super) fn wrote_all(&mut self, id: &TransferId, result: Result<String, Problem>) -> Result<(), Problem> {
        self.being_written(id)?;
        match result {
            Ok(path) => self.saved(id, &path),
            Err(problem) => self.save_failed(id, problem),
        }
        self.changed.insert(id.clone());
        Ok(())
    }

    /// A transfer that a page may go on to write.
    fn being_written(&self, id: &TransferId) -> Result<&Item, Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        let is_it = item.is_saving() && self.model.picked(id).is_some();
        if is_it { Ok(item) } else { Err(problem(phrase!(saving_stopped), phrase!(save_to_go_on))) }
    }

    /// Fails unless a page may begin to save it into a folder.
    pub(super) fn can_be_saved_into_folder(&self, id: &TransferId) -> Result<(), Problem> {
        if self.can_be_saved(id)?.is_saving() {
            return Err(problem(phrase!(saved_already), phrase!(saved_already_advice)));
        }
        Ok(())
    }

    fn can_be_saved(&self, id: &TransferId) -> Result<&Item, Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if !item.is_complete() {
            return Err(problem(phrase!(not_complete), phrase!(not_complete_advice)));
        }
        if !item.in_sandbox {
            return Err(problem(phrase!(saved_and_freed), phrase!(download_it_again)));
        }
        Ok(item)
    }

    pub(super) fn save(&mut self, command: Option<&CommandId>, id: &TransferId) -> Result<(), Problem> {
        let item = self.can_be_saved(id)?;
        if item.is_saving() {
            return Ok(());
        }
        let is_again = matches!(item.save, Save::Saved(_)) || self.model.picked(id).is_some();
        if command.is_some() {
            self.rechecked.remove(id);
        }
        if is_again {
            // A user who saves it again, or to another place, wants all of it.
            self.write(None, Change::Unsaved(id.clone()));
            self.pending_saves.remove(id);
        }
        self.write(command, Change::Save(id.clone(), Save::Going));
        self.missing.remove(id);
        self.changed.insert(id.clone());
        self.begin_saving(id);
        Ok(())
    }

    /// Chrome ends the downloads of a folder that it has begun. The folder's next saving continues from there. A single
    /// file is given up.
    pub(super) fn stop_saving(&mut self, command: &CommandId, id: &TransferId) {
        let Some(item) = self.model.item(id).filter(|item| item.is_saving()) else { return };
        let is_file = item.kind == TransferKind::File;
        self.write(Some(command), Change::Save(id.clone(), Save::No(None)));
        if is_file {
            self.say(Inner::StopSaving(id.clone()));
        }
        if let Some(pending) = self.pending_saves.get_mut(id) {
            pending.stop();
            if is_file {
                pending.cancel();
            }
            self.go_on_saving(id);
        }
        self.changed.insert(id.clone());
    }

    /// Saves that were under way when everything stopped: Chrome knows what came of them, as far as it had begun.
    pub(super) fn take_up_saves(&mut self) {
        let saving: Vec<_> = self.model.items().filter(|item| item.is_saving()).map(|item| item.id.clone()).collect();
        for id in saving {
            if self.model.picked(&id).is_some() {
                let problem = problem(phrase!(saving_page_closed), phrase!(saving_page_closed_advice));
                self.write(None, Change::Save(id, Save::No(Some(problem))));
                continue;
            }
            self.ask(id);
        }
    }

    /// Asks Chrome what an earlier browser saved.
    fn ask(&mut self, id: TransferId) {
        self.pending_saves.insert(id.clone(), PendingSave::asking());
        self.say(Inner::Ask(id));
    }

    pub(super) fn begin_saving(&mut self, id: &TransferId) {
        let Some(item) = self.model.item(id) else { return };
        match item.kind {
            TransferKind::File => self.handle_contents(id, Ok(vec![0..1])),
            TransferKind::Folder if self.model.saved_into(id).is_some() => {
                if self.pending_saves.contains_key(id) {
                    self.effects.push_back(Effect::ReadContents(id.clone()));
                } else {
                    self.ask(id.clone());
                }
            }
            // An older build began and made sure of no name.
            TransferKind::Folder if !item.saved.is_empty() => {
                self.handle_folder_tried(id, Ok(save_path(item)));
            }
            TransferKind::Folder => self.try_folder(id, &save_path(item)),
        }
    }

    fn go_on_saving(&mut self, id: &TransferId) {
        let is_verified = self.is_verified(id);
        let Some(pending) = self.pending_saves.get_mut(id) else { return };
        while let Some(file) = pending.begin() {
            if is_verified {
                self.effects.push_back(Effect::Save(id.clone(), file));
            } else {
                pending.stale(file);
            }
        }
        let unwritten = pending.take_unwritten();
        let failed = pending.failures().map(|(count, reason)| (count, reason.clone()));
        let ended = pending.is_done().then(|| (failed, pending.path().map(str::to_owned), pending.is_stale()));
        if let Some(files) = unwritten {
            self.write_files_saved(id.clone(), files);
        }
        self.changed.insert(id.clone());
        let Some(ended) = ended else { return };
        let is_folder = self.model.item(id).is_some_and(|item| item.kind == TransferKind::Folder);
        if !is_folder {
            // A folder's is kept: it knows whether an earlier browser saved there.
            self.pending_saves.remove(id);
        }
        let is_saving = self.model.item(id).is_some_and(Item::is_saving);
        match ended {
            (_, _, true) if is_saving => self.recheck(id),
            (Some((count, reason)), _, _) if is_saving => self.save_failed(id, self.all_failures(id, count, &reason)),
            (None, path, _) if is_saving => self.saved(id, &path.unwrap_or_default()),
            // Chrome was done before it could be stopped.
            (None, Some(path), _) if !is_folder => self.saved(id, &path),
            _ => {}
        }
        self.schedule();
    }

    fn saved(&mut self, id: &TransferId, path: &str) {
        self.write(None, Change::Save(id.clone(), Save::Saved(path.to_owned())));
        self.note_save(id, path);
        let is_all = self.model.item(id).is_some_and(|item| !item.lacks_files()) && self.model.beside(id) == 0;
        if is_all && self.model.settings().free_after_save {
            self.write(None, Change::Freed(id.clone()));
            self.effects.push_back(Effect::Delete(id.clone()));
        }
    }

    pub(super) fn save_failed(&mut self, id: &TransferId, problem: Problem) {
        self.write(None, Change::Save(id.clone(), Save::No(Some(problem))));
        self.changed.insert(id.clone());
        self.tell(phrase!(download_not_saved), id);
    }

    fn all_failures(&self, id: &TransferId, count: u64, last: &Problem) -> Problem {
        match self.model.item(id).map(|item| item.kind) {
            Some(TransferKind::Folder) => {
                problem(phrase!(files_not_saved, Arg::Count(count)).and(&last.what), &last.advice)
            }
            _ => last.clone(),
        }
    }
}

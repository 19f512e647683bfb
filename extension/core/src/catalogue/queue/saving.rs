//! A complete transfer's way to the user's disk. Chrome copies file by file; the queue says which, and remembers how far that came.

use std::ops::Range;

use wstp_messages::{CommandId, Inner, Problem, SaveOutcome, TransferId, TransferKind};

use super::super::model::{Change, Item, Save};
use super::saver::Saver;
use super::{Effect, Queue, gone};
use crate::words::{cancelled_problem, problem};

impl Queue {
    /// Something came of saving one file of a transfer.
    pub fn handle_saving(&mut self, id: &TransferId, file: u32, outcome: SaveOutcome) {
        let Some(saver) = self.savers.get_mut(id) else { return };
        if saver.handle(file, outcome) {
            self.say(Inner::StopSaving(id.clone()));
        }
        self.go_on_saving(id);
    }

    /// Chrome forgot a download. It keeps those that ended, but for one of which the user did not want to keep the file.
    pub fn handle_forgotten(&mut self, download: i32) {
        let found = self.savers.iter().find_map(|(id, saver)| Some((id.clone(), saver.find_held(download)?)));
        if let Some((id, file)) = found {
            self.handle_saving(&id, file, SaveOutcome::Failed { problem: cancelled_problem() });
        }
    }

    /// Chrome has told all it knows of a save that was under way when everything stopped.
    pub fn handle_asked(&mut self, id: &TransferId) {
        if !self.savers.get_mut(id).is_some_and(Saver::told) {
            return;
        }
        if self.model.item(id).is_some_and(Item::is_saving) { self.begin_saving(id) } else { self.go_on_saving(id) }
    }

    /// These files of a folder are complete, if that could be read.
    pub fn handle_contents(&mut self, id: &TransferId, contents: Result<Vec<Range<u64>>, Problem>) {
        let Some(item) = self.model.item(id).filter(|item| item.is_saving()) else { return };
        match contents {
            Ok(files) => {
                self.savers.entry(id.clone()).or_default().want(files, &item.saved);
                self.go_on_saving(id);
            }
            Err(problem) => self.save_failed(id, problem),
        }
    }

    pub(super) fn save(&mut self, command: Option<&CommandId>, id: &TransferId) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_saving() {
            return Ok(());
        }
        if !item.is_complete() {
            return Err(problem("This is not complete yet.", "Wait until it is, then save it."));
        }
        if !item.in_sandbox {
            return Err(problem("This was saved and its copy was freed.", "Download it again."));
        }
        if matches!(item.save, Save::Saved(_)) {
            // Whoever saves what is saved wants all of it once more.
            self.write(None, Change::Unsaved(id.clone()));
        }
        self.write(command, Change::Save(id.clone(), Save::Going));
        self.changed.insert(id.clone());
        self.begin_saving(id);
        Ok(())
    }

    /// What Chrome has begun of a folder it ends, and when the folder is saved again, that goes on where it was. A file alone it gives up.
    pub(super) fn stop_saving(&mut self, command: &CommandId, id: &TransferId) {
        let Some(item) = self.model.item(id).filter(|item| item.is_saving()) else { return };
        let is_file = item.kind == TransferKind::File;
        self.write(Some(command), Change::Save(id.clone(), Save::No(None)));
        if is_file {
            self.say(Inner::StopSaving(id.clone()));
        }
        if let Some(saver) = self.savers.get_mut(id) {
            saver.stop();
            if is_file {
                saver.cancel();
            }
            self.go_on_saving(id);
        }
        self.changed.insert(id.clone());
    }

    /// Saves that were under way when everything stopped: Chrome knows what came of them, as far as it had begun.
    pub(super) fn take_up_saves(&mut self) {
        let saving: Vec<_> = self.model.items().filter(|item| item.is_saving()).map(|item| item.id.clone()).collect();
        for id in saving {
            self.savers.insert(id.clone(), Saver::asking());
            self.say(Inner::Ask(id));
        }
    }

    fn begin_saving(&mut self, id: &TransferId) {
        match self.model.item(id).map(|item| item.kind) {
            Some(TransferKind::File) => self.handle_contents(id, Ok(vec![0..1])),
            Some(TransferKind::Folder) => self.effects.push_back(Effect::ReadContents(id.clone())),
            None => {}
        }
    }

    fn go_on_saving(&mut self, id: &TransferId) {
        let Some(saver) = self.savers.get_mut(id) else { return };
        while let Some(file) = saver.begin() {
            self.effects.push_back(Effect::Save(id.clone(), file));
        }
        let unwritten = saver.take_unwritten();
        let ended = if saver.is_done() { self.savers.remove(id) } else { None };
        let is_folder = self.model.item(id).is_some_and(|item| item.kind == TransferKind::Folder);
        if let Some(files) = unwritten.filter(|_| is_folder) {
            self.write(None, Change::FilesSaved(id.clone(), files));
        }
        self.changed.insert(id.clone());
        let Some(saver) = ended else { return };
        let is_saving = self.model.item(id).is_some_and(Item::is_saving);
        match (saver.failures(), saver.path()) {
            (Some((count, reason)), _) if is_saving => self.save_failed(id, self.all_failures(id, count, reason)),
            (None, path) if is_saving => self.saved(id, path.unwrap_or_default()),
            // Chrome was done before it could be stopped.
            (None, Some(path)) if !is_folder => self.saved(id, path),
            _ => {}
        }
        self.schedule();
    }

    fn saved(&mut self, id: &TransferId, path: &str) {
        self.write(None, Change::Save(id.clone(), Save::Saved(path.to_owned())));
        let is_all = self.model.item(id).is_some_and(|item| !item.lacks_files());
        if is_all && self.model.settings().free_after_save {
            self.write(None, Change::Freed(id.clone()));
            self.effects.push_back(Effect::Delete(id.clone()));
        }
    }

    fn save_failed(&mut self, id: &TransferId, problem: Problem) {
        self.savers.remove(id);
        self.write(None, Change::Save(id.clone(), Save::No(Some(problem))));
        self.changed.insert(id.clone());
        self.tell("A download could not be saved", id);
    }

    fn all_failures(&self, id: &TransferId, count: u64, last: &Problem) -> Problem {
        match self.model.item(id).map(|item| item.kind) {
            Some(TransferKind::Folder) => {
                let files = if count == 1 { "One file".to_owned() } else { format!("{count} files") };
                problem(format!("{files} could not be saved. {}", last.what), last.advice.clone())
            }
            _ => last.clone(),
        }
    }
}

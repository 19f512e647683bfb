//! A complete transfer's way to the user's disk. Chrome copies it; the queue asks, and remembers how far that came.

use wstp_messages::{CommandId, Inner, Problem, SaveOutcome, TransferId};

use super::super::model::{Change, Item, Save};
use super::{Effect, Queue, gone};
use crate::names;
use crate::words::problem;

impl Queue {
    /// Something came of a save.
    pub fn handle_saving(&mut self, transfer: Option<TransferId>, download: Option<i32>, outcome: SaveOutcome) {
        let begun = |item: &&Item| download.is_some_and(|download| item.save == Save::Begun(download));
        let Some(id) = transfer.or_else(|| self.model.items().find(begun).map(|item| item.id.clone())) else { return };
        if !self.model.item(&id).is_some_and(Item::is_saving) {
            return;
        }
        match (outcome, download) {
            (SaveOutcome::Begun, Some(download)) => self.write(None, Change::Save(id.clone(), Save::Begun(download))),
            (SaveOutcome::Begun, None) => {}
            (SaveOutcome::Failed { problem }, _) => {
                self.write(None, Change::Save(id.clone(), Save::No(Some(problem))));
                self.tell("A file could not be saved", &id);
            }
            (SaveOutcome::Saved { path }, _) => {
                self.write(None, Change::Save(id.clone(), Save::Saved(path)));
                if self.model.settings().free_after_save {
                    self.write(None, Change::Freed(id.clone()));
                    self.effects.push_back(Effect::Delete(id.clone()));
                }
            }
        }
        self.changed.insert(id);
        self.schedule();
    }

    pub(super) fn save(&mut self, command: Option<&CommandId>, id: &TransferId) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_saving() {
            return Ok(());
        }
        if !item.is_complete() {
            return Err(problem("This file is not complete yet.", "Wait until it is, then save it."));
        }
        if !item.in_sandbox {
            return Err(problem("This file was saved and its copy was freed.", "Download it again."));
        }
        let filename = names::safe_path(&item.path);
        self.write(command, Change::Save(id.clone(), Save::Asked));
        self.changed.insert(id.clone());
        self.say(Inner::Save { transfer: id.clone(), filename });
        Ok(())
    }

    /// A save that was under way when everything stopped: Chrome knows what came of it, if it had begun.
    pub(super) fn take_up_saves(&mut self) {
        let saving: Vec<_> = self.model.items().filter(|item| item.is_saving()).cloned().collect();
        for Item { id, save, .. } in saving {
            match save {
                Save::Begun(download) => self.say(Inner::AskSave { transfer: id, download }),
                _ => self.write(None, Change::Save(id, Save::No(None))),
            }
        }
    }
}

//! The history of what was saved.

use wstp_messages::{CommandId, PastSave, TransferId, TransferKind};

use super::super::change::Change;
use super::super::model::MAX_HISTORY;
use super::super::view;
use super::Queue;

impl Queue {
    /// It is this time, in milliseconds since 1970-01-01 UTC.
    pub fn handle_clock(&mut self, now_ms: f64) {
        self.now_ms = now_ms;
    }

    /// A transfer was saved under this path.
    pub(super) fn note_save(&mut self, id: &TransferId, path: &str) {
        let Some(item) = self.model.item(id).filter(|_| !self.model.settings().without_history) else { return };
        let save = PastSave {
            name: view::name(item),
            server: if item.has_origin() { view::label(&item.server) } else { String::new() },
            path: path.to_owned(),
            size: item.size,
            is_folder: item.kind == TransferKind::Folder,
            saved_ms: self.now_ms,
        };
        self.write(None, Change::Past(vec![save]));
        self.news.history = true;
    }

    pub(super) fn forget_history(&mut self, command: &CommandId) {
        self.write(Some(command), Change::PastForgotten);
        self.news.history = true;
    }

    pub(super) fn remember_history(&mut self, command: &CommandId, mut saves: Vec<PastSave>) {
        saves.truncate(MAX_HISTORY);
        self.write(Some(command), Change::Past(saves));
        self.news.history = true;
    }
}

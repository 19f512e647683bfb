//! Adding a file or a folder to the list, once.

use wstp_messages::{CommandId, Problem, Reply, TransferId, TransferKind};
use wstp_protocol::SharePath;
use wstp_words::phrase;

use super::super::address;
use super::super::change::Change;
use super::super::item::{Goal, Item};
use super::super::model::MAX_TRANSFERS;
use super::{Effect, Queue, gone};
use crate::words::problem;

impl Queue {
    pub(super) fn download(
        &mut self,
        command: &CommandId,
        address: &str,
        path: String,
        (size, modified_ms): (u64, Option<i64>),
        now_ms: f64,
    ) -> Result<Reply, Problem> {
        let server = address::parse(address)?.to_string();
        if !SharePath::parse(path.as_str()).is_ok_and(|path| !path.is_root()) {
            return Err(no_path());
        }
        let new = Item::new(TransferId(command.0.clone()), server, path, size, now_ms);
        self.add(command, Item { modified_ms, ..new })
    }

    pub(super) fn download_folder(
        &mut self,
        command: &CommandId,
        address: &str,
        path: String,
        now_ms: f64,
    ) -> Result<Reply, Problem> {
        let server = address::parse(address)?.to_string();
        if SharePath::parse(path.as_str()).is_err() {
            return Err(no_path());
        }
        self.add(command, Item::folder(TransferId(command.0.clone()), server, path, now_ms))
    }

    /// Adds a transfer. If one already fetches or has the same, that one continues instead.
    fn add(&mut self, command: &CommandId, new: Item) -> Result<Reply, Problem> {
        if !is_id(&new.id.0) {
            return Err(no_path());
        }
        if let Some(notice) = self.model.notice().filter(|notice| notice.is_lasting) {
            return Err(notice.problem.clone());
        }
        let is_same = |item: &&Item| {
            (&item.server, item.kind, &item.path) == (&new.server, new.kind, &new.path) && item.in_sandbox
        };
        let newest = |a: &&Item, b: &&Item| a.added_ms.total_cmp(&b.added_ms);
        // Clocks step back: an update may look older than its predecessor.
        let is_latest = |item: &&Item| !self.model.items().any(|other| other.base.as_ref() == Some(&item.id));
        let existing = self.model.items().filter(is_same).filter(is_latest).max_by(newest);
        if let Some(id) = existing.filter(|item| is_current(item, &new)).map(|item| item.id.clone()) {
            self.want(command, &id, Goal::Run)?;
            return Ok(Reply::Transfer { transfer: id, existing: true });
        }
        let base = existing.map(|item| item.id.clone());
        if self.model.transfers() >= MAX_TRANSFERS {
            return Err(problem(phrase!(list_full), phrase!(list_full_advice)));
        }
        let new = base.into_iter().fold(new, Item::update);
        let id = new.id.clone();
        self.write(Some(command), Change::Added(Box::new(new.clone())));
        self.effects.push_back(Effect::Describe(Box::new(new)));
        self.unmeasured.insert(id.clone());
        self.effects.push_back(Effect::MeasureRoom);
        self.changed.insert(id.clone());
        Ok(Reply::Transfer { transfer: id, existing: false })
    }

    /// Whether the files of a transfer can be listed.
    pub(super) fn folder_to_list(&self, id: &TransferId) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.kind != TransferKind::Folder {
            return Err(problem(phrase!(not_a_folder), ""));
        }
        if !item.in_sandbox {
            return Err(problem(phrase!(files_deleted), ""));
        }
        Ok(())
    }
}

/// Whether a transfer's file is, as far as listings say, the requested one.
fn is_current(item: &Item, new: &Item) -> bool {
    let same_time = item.modified_ms.is_none() || new.modified_ms.is_none() || item.modified_ms == new.modified_ms;
    !item.is_complete() || item.kind == TransferKind::Folder || (item.size == new.size && same_time)
}

/// Whether a text is 16 bytes in lower-case hexadecimal, fit to name a folder.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn no_path() -> Problem {
    problem(phrase!(not_downloadable), phrase!(not_downloadable_advice))
}

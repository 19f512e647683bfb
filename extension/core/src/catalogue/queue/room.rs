//! Whether there is room for a transfer before it begins.
//!
//! A transfer needs room for the rest of its data, and for all of it once more while it is saved. (The downloads folder
//! is on the same disk unless the user moved it.) Room that earlier transfers still need is reserved for them. A
//! transfer that does not fit keeps no other from beginning. It begins by itself when there is room, or when the user
//! insists.

use std::collections::HashMap;

use wstp_engine::LARGEST_FILE;
use wstp_messages::{CommandId, Problem, RoomView, TransferId, TransferKind};

use super::super::change::Change;
use super::super::item::Item;
use super::{Effect, Queue, gone};

impl Queue {
    /// This many bytes are free on the disk; `u64::MAX` if unknown.
    pub fn handle_room(&mut self, free: u64) {
        self.room = Some(free);
        self.unmeasured.clear();
        self.schedule();
    }

    /// Whether the free room should be measured regularly.
    pub fn watches_room(&self) -> bool {
        !self.lacking.is_empty() || self.workers.keys().any(|id| !self.model.has_begun(id))
    }

    /// Requests a new measurement of free room: it is not known yet how much an ended transfer has taken.
    /// The transfers that lack room wait for the result.
    pub(super) fn measure_again(&mut self) {
        if !self.lacking.is_empty() {
            self.unmeasured.extend(self.lacking.keys().cloned());
            self.effects.push_back(Effect::MeasureRoom);
        }
    }

    pub(super) fn insist(&mut self, command: &CommandId, id: TransferId) -> Result<(), Problem> {
        self.model.item(&id).ok_or_else(gone)?;
        self.begin(Some(command), id);
        Ok(())
    }

    /// From now on the transfer is no longer checked for room. On a full disk it waits, without loss.
    fn begin(&mut self, command: Option<&CommandId>, id: TransferId) {
        if !self.model.has_begun(&id) {
            self.write(command, Change::Begun(id.clone()));
            self.changed.insert(id);
        }
    }

    /// A file that starts has begun. How much a folder needs is known only when all of its files are found.
    pub(super) fn begin_file(&mut self, id: &TransferId) {
        if self.model.item(id).is_some_and(|item| item.kind == TransferKind::File) {
            self.begin(None, id.clone());
        }
    }

    /// Finds out which transfers lack room. A running folder is stopped when it turns out not to fit, because its files
    /// are counted while it runs.
    pub(super) fn look_for_room(&mut self) {
        let (mut lacking, mut fitting, mut promised) = (HashMap::new(), Vec::new(), 0_u64);
        let running = |item: &Item| self.workers.contains_key(&item.id);
        for item in self.model.items().filter(|item| item.wants_worker() || running(item)) {
            let need = self.need(item);
            let has_begun = self.model.has_begun(&item.id);
            let is_measured = self.room.is_some() && !self.unmeasured.contains(&item.id);
            if !has_begun && !is_measured && !running(item) {
                lacking.insert(item.id.clone(), self.lacking.get(&item.id).copied().unwrap_or_default());
                continue;
            }
            let room = RoomView { free: self.room.unwrap_or(u64::MAX), promised, ..need };
            if !has_begun
                && item.wants_worker()
                && need.needed.saturating_add(need.to_save) > room.free.saturating_sub(promised)
            {
                lacking.insert(item.id.clone(), room);
                continue;
            }
            promised = promised.saturating_add(need.needed);
            if running(item) && !need.is_least && !has_begun {
                fitting.push(item.id.clone());
            }
        }
        for id in fitting {
            self.begin(None, id);
        }
        let unfit: Vec<_> = lacking.keys().filter(|id| self.workers.contains_key(*id)).cloned().collect();
        for id in unfit {
            self.stop(&id);
        }
        let is_news = |id: &&TransferId| self.lacking.get(*id) != lacking.get(*id);
        let news: Vec<_> = self.lacking.keys().chain(lacking.keys()).filter(is_news).cloned().collect();
        self.changed.extend(news);
        self.lacking = lacking;
    }

    /// The room that a transfer needs.
    fn need(&self, item: &Item) -> RoomView {
        let said = self.workers.get(&item.id).and_then(|worker| worker.said.as_ref());
        let size = said.map_or(item.size, |said| item.size_beside(said.size));
        // A server that names a size that no file can have lies. The transfer fails with words for that.
        let size = if size > LARGEST_FILE { 0 } else { size };
        let here = said.map_or(item.kept.verified + item.kept.received, |said| said.verified + said.received);
        let folder = said.and_then(|said| said.folder).or(item.kept.folder);
        let is_least = item.kind == TransferKind::Folder && folder.is_none_or(|folder| folder.is_walking);
        RoomView { needed: size.saturating_sub(here), to_save: size, is_least, ..RoomView::default() }
    }
}

//! A complete transfer that may have changed since its stored bytes were verified. The queue reopens it and has it
//! verified anew before it is saved.
//!
//! It may have changed if its files are not sealed or not as they were sealed. It may also have changed if an earlier
//! catalogue had it verified: a disk that fails changes no time.

use wstp_messages::{Problem, TransferId, TransferState, TransferView};

use super::super::change::Change;
use super::super::item::{Item, Save};
use super::{Queue, gone};
use crate::words::{changing_problem, recheck_problem, refetch_problem};

impl Queue {
    /// Reopens a transfer while it is saved, unless that was done already and did not help.
    pub(super) fn recheck(&mut self, id: &TransferId) {
        if self.rechecked.contains(id) {
            return self.save_failed(id, changing_problem());
        }
        self.reopen(id);
    }

    /// Reopens a transfer of which a page found a stale file.
    pub(super) fn recheck_first(&mut self, id: &TransferId) {
        let Some(item) = self.model.item(id).filter(|item| item.is_complete() && item.in_sandbox) else { return };
        if item.is_saving() {
            self.write(None, Change::Save(id.clone(), Save::No(None)));
        }
        self.reopen(id);
        self.schedule();
    }

    /// Whether a page may save a transfer now. One that was not verified since this queue began is reopened first.
    /// `is_checked` says that it was reopened for this page before, perhaps by an earlier queue.
    ///
    /// # Errors
    ///
    /// In words, when it can't be saved.
    pub fn verify_first(&mut self, id: &TransferId, is_checked: bool) -> Result<bool, Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if self.is_rechecked(item) || (is_checked && !item.is_complete()) {
            return Ok(false);
        }
        self.can_be_saved_into_folder(id)?;
        let is_verified = is_checked || self.is_verified(id);
        if !is_verified {
            self.reopen(id);
            self.schedule();
        }
        Ok(is_verified)
    }

    fn reopen(&mut self, id: &TransferId) {
        self.verified.remove(id);
        self.write(None, Change::Reopened(id.clone()));
        self.rechecked.insert(id.clone());
        self.changed.insert(id.clone());
        self.is_urgent = true;
    }

    /// Transfers that were being verified anew when everything stopped.
    pub(super) fn take_up_rechecks(&mut self) {
        self.rechecked = self.model.items().filter(|item| item.is_to_be_saved()).map(|item| item.id.clone()).collect();
    }

    /// Whether every stored byte of a complete transfer was verified since this queue began.
    pub fn is_verified(&self, id: &TransferId) -> bool {
        self.verified.contains(id)
    }

    /// Whether a transfer is verified anew.
    pub(super) fn is_rechecked(&self, item: &Item) -> bool {
        !item.is_complete() && self.rechecked.contains(&item.id)
    }

    /// Tells in a transfer's row why it is verified anew, and what that found.
    pub(super) fn explain_recheck(&self, item: &Item, view: &mut TransferView) {
        if !self.is_rechecked(item) {
            return;
        }
        // The worker asks its server only where something is wrong.
        view.problem = Some(match view.state {
            TransferState::Downloading | TransferState::Verifying => refetch_problem(None),
            TransferState::Waiting { .. } | TransferState::Failed => refetch_problem(view.problem.take()),
            _ => view.problem.take().unwrap_or_else(recheck_problem),
        });
    }
}

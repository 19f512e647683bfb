//! Commands for all transfers at once, and the order in which transfers get their turn.

use wstp_messages::{CommandId, Problem, Step, Sweep, TransferId};

use super::super::change::Change;
use super::super::item::Item;
use super::{Queue, gone};

/// Places that are shown. Beyond them a transfer shows only that it waits.
const MAX_PLACES: usize = 99;

impl Queue {
    /// One record for all, so that the change is done wholly or not at all.
    pub(super) fn sweep(&mut self, command: &CommandId, sweep: Sweep) {
        let meant = |item: &&Item| item.is_meant_by(sweep);
        let ids: Vec<_> = self.model.items().filter(meant).map(|item| item.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        self.write(Some(command), Change::Swept(sweep));
        for id in ids {
            if sweep == Sweep::Pause {
                self.stop(&id);
            }
            self.changed.insert(id);
        }
    }

    /// Has no effect on a transfer that does not wait for its turn: its turn came while the user pressed.
    pub(super) fn step(&mut self, command: &CommandId, id: &TransferId, step: Step) -> Result<(), Problem> {
        self.model.item(id).ok_or_else(gone)?;
        let waiting: Vec<_> = self.in_turn().map(|item| &item.id).collect();
        let Some(place) = waiting.iter().position(|other| *other == id) else { return Ok(()) };
        let before = match step {
            Step::First if place > 0 => Some(waiting[0].clone()),
            Step::Earlier if place > 0 => Some(waiting[place - 1].clone()),
            Step::Later if place + 1 < waiting.len() => waiting.get(place + 2).map(|other| (*other).clone()),
            Step::First | Step::Earlier | Step::Later => return Ok(()),
        };
        // Transfers that made room before have their own order, not that of the list.
        let before = before.filter(|before| !self.set_aside.contains_key(before));
        self.set_aside.remove(id);
        self.write(Some(command), Change::Moved(id.clone(), before));
        Ok(())
    }

    /// Transfers that only wait for their turn, the next first. Those that made room for others come last.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Item> {
        let fresh = self.waiting().filter(|item| !self.set_aside.contains_key(&item.id));
        let aside = std::iter::once_with(|| {
            let mut aside: Vec<_> = self.set_aside.iter().map(|(id, round)| (round, id)).collect();
            aside.sort_unstable();
            aside.into_iter().filter_map(|(_, id)| self.model.item(id)).filter(|item| self.waits(item))
        });
        fresh.chain(aside.flatten())
    }

    /// Whether it only waits for its turn.
    fn waits(&self, item: &Item) -> bool {
        self.logins.is_some()
            && item.wants_worker()
            && !self.workers.contains_key(&item.id)
            && !self.lacking.contains_key(&item.id)
            && !self.awaiting_login.contains_key(&item.id)
    }

    /// Transfers that wait for their turn, in the order of the list.
    fn waiting(&self) -> impl Iterator<Item = &Item> {
        self.model.items().filter(|item| self.waits(item))
    }

    /// Has each changed place reported.
    pub(super) fn line_up(&mut self) {
        let line: Vec<_> = self.in_turn().take(MAX_PLACES).map(|item| item.id.clone()).collect();
        if line != self.line {
            self.changed.extend(self.line.iter().chain(&line).cloned());
            self.line = line;
        }
    }

    /// A transfer's place among those that wait for their turn.
    pub(super) fn place(&self, id: &TransferId) -> Option<u32> {
        let place = self.line.iter().position(|other| other == id)?;
        u32::try_from(place + 1).ok()
    }
}

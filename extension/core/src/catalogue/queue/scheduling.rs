//! Which transfers have a worker.

use std::mem::discriminant;

use wstp_messages::{Inner, TransferState, TransferView};

use super::super::item::Item;
use super::{Queue, Worker};

/// Most workers at once, including those that only wait for a server.
const MAX_WORKERS: usize = 8;
/// After this many reports in a row that it waits, some ten seconds, a worker makes room for a transfer that waits for
/// its turn.
const MOST_WAITS: u32 = 40;
/// The same, some five minutes, when all others that wait for their turn have made room before.
const MOST_WAITS_AMONG_EQUALS: u32 = 1200;

impl Queue {
    /// Starts the transfers that may start, divides the resources among the running ones, and reports how many are
    /// active.
    pub(super) fn schedule(&mut self) {
        self.look_for_room();
        let settings = self.model.settings();
        let busy = self.workers.values().filter(|worker| !worker.is_waiting()).count();
        let free = MAX_WORKERS.saturating_sub(self.workers.len());
        let places = usize::from(settings.active_transfers).saturating_sub(busy).min(free);
        if places == 0 && busy < usize::from(settings.active_transfers) {
            self.make_room();
        }
        // The user waits for a copy that is only verified before it is saved, and no server is needed for that.
        let (checks, others): (Vec<_>, Vec<_>) = self.in_turn().partition(|item| self.is_rechecked(item));
        let started = checks.into_iter().chain(others.into_iter().take(places)).take(free);
        let started: Vec<_> = started.map(|item| item.id.clone()).collect();
        for id in started {
            self.set_aside.remove(&id);
            self.begin_file(&id);
            self.workers.insert(id.clone(), Worker::default());
            self.changed.insert(id);
        }
        self.share();
        self.line_up();
        self.count();
        self.tell_finished();
    }

    /// When every slot is taken and others queue, evicts the worker that waited longest, until the others had their
    /// turn.
    fn make_room(&mut self) {
        let Some(next) = self.in_turn().next() else { return };
        let most = if self.set_aside.contains_key(&next.id) { MOST_WAITS_AMONG_EQUALS } else { MOST_WAITS };
        if self.workers.values().any(|worker| worker.is_stopping) {
            return;
        }
        let longest = self.workers.iter().max_by_key(|(id, worker)| (worker.waits, *id));
        let Some(id) = longest.filter(|(_, worker)| worker.waits >= most).map(|(id, _)| id.clone()) else { return };
        self.stop(&id);
        self.rounds += 1;
        self.set_aside.insert(id, self.rounds);
    }

    fn count(&mut self) {
        let (mut transfers, mut all, mut have) = (0, 0_u128, 0_u128);
        let is_active =
            |item: &&Item| (item.wants_worker() && !self.awaiting_login.contains_key(&item.id)) || item.is_saving();
        for item in self.model.items().filter(is_active) {
            let said = self.workers.get(&item.id).and_then(|worker| worker.said.as_ref());
            transfers += 1;
            all += u128::from(said.map_or(item.size, |said| item.size_beside(said.size)));
            have += u128::from(if item.is_complete() {
                item.size
            } else {
                said.map_or(item.kept.verified, |said| said.verified)
            });
        }
        let percent = u8::try_from((have * 100).checked_div(all).unwrap_or(0).min(100)).unwrap_or(100);
        if std::mem::replace(&mut self.told_active, (transfers, percent)) != (transfers, percent) {
            self.say(Inner::Active { transfers, percent });
        }
    }
}

impl Worker {
    /// Counts reports of waiting. Returns whether it is in another state than before.
    pub(super) fn hear(&mut self, said: Box<TransferView>) -> bool {
        let state = discriminant(&said.state);
        let before = self.said.replace(said);
        self.waits = if self.is_waiting() { self.waits.saturating_add(1) } else { 0 };
        before.is_none_or(|before| discriminant(&before.state) != state)
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.is_stopping && self.said.as_ref().is_some_and(|said| matches!(said.state, TransferState::Waiting { .. }))
    }
}

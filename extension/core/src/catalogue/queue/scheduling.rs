//! Which transfers have a worker.

use wstp_messages::{Inner, TransferState};

use super::{Queue, Worker};

/// Most workers at once, those that only wait for a server included.
const MAX_WORKERS: usize = 8;

impl Queue {
    /// Starts what may start, divides what there is among those that run, and says how much there is to do.
    pub(super) fn schedule(&mut self) {
        let settings = self.model.settings();
        let busy = self.workers.values().filter(|worker| !worker.is_waiting()).count();
        let places = usize::from(settings.active_transfers)
            .saturating_sub(busy)
            .min(MAX_WORKERS.saturating_sub(self.workers.len()));
        let started: Vec<_> = self.waiting().map(|item| item.id.clone()).take(places).collect();
        for id in started {
            self.workers.insert(id.clone(), Worker::default());
            self.changed.insert(id);
        }
        self.share();
        self.line_up();
        self.count();
        self.tell_finished();
    }

    fn count(&mut self) {
        let (mut transfers, mut all, mut have) = (0, 0_u128, 0_u128);
        for item in self.model.items().filter(|item| item.wants_worker() || item.is_saving()) {
            let said = self.workers.get(&item.id).and_then(|worker| worker.said.as_ref());
            transfers += 1;
            all += u128::from(said.map_or(item.size, |said| said.size.max(item.size)));
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
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_stopping && self.said.as_ref().is_some_and(|said| matches!(said.state, TransferState::Waiting { .. }))
    }
}

//! Which transfers have a worker, and what each worker may use.

use wstp_messages::{Inner, TransferId, TransferState, WorkerTask};

use super::{Queue, Worker};

/// Bytes in flight and not yet written, over all transfers.
const MEMORY: u32 = 64 << 20;
/// Most workers at once, those that only wait for a server included.
const MAX_WORKERS: usize = 8;

impl Queue {
    /// Starts what may start, divides the memory, and says how much there is to do.
    pub(super) fn schedule(&mut self) {
        let settings = self.model.settings();
        let busy = self.workers.values().filter(|worker| !worker.is_waiting()).count();
        let places = usize::from(settings.active_transfers)
            .saturating_sub(busy)
            .min(MAX_WORKERS.saturating_sub(self.workers.len()));
        let started: Vec<_> = self.waiting().map(|item| item.id.clone()).take(places).collect();
        for id in &started {
            self.workers.insert(id.clone(), Worker::default());
            self.changed.insert(id.clone());
        }
        self.share(settings.connections, &started);
        self.line_up();
        self.count();
        self.tell_finished();
    }

    /// Gives each worker its share of connections and memory.
    fn share(&mut self, connections: u8, started: &[TransferId]) {
        let workers = u32::try_from(self.workers.len().max(1)).unwrap_or(u32::MAX);
        let memory = (MEMORY / workers).max(1 << 20);
        for id in started {
            let Some(item) = self.model.item(id) else { continue };
            let task = WorkerTask {
                transfer: id.clone(),
                address: item.server.clone(),
                path: item.path.clone(),
                connections,
                memory,
                accept_change: item.accept_change,
            };
            self.say(Inner::Start(task));
        }
        if std::mem::replace(&mut self.shares, (connections, memory)) != (connections, memory) {
            let others: Vec<_> = self.workers.keys().filter(|id| !started.contains(id)).cloned().collect();
            for transfer in others {
                self.say(Inner::Adjust { transfer, connections, memory });
            }
        }
    }

    fn count(&mut self) {
        let (mut transfers, mut all, mut have) = (0, 0_u128, 0_u128);
        for item in self.model.items().filter(|item| item.wants_worker() || item.is_saving()) {
            let said = self.workers.get(&item.id).and_then(|worker| worker.said.as_ref());
            transfers += 1;
            all += u128::from(item.size);
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
    fn is_waiting(&self) -> bool {
        !self.is_stopping && self.said.as_ref().is_some_and(|said| matches!(said.state, TransferState::Waiting { .. }))
    }
}

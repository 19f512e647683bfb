//! Each worker's share of servers, connections, memory, and bytes a second.
//!
//! The workers divide the user's limit equally. A worker with a lower limit of its own leaves the rest to the others.
//! One that waits for its server takes nothing from them. It is told a share for the time when it comes back.

use wstp_messages::{BlockOrder, CommandId, Inner, Problem, Terms, TransferId, WorkerTask};

use super::super::change::Change;
use super::{Queue, gone};

/// Bytes in flight and not yet written, over all transfers.
const MEMORY: u32 = 64 << 20;
/// The least limit, in bytes a second: below it a block takes longer than a server waits.
const MIN_RATE: u64 = 10_000;

/// A limit that still lets something through.
pub(super) fn at_least(rate: u64) -> u64 {
    rate.max(MIN_RATE)
}

impl Queue {
    pub(super) fn limit(&mut self, command: &CommandId, id: &TransferId, rate: Option<u64>) -> Result<(), Problem> {
        let rate = rate.map(at_least);
        if self.model.item(id).ok_or_else(gone)?.rate_limit != rate {
            self.write(Some(command), Change::Limited(id.clone(), rate));
            self.changed.insert(id.clone());
        }
        Ok(())
    }

    pub(super) fn order(&mut self, command: &CommandId, id: &TransferId, order: BlockOrder) -> Result<(), Problem> {
        self.model.item(id).ok_or_else(gone)?;
        if self.model.order(id) != order {
            self.write(Some(command), Change::Ordered(id.clone(), order));
            self.changed.insert(id.clone());
        }
        Ok(())
    }

    /// Starts the workers that were not told anything yet, and tells the others what changed for them.
    pub(super) fn share(&mut self) {
        for (id, terms) in self.terms() {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            match worker.terms.replace(terms.clone()) {
                Some(told) if told == terms => {}
                Some(_) => self.say(Inner::Adjust { transfer: id, terms }),
                None => self.start(id, terms),
            }
        }
    }

    fn start(&mut self, id: TransferId, terms: Terms) {
        let Some(item) = self.model.item(&id) else { return };
        let (kind, accept_change, base) = (item.kind, item.accept_change, item.base.clone());
        let had = item.kept.verified.saturating_add(item.kept.received);
        let (root, rechecks) = (item.kept.root.clone(), self.is_rechecked(item));
        // The catalogue fills it in.
        let over_http = Vec::new();
        self.say(Inner::Start(WorkerTask {
            transfer: id,
            kind,
            terms,
            accept_change,
            base,
            had,
            root,
            rechecks,
            over_http,
        }));
    }

    /// In the order of the list.
    fn terms(&self) -> Vec<(TransferId, Terms)> {
        let settings = self.model.settings();
        let workers = u32::try_from(self.workers.len().max(1)).unwrap_or(u32::MAX);
        let memory = (MEMORY / workers).max(1 << 20);
        let running = || {
            self.model.items().filter_map(|item| {
                let worker = self.workers.get(&item.id).filter(|worker| !worker.is_stopping)?;
                Some((item, worker.is_waiting()))
            })
        };
        let own: Vec<_> = running().filter(|(_, waits)| !waits).map(|(item, _)| item.rate_limit).collect();
        let share = share_of(settings.rate_limit, &own);
        let spare = share_of(settings.rate_limit, &[own.as_slice(), &[None]].concat());
        let terms = |(item, waits): (&super::Item, bool)| {
            let rate_limit = [if waits { spare } else { share }, item.rate_limit].into_iter().flatten().min();
            let (connections, order) = (settings.connections, self.model.order(&item.id));
            (item.id.clone(), Terms { connections, memory, rate_limit, order, sources: self.sources(item) })
        };
        running().map(terms).collect()
    }
}

/// The most one of several may have of a total, if each one's own limit holds and what that leaves goes to the others.
fn share_of(total: Option<u64>, own: &[Option<u64>]) -> Option<u64> {
    let mut left = total?;
    let mut limits: Vec<_> = own.iter().map(|limit| limit.unwrap_or(u64::MAX)).collect();
    limits.sort_unstable();
    let mut others = limits.len() as u64;
    for limit in limits {
        if limit > left / others {
            return Some((left / others).max(1));
        }
        left -= limit;
        others -= 1;
    }
    Some(left.max(1))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_one_may_not_take_goes_to_the_others() {
        assert_eq!(share_of(None, &[None, None]), None);
        assert_eq!(share_of(Some(90), &[None, None, None]), Some(30));
        assert_eq!(share_of(Some(90), &[Some(10), None, None]), Some(40));
        assert_eq!(share_of(Some(90), &[Some(10), Some(50), None]), Some(40));
        assert_eq!(share_of(Some(90), &[]), Some(90));
    }

    proptest! {
        #[test]
        fn all_together_never_have_more_than_the_total(
            total in 100u64..1_000_000_000,
            own in prop::collection::vec(prop::option::of(1u64..1_000_000_000), 1..8),
        ) {
            let share = share_of(Some(total), &own).unwrap();
            let each = own.iter().map(|limit| limit.unwrap_or(u64::MAX).min(share));
            let (sum, unlimited) = (each.sum::<u64>(), own.iter().any(Option::is_none));
            prop_assert!(sum <= total);
            prop_assert!(!unlimited || sum + own.len() as u64 > total, "{sum} of {total} are used");
        }
    }
}

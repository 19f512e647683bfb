//! Events in virtual time.

use std::collections::BTreeMap;

use wstp_engine::Instant;

/// The events to come. Those of one moment happen in the order in which they were planned.
pub struct Agenda<E> {
    events: BTreeMap<(Instant, u64), E>,
    planned: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), planned: 0 }
    }
}

impl<E> Agenda<E> {
    /// Plans an event.
    pub fn plan(&mut self, at: Instant, event: E) {
        self.events.insert((at, self.planned), event);
        self.planned += 1;
    }

    /// When the next event happens.
    pub fn next_at(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Instant, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }

    /// All events to come.
    pub fn events(&self) -> impl Iterator<Item = &E> {
        self.events.values()
    }

    /// Takes back the events that are not `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&E) -> bool) {
        self.events.retain(|_, event| wanted(event));
    }
}

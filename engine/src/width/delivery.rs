//! How many bytes a second arrive over all connections, however large the messages are.
//!
//! Bytes counted within a fixed time are off by up to one message of each connection. On a slow line, that is more than
//! a step gains. Each connection is therefore measured from one arrival to another: the bytes after the first one, over
//! the time from the first to the last (the delivery rate of draft-ietf-ccwg-bbr). The total is their sum.

use std::collections::BTreeMap;

use crate::{ConnectionId, Instant};

/// Arrivals after the first one that each connection needs. A late first or last one then changes little.
const ENOUGH: u32 = 16;

/// What arrived on each connection since counting began.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    flows: BTreeMap<ConnectionId, Flow>,
}

#[derive(Clone, Debug)]
struct Flow {
    first: Instant,
    last: Instant,
    /// Since the first arrival, without it.
    bytes: u64,
    arrivals: u32,
}

impl Delivery {
    pub(super) fn arrived(&mut self, now: Instant, connection: ConnectionId, bytes: u64) {
        self.flows
            .entry(connection)
            .and_modify(|flow| {
                flow.last = now;
                flow.bytes += bytes;
                flow.arrivals += 1;
            })
            .or_insert(Flow { first: now, last: now, bytes: 0, arrivals: 0 });
    }

    /// Bytes a second, once so many connections had enough arrivals.
    pub(super) fn rate(&self, connections: usize) -> Option<f64> {
        let known = self.flows.values().filter(|flow| flow.arrivals >= ENOUGH && flow.last > flow.first);
        let rates: Vec<_> = known.map(|flow| flow.bytes as f64 / (flow.last - flow.first).as_secs_f64()).collect();
        (rates.len() >= connections).then(|| rates.iter().sum())
    }
}

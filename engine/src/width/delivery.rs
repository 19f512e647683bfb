//! How many bytes a second arrive over all connections, however large the messages are.
//!
//! Bytes counted within a fixed time are off by up to one message of each connection. On a slow line, that is more than
//! a step gains. Each connection is therefore measured from one arrival to another (the delivery rate of
//! draft-ietf-ccwg-bbr). The rate is the bytes after the first arrival, over the time from the first to the last. The
//! total is the sum of all rates.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{ConnectionId, Instant};

/// Arrivals after the first one that each connection needs before anything is said.
const FEWEST: u32 = 6;
/// Arrivals after which a late first or last one changes little.
const ENOUGH: u32 = 16;

/// The arrivals on each connection since counting began.
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

/// Bytes a second, and how far off that may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    value: f64,
    /// As a share of the value: one message of the connection with the fewest.
    margin: f64,
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

    /// The rate, once so many connections had a few arrivals.
    pub(super) fn rate(&self, now: Instant, connections: usize) -> Option<Rate> {
        let known = self.flows.values().filter(|flow| flow.arrivals >= FEWEST && flow.last > flow.first);
        let (mut count, mut value, mut fewest) = (0, 0.0, u32::MAX);
        for flow in known {
            count += 1;
            value += flow.bytes as f64 / flow.time(now).as_secs_f64();
            fewest = fewest.min(flow.arrivals);
        }
        (count >= connections.max(1)).then_some(Rate { value, margin: 1.0 / f64::from(fewest) })
    }
}

impl Flow {
    /// From the first arrival to the last. A message that is late counts as if it arrived now.
    fn time(&self, now: Instant) -> Duration {
        let known = self.last - self.first;
        let usual = known / self.arrivals.max(1);
        known.max((now - self.first).saturating_sub(usual))
    }
}

impl Rate {
    pub(super) fn is_exact(self) -> bool {
        self.margin <= 1.0 / f64::from(ENOUGH)
    }

    /// Whether it is at least so many times another rate; `None` while that can't be told.
    pub(super) fn is_at_least(self, factor: f64, other: Self) -> Option<bool> {
        let (limit, off) = (other.value * factor, self.value * (self.margin + other.margin));
        if (self.value - limit).abs() > off || self.is_exact() { Some(self.value >= limit) } else { None }
    }
}

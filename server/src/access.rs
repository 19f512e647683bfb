//! Who asks. Each request has a caller, made of the first message or of the `Authorization` header, and every call of a
//! store names it.
//!
//! Today everybody is let in, as one and the same caller. Users and their tokens go into [`Callers::admit`],
//! permissions into the stores' answers to a [`Caller`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wstp_provider::Refusal;

/// The one on whose behalf something is asked, with all that is held for it on any connection.
#[derive(Clone, Debug, Default)]
pub struct Caller(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    seats: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// The things one caller holds at the moment, and the bytes it was sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Connections of the protocol, and answers of plain HTTP.
    pub seats: u64,
    /// Requests under way.
    pub requests: u64,
    /// Bytes of answers, since the server started.
    pub bytes: u64,
}

/// Something that is held for a caller until this is dropped.
pub struct Held {
    caller: Caller,
    count: fn(&Counts) -> &AtomicU64,
}

/// Everybody who may call.
#[derive(Default)]
pub struct Callers {
    anyone: Caller,
}

impl Callers {
    /// The caller that a token proves; without one, anyone.
    ///
    /// # Errors
    /// When the caller is not let in. Nobody is kept out today.
    pub fn admit(&self, _token: Option<&str>) -> Result<Caller, Refusal> {
        Ok(self.anyone.clone())
    }
}

impl Caller {
    /// Holds a seat.
    pub(crate) fn seat(&self) -> Held {
        self.hold(|counts| &counts.seats)
    }

    /// Holds a request.
    pub(crate) fn request(&self) -> Held {
        self.hold(|counts| &counts.requests)
    }

    /// So many bytes of an answer were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The things it holds.
    #[must_use]
    pub fn holds(&self) -> Holdings {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Holdings { seats: load(&self.0.seats), requests: load(&self.0.requests), bytes: load(&self.0.bytes) }
    }

    fn hold(&self, count: fn(&Counts) -> &AtomicU64) -> Held {
        count(&self.0).fetch_add(1, Ordering::Relaxed);
        Held { caller: self.clone(), count }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.count)(&self.caller.0).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_over_all_connections_of_a_caller() {
        let callers = Callers::default();
        let (first, second) = (callers.admit(None).unwrap(), callers.admit(Some("token")).unwrap());
        let held = (first.seat(), second.seat(), second.request());
        second.sent(5);
        assert_eq!(first.holds(), Holdings { seats: 2, requests: 1, bytes: 5 });
        drop(held);
        assert_eq!(first.holds(), Holdings { seats: 0, requests: 0, bytes: 5 });
    }
}

//! How long a connection may be silent before the engine closes it.
//!
//! If the caller sees bytes, silence begins with the last byte. In a browser the caller sees only whole messages, so
//! silence begins with the last message. The wait therefore grows with the size of the awaited data. Nobody knows how
//! slow a line is that has carried nothing. So each stalled connection doubles the wait for the next one, until data
//! arrives.

use std::time::Duration;

use crate::Instant;
use crate::window::Window;

/// A connection that is not made by then won't be. A new try does not wait until a lost packet of this one is sent
/// again.
const LONGEST_GREETING: Duration = Duration::from_secs(60);
/// The longest wait that doubling gives.
const LONGEST: Duration = Duration::from_secs(600);
/// Most doublings of a wait.
const MOST_DOUBLINGS: u32 = 6;
/// How many waits an answer may take while answers to later requests arrive.
const OVERTAKEN: u32 = 3;

/// The event that the client awaits on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The connection itself, or the server's welcome.
    Greeting,
    /// Answers.
    Answers {
        /// When the oldest unanswered request was sent; `None` without one.
        asked: Option<Instant>,
        /// Whether so many later requests were answered meanwhile that this one is overdue.
        overdue: bool,
        /// Bytes that may have to arrive before the next answer is whole.
        bytes: u64,
    },
}

/// How many connections in a row stalled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stalls(u32);

impl Stalls {
    /// One more stalled.
    pub(crate) fn add(&mut self) {
        self.0 = (self.0 + 1).min(MOST_DOUBLINGS);
    }

    /// Data arrived.
    pub(crate) fn forget(&mut self) {
        self.0 = 0;
    }
}

/// The silence of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    since: Instant,
    before: Stalls,
}

impl Silence {
    /// A new connection after some stalled ones.
    pub(crate) fn new(now: Instant, before: Stalls) -> Self {
        Self { since: now, before }
    }

    /// An answer, or a part of one, arrived.
    pub(crate) fn broken(&mut self, now: Instant) {
        self.since = now;
    }

    /// When the connection counts as stalled if nothing arrives.
    pub(crate) fn stalled_at(&self, window: &Window, awaited: Awaited, ping_sent: Option<Instant>) -> Option<Instant> {
        let patience = |bytes| {
            let usual = window.patience(bytes);
            usual.max((usual * (1 << self.before.0)).min(LONGEST))
        };
        match awaited {
            Awaited::Greeting => Some(self.since + patience(0).min(LONGEST_GREETING)),
            Awaited::Answers { asked, overdue, bytes } => {
                let patience = patience(bytes);
                let silent = [asked, ping_sent].into_iter().flatten().map(|sent| self.since.max(sent) + patience);
                let overtaken = asked.filter(|_| overdue).map(|asked| asked + patience * OVERTAKEN);
                silent.chain(overtaken).min()
            }
        }
    }
}

//! How long a connection may be silent before it is given up.
//!
//! Silence is counted from the last byte where the caller sees bytes, and from the last whole message where it does not, as in a browser. So the
//! wait grows with what is awaited; and as nobody knows how slow a line is that has carried nothing, each connection after one that was given up
//! is waited for twice as long, until something arrives.

use std::time::Duration;

use crate::Instant;
use crate::window::Window;

/// A connection that is not made by then won't be: a new try does not wait for a lost packet of this one to be sent again.
const LONGEST_GREETING: Duration = Duration::from_secs(60);
/// Longest that doubling makes a wait.
const LONGEST: Duration = Duration::from_secs(600);
/// How often a wait is doubled at most.
const MOST_DOUBLINGS: u32 = 6;
/// How many waits an answer may stay away while answers to later requests come.
const OVERTAKEN: u32 = 3;

/// The event that the client awaits on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The connection itself, or the server's welcome.
    Greeting,
    /// Answers.
    Answers {
        /// When the oldest request was sent that has no answer; `None` without one.
        asked: Option<Instant>,
        /// Whether so many later ones were answered meanwhile that this one should have been.
        overdue: bool,
        /// Bytes that may have to arrive before the next answer is whole.
        bytes: u64,
    },
}

/// How many connections in a row were given up for their silence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stalls(u32);

impl Stalls {
    /// One more was.
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
    /// A new connection after so many that were given up.
    pub(crate) fn new(now: Instant, before: Stalls) -> Self {
        Self { since: now, before }
    }

    /// An answer arrived, or bytes of one.
    pub(crate) fn broken(&mut self, now: Instant) {
        self.since = now;
    }

    /// When the connection counts as stalled unless something arrives.
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

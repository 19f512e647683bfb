//! How long a connection may be silent before the engine closes it.
//!
//! If the caller sees bytes, silence begins with the last byte. In a browser the caller sees only whole messages, so
//! silence begins with the last message. The wait therefore grows with the size of the awaited data. Nobody knows how
//! slow a line is that has carried nothing. So each stalled connection doubles the wait for the next one, until data
//! arrives.

use std::time::Duration;

use super::window::Window;
use crate::Instant;

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
pub(super) enum Awaited {
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
        /// When an unanswered ping was sent.
        pinged: Option<Instant>,
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

/// How long silence is borne on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Patience(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As long as the line's own pace suggests, after so many stalled connections.
    OfLine(Stalls),
    /// As long as a person waits.
    Fixed { greeting: Duration, answer: Duration, ping: Duration },
}

impl Patience {
    /// For transfers, which nobody watches: as long as the line's own pace suggests.
    pub(crate) const fn of_line(stalls: Stalls) -> Self {
        Self(Kind::OfLine(stalls))
    }

    /// For questions, whose answers a person waits for: `greeting` for the connection and then for the server's
    /// welcome, `answer` for an answer. After each `ping` in which the client says nothing it sends a ping, which is to
    /// be answered in the same time.
    #[must_use]
    pub const fn fixed(greeting: Duration, answer: Duration, ping: Duration) -> Self {
        Self(Kind::Fixed { greeting, answer, ping })
    }

    fn of_greeting(&self, window: &Window) -> Duration {
        match self.0 {
            Kind::OfLine(_) => self.of_answer(window, 0).min(LONGEST_GREETING),
            Kind::Fixed { greeting, .. } => greeting,
        }
    }

    pub(super) fn of_answer(&self, window: &Window, bytes: u64) -> Duration {
        match self.0 {
            Kind::OfLine(stalls) => {
                let usual = window.patience(bytes);
                usual.max((usual * (1 << stalls.0)).min(LONGEST))
            }
            Kind::Fixed { answer, .. } => answer,
        }
    }

    fn of_pong(&self, window: &Window, bytes: u64) -> Duration {
        match self.0 {
            Kind::OfLine(_) => self.of_answer(window, bytes),
            Kind::Fixed { ping, .. } => ping,
        }
    }

    /// How long the client may say nothing, where the server's idle timeout allows so much.
    pub(super) fn until_ping(&self, idle: Duration) -> Duration {
        match self.0 {
            Kind::OfLine(_) => idle,
            Kind::Fixed { ping, .. } => ping.min(idle),
        }
    }
}

/// The silence of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence(Instant);

impl Silence {
    /// A connection that is being opened.
    pub(super) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// An answer, or a part of one, arrived.
    pub(super) fn broken(&mut self, now: Instant) {
        self.0 = now;
    }

    /// When the connection counts as stalled if nothing arrives.
    pub(super) fn stalled_at(&self, patience: &Patience, window: &Window, awaited: Awaited) -> Option<Instant> {
        let Awaited::Answers { asked, overdue, bytes, pinged } = awaited else {
            return Some(self.0 + patience.of_greeting(window));
        };
        let of_answer = patience.of_answer(window, bytes);
        let answer = asked.map(|asked| self.0.max(asked) + of_answer);
        let pong = pinged.map(|pinged| self.0.max(pinged) + patience.of_pong(window, bytes));
        let overtaken = asked.filter(|_| overdue).map(|asked| asked + of_answer * OVERTAKEN);
        [answer, pong, overtaken].into_iter().flatten().min()
    }
}

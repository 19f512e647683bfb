//! Waiting for causes that stop a transfer and may pass by themselves: a full disk, or a file that is away from its
//! server.
//!
//! The engine has stopped then, with everything on record and every connection closed. This decides only when to resume
//! it: with growing pauses, and with short ones again as soon as it progressed.

use std::time::Duration;

use wstp_engine::{Instant, Problem, StoreError};
use wstp_protocol::ErrorCode;

/// Between a failure and the first retry.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(30);
/// A full disk with less room than this is not tried again, because it could not keep the data.
pub const ROOM: u64 = 8 << 20;

/// The awaited event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Room on the disk.
    Room,
    /// The server has the file again, and may read it.
    Return,
}

impl Remedy {
    /// The event that ends a problem, if one can. `was_there` says whether the server had the file before. A file that
    /// was never there is not awaited.
    pub fn of(problem: &Problem, was_there: bool) -> Option<Self> {
        match problem {
            Problem::Storage(StoreError::Full) => Some(Self::Room),
            Problem::Server { code: ErrorCode::NotFound | ErrorCode::Forbidden | ErrorCode::UsedUp, .. }
                if was_there =>
            {
                Some(Self::Return)
            }
            _ => None,
        }
    }
}

/// When it is retried.
#[derive(Debug, Default)]
pub struct Waiting {
    until: Option<Instant>,
    tries: u32,
    /// Bytes that were there at the last failure.
    reached: u64,
}

impl Waiting {
    /// The transfer failed with this many bytes on disk. While it already waits, nothing changes.
    pub fn begin(&mut self, now: Instant, reached: u64) {
        if self.until.is_some() {
            return;
        }
        if reached > self.reached {
            self.tries = 0;
        }
        self.reached = reached;
        self.put_off(now);
    }

    /// A try now is of no use.
    pub fn put_off(&mut self, now: Instant) {
        self.until = Some(now + FIRST.saturating_mul(1 << self.tries.min(5)).min(LONGEST));
        self.tries = self.tries.saturating_add(1);
    }

    /// The transfer resumes.
    pub fn end(&mut self) {
        self.until = None;
    }

    /// The time of the next try, while it waits.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether the time for a try has come.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    fn refusal(code: ErrorCode) -> Problem {
        Problem::Server { code, text: String::new() }
    }

    #[test]
    fn it_is_tried_less_and_less_often_until_something_came_of_it() {
        let mut waiting = Waiting::default();
        let mut now = at(0);
        let mut fail = |now: &mut Instant, reached| {
            waiting.begin(*now, reached);
            waiting.begin(*now + Duration::from_millis(1), reached);
            let until = waiting.until().unwrap();
            assert!(!waiting.is_over(*now) && waiting.is_over(until));
            let waited = until - *now;
            *now = until;
            waiting.end();
            assert!(!waiting.is_over(until));
            waited.as_secs()
        };
        let waits: Vec<_> = [5, 5, 5, 5, 5, 5, 5, 6].map(|reached| fail(&mut now, reached)).to_vec();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 1]);
    }

    #[test]
    fn only_what_may_pass_is_waited_for() {
        assert_eq!(Remedy::of(&Problem::Storage(StoreError::Full), false), Some(Remedy::Room));
        assert_eq!(Remedy::of(&Problem::Storage(StoreError::Io), true), None);
        for code in [ErrorCode::NotFound, ErrorCode::Forbidden] {
            assert_eq!(Remedy::of(&refusal(code), true), Some(Remedy::Return));
            assert_eq!(Remedy::of(&refusal(code), false), None, "a file that never was there is an error at once");
        }
        assert_eq!(Remedy::of(&refusal(ErrorCode::Unauthorized), true), None);
        assert_eq!(Remedy::of(&Problem::Changed, true), None);
    }
}

//! Waiting for what stops a transfer and may pass by itself: a full disk, a file that is away from its server.
//!
//! The engine has stopped then, with everything it has on record and every connection closed; here is only when to tell it to go on. It is told less
//! and less often, and often again as soon as it got further.

use std::time::Duration;

use wstp_engine::{Instant, Problem, StoreError};
use wstp_protocol::ErrorCode;

/// Between a failure and the first new try.
const FIRST: Duration = Duration::from_secs(1);
/// Between two tries at most.
const LONGEST: Duration = Duration::from_secs(30);
/// With less room than this a full disk is not tried again: what would be fetched could not be kept.
pub const ROOM: u64 = 8 << 20;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Room on the disk.
    Room,
    /// The server has it again, and may read it.
    Return,
}

impl Remedy {
    /// What helps against a problem by itself. `was_there` says whether the server had it before: what never was there is not waited for.
    pub fn of(problem: &Problem, was_there: bool) -> Option<Self> {
        match problem {
            Problem::Storage(StoreError::Full) => Some(Self::Room),
            Problem::Server { code: ErrorCode::NotFound | ErrorCode::Forbidden, .. } if was_there => Some(Self::Return),
            _ => None,
        }
    }
}

/// When it is tried again.
#[derive(Debug, Default)]
pub struct Waiting {
    until: Option<Instant>,
    tries: u32,
    /// Bytes that were there at the last failure.
    reached: u64,
}

impl Waiting {
    /// It failed with so many bytes there. While it is waited already, nothing changes.
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

    /// It is of no use to try now.
    pub fn put_off(&mut self, now: Instant) {
        self.until = Some(now + FIRST.saturating_mul(1 << self.tries.min(5)).min(LONGEST));
        self.tries = self.tries.saturating_add(1);
    }

    /// It goes on.
    pub fn end(&mut self) {
        self.until = None;
    }

    /// When to try again, while it waits.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether the time has come.
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

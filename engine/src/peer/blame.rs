//! Whether a failed request is the server's fault, or that of the requested path.

use std::time::Duration;

use wstp_protocol::{ErrorCode, Failure};

/// How long to leave a server alone that is busy and does not say how long.
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// A server may ask to be left alone for so long; more would stop a transfer for good.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A server's part in a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It wants to be left alone for so long, and will answer then.
    Busy(Duration),
    /// Its answer can't be true: the client asks for nothing of the kind.
    Lie,
    /// It wants no such client, or no such connection.
    Refusal,
}

impl Blame {
    /// Judges a failed request for which nothing but the server can be blamed.
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure.code {
            ErrorCode::Busy | ErrorCode::NotReady => Self::Busy(wait_of(failure).unwrap_or(BUSY_WAIT)),
            ErrorCode::OutOfRange | ErrorCode::DuplicateId | ErrorCode::Cancelled | ErrorCode::Malformed => Self::Lie,
            _ => Self::Refusal,
        }
    }
}

/// When trying again makes sense, where the server said so.
pub(crate) fn wait_of(failure: &Failure) -> Option<Duration> {
    failure.retry_after_ms.map(bounded)
}

/// A wait that a server asks for, in milliseconds.
pub(crate) fn bounded(ms: u32) -> Duration {
    Duration::from_millis(ms.into()).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_can_stop_a_transfer_for_longer_than_minutes() {
        assert_eq!(bounded(1500), Duration::from_millis(1500));
        assert_eq!(bounded(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_failure_blames_the_server_for_what_it_did() {
        let failure = |code, retry_after_ms| Failure { id: Some(1), code, text: String::new(), retry_after_ms };
        for (code, wait, blame) in [
            (ErrorCode::Busy, None, Blame::Busy(BUSY_WAIT)),
            (ErrorCode::NotReady, Some(7), Blame::Busy(Duration::from_millis(7))),
            (ErrorCode::OutOfRange, None, Blame::Lie),
            (ErrorCode::Cancelled, Some(7), Blame::Lie),
            (ErrorCode::Unauthorized, None, Blame::Refusal),
            (ErrorCode::ShuttingDown, Some(7), Blame::Refusal),
        ] {
            assert_eq!(Blame::of(&failure(code, wait)), blame, "{code:?}");
        }
    }
}

//! How much is measured, and in which order.

use anyhow::Result;

/// The least number of rounds for a figure that is not marked as quick.
pub const ROUNDS: usize = 5;
/// Rounds of a quick run.
const QUICK_ROUNDS: usize = 2;
/// A quick run moves this fraction of the bytes.
const QUICK_SHARE: u64 = 4;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    rounds: usize,
    quick: bool,
}

impl Plan {
    /// At least five rounds; a quick one may have fewer, and moves less.
    #[must_use]
    pub fn new(rounds: Option<usize>, quick: bool) -> Self {
        let rounds = match (rounds, quick) {
            (Some(wanted), true) => wanted.max(1),
            (None, true) => QUICK_ROUNDS,
            (wanted, false) => wanted.unwrap_or(ROUNDS).max(ROUNDS),
        };
        Self { rounds, quick }
    }

    /// The rounds, counted from 0.
    pub fn rounds(self) -> std::ops::Range<usize> {
        0..self.rounds
    }

    /// Whether the figures are for a first look only.
    #[must_use]
    pub fn is_quick(self) -> bool {
        self.quick
    }

    /// How many bytes to move when a full run moves `full`.
    #[must_use]
    pub fn bytes(self, full: u64) -> u64 {
        if self.quick { full / QUICK_SHARE } else { full }
    }
}

/// Runs ours and a peer one after the other. Each round begins with another one, so that neither always has the warmer
/// machine.
///
/// # Errors
///
/// The first error.
pub async fn in_turn<A, B>(
    round: usize,
    ours: impl AsyncFnOnce() -> Result<A>,
    peer: impl AsyncFnOnce() -> Result<B>,
) -> Result<(A, B)> {
    if round.is_multiple_of(2) {
        let ours = ours().await?;
        Ok((ours, peer().await?))
    } else {
        let peer = peer().await?;
        Ok((ours().await?, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn only_a_quick_run_has_fewer_than_five_rounds() {
        assert_eq!(Plan::new(None, false).rounds(), 0..5);
        assert_eq!(Plan::new(Some(1), false).rounds(), 0..5);
        assert_eq!(Plan::new(Some(9), false).rounds(), 0..9);
        assert_eq!(Plan::new(Some(1), true).rounds(), 0..1);
    }

    #[tokio::test]
    async fn who_begins_changes_with_the_round() {
        let order = RefCell::new(String::new());
        let step = |name: char| {
            let order = &order;
            async move || {
                order.borrow_mut().push(name);
                Ok(())
            }
        };
        for round in 0..3 {
            in_turn(round, step('o'), step('p')).await.unwrap();
        }
        assert_eq!(order.into_inner(), "oppoop");
    }
}

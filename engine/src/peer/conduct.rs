//! A server's conduct over many connections: when to try it again, and how far to trust it.

use std::time::Duration;

use wstp_protocol::features;

use super::backoff::{Backoff, Jitter};
use super::patience::{Patience, Stalls};
use crate::Instant;

/// Lies and bad data, not yet forgiven, after which a server is left alone for a while, if another one can do its work.
const STRIKES_WITH_OTHERS: u32 = 3;
/// How long, for each further one.
const BENCH: Duration = Duration::from_secs(30);
/// Lies and bad data, not yet forgiven, after which a server is given up.
const MOST_STRIKES: u32 = 8;
/// The same while the server has not answered anything yet: it may not speak WSTP at all.
const MOST_STRIKES_UNKNOWN: u32 = 4;
/// Good answers for which one strike is forgiven: a line that flips a bit now and then is not a liar.
const ANSWERS_PER_PARDON: u64 = 16;
/// How long a server is not tried again that lost its only connection, which was fine until then: lines break more
/// often than servers stop.
const BRIEF: Duration = Duration::from_millis(20);

/// How long a server is left alone after something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Hardly at all.
    Brief,
    /// Longer from one failure to the next.
    Backoff,
    /// The same, but not less than this.
    AtLeast(Duration),
}

impl From<Option<Duration>> for Wait {
    /// The wait that a server asks for.
    fn from(asked: Option<Duration>) -> Self {
        asked.map_or(Self::Backoff, Self::AtLeast)
    }
}

/// The memory of a server's conduct.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conduct {
    stalls: Stalls,
    backoff: Backoff,
    retry_at: Option<Instant>,
    benched_until: Option<Instant>,
    strikes: u32,
    /// Good answers that no strike was forgiven for yet.
    merit: u64,
    /// Whether it takes requests right behind the greeting.
    takes_early: bool,
}

impl Conduct {
    /// When it may be tried again, if not now.
    pub(crate) fn retry_at(&self, now: Instant) -> Option<Instant> {
        self.retry_at.filter(|at| *at > now)
    }

    /// Whether it is left alone for what it did.
    pub(crate) fn is_benched(&self, now: Instant) -> bool {
        self.benched_until.is_some_and(|until| until > now)
    }

    /// Whether its next connection takes requests right behind the greeting.
    pub(crate) fn takes_early(&self) -> bool {
        self.takes_early
    }

    /// It welcomed the client, with these features.
    pub(crate) fn welcomed(&mut self, features: u64) {
        self.takes_early = features & features::EARLY != 0;
    }

    /// How long silence is borne on its next connection.
    pub(crate) fn patience(&self) -> Patience {
        Patience::of_line(self.stalls)
    }

    /// A connection to it failed: it is tried again later. Connections that fail together count once.
    pub(crate) fn failed(&mut self, now: Instant, is_stalled: bool, wait: Wait, jitter: &mut Jitter) {
        if self.retry_at(now).is_none() {
            if is_stalled {
                self.stalls.add();
            }
            let delay = if wait == Wait::Brief { jitter.around(BRIEF) } else { self.backoff.next_delay(jitter) };
            self.retry_at = Some(now + delay);
        }
        if let Wait::AtLeast(wait) = wait {
            self.retry_at = self.retry_at.max(Some(now + wait));
        }
    }

    /// It lied or sent bad data; whether it did so too often. `is_known` says whether it ever answered as a server of
    /// the protocol.
    pub(crate) fn strike(&mut self, is_known: bool) -> bool {
        self.strikes += 1;
        self.strikes >= if is_known { MOST_STRIKES } else { MOST_STRIKES_UNKNOWN }
    }

    /// Others can do its work: it is left alone for a while if it was struck several times.
    pub(crate) fn bench(&mut self, now: Instant) {
        let Some(further) = (self.strikes + 1).checked_sub(STRIKES_WITH_OTHERS).filter(|further| *further > 0) else {
            return;
        };
        self.benched_until = Some(now + BENCH * further);
        self.retry_at = self.retry_at.max(self.benched_until);
    }

    /// It answered: the next failure is a first one.
    pub(crate) fn answered(&mut self) {
        self.backoff.reset();
    }

    /// Data came: its line is not silent.
    pub(crate) fn delivered(&mut self) {
        self.stalls.forget();
    }

    /// So many of its answers proved right.
    pub(crate) fn proved(&mut self, answers: u64) {
        self.merit += answers;
        let pardons = u32::try_from(self.merit / ANSWERS_PER_PARDON).unwrap_or(u32::MAX);
        self.strikes = self.strikes.saturating_sub(pardons);
        // Good answers of the past buy no lies in the future.
        self.merit %= ANSWERS_PER_PARDON;
    }

    /// The user wants it tried now, whatever it did before.
    pub(crate) fn pardon(&mut self) {
        self.strikes = 0;
        self.retry_at = None;
        self.benched_until = None;
        self.stalls.forget();
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Instant = Instant(Duration::ZERO);

    #[test]
    fn a_line_that_flips_a_bit_in_two_blocks_of_a_hundred_is_no_liar() {
        let mut conduct = Conduct::default();
        for good in [3, 40, 12, 31, 25, 70, 9, 30, 28, 31, 90, 14, 22, 31, 64].into_iter().cycle().take(3000) {
            assert!(!conduct.strike(true));
            conduct.proved(good);
        }
    }

    #[test]
    fn a_server_that_lies_in_every_tenth_answer_is_given_up() {
        let mut conduct = Conduct::default();
        conduct.proved(1_000_000);
        let lies = (1..).find(|_| {
            let is_too_often = conduct.strike(true);
            conduct.proved(9);
            is_too_often
        });
        assert!(lies.is_some_and(|lies| lies <= 20), "{lies:?}");
    }

    #[test]
    fn one_that_never_answered_has_fewer_tries() {
        let lies = |is_known| {
            let mut conduct = Conduct::default();
            (1..).find(|_| conduct.strike(is_known))
        };
        assert_eq!((lies(false), lies(true)), (Some(4), Some(8)));
    }

    #[test]
    fn the_bench_is_longer_from_one_strike_to_the_next_and_begins_at_the_third() {
        let mut conduct = Conduct::default();
        let benched: Vec<_> = (0..5)
            .map(|_| {
                conduct.strike(true);
                conduct.bench(BEGIN);
                conduct.retry_at(BEGIN).map(|at| (at - BEGIN).as_secs())
            })
            .collect();
        assert_eq!(benched, [None, None, Some(30), Some(60), Some(90)]);
        assert!(conduct.is_benched(BEGIN));
        conduct.pardon();
        assert!(!conduct.is_benched(BEGIN) && conduct.retry_at(BEGIN).is_none() && !conduct.strike(false));
    }

    #[test]
    fn connections_that_fail_together_count_once_and_a_wait_that_is_asked_for_is_kept() {
        let (mut conduct, mut jitter) = (Conduct::default(), Jitter::new(7));
        let mut fail = |conduct: &mut Conduct, now, wait| {
            conduct.failed(now, false, wait, &mut jitter);
            conduct.retry_at(now).map(|at| at - now)
        };
        let first = fail(&mut conduct, BEGIN, Wait::Backoff);
        assert_eq!(fail(&mut conduct, BEGIN, Wait::Backoff), first);
        let asked = Duration::from_secs(9);
        assert_eq!(fail(&mut conduct, BEGIN, Wait::from(Some(asked))), Some(asked));
        let later = BEGIN + asked;
        assert!(conduct.retry_at(later).is_none());
        let second = fail(&mut conduct, later, Wait::Backoff);
        assert!(second > first.map(|first| first.mul_f64(1.1)), "{second:?} after {first:?}");
        conduct.answered();
        let again = later + Duration::from_secs(60);
        assert!(fail(&mut conduct, again, Wait::Brief) < Some(Duration::from_millis(30)));
    }

    #[test]
    fn silence_is_borne_longer_after_each_stall_until_data_comes() {
        let (mut conduct, mut jitter) = (Conduct::default(), Jitter::new(7));
        let window = super::super::Window::new(BEGIN);
        let borne = |conduct: &Conduct| conduct.patience().of_answer(&window, 0).as_secs();
        let mut now = BEGIN;
        let mut seen = vec![borne(&conduct)];
        for _ in 0..2 {
            conduct.failed(now, true, Wait::Backoff, &mut jitter);
            now = now + Duration::from_secs(60);
            seen.push(borne(&conduct));
        }
        assert_eq!(seen, [10, 20, 40]);
        conduct.delivered();
        assert_eq!(borne(&conduct), 10);
    }
}

//! Runs with many seeds. A seed fixes everything that happens in a run.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Runs the seeds from 0 on, half of them beside the other half, and names those that fail. `WSTP_SEED` runs one alone,
/// and `WSTP_SEEDS` says how many there are in place of `usual`.
pub fn run_all(usual: u64, run: impl Fn(u64) + Copy + Send + 'static) {
    if let Some(seed) = alone() {
        return run(seed);
    }
    let seeds = number_from("WSTP_SEEDS").unwrap_or(usual);
    let halves = [0, 1].map(|half| thread::spawn(move || failing((half..seeds).step_by(2), run)));
    let failed: Vec<_> = halves.into_iter().flat_map(|half| half.join().expect("panics are caught")).collect();
    assert!(failed.is_empty(), "{} failing seeds: {failed:?}", failed.len());
}

/// The seed that is to be run alone.
pub fn alone() -> Option<u64> {
    number_from("WSTP_SEED")
}

/// The seeds with which a run fails.
pub fn failing(seeds: impl Iterator<Item = u64>, run: impl Fn(u64)) -> Vec<u64> {
    seeds
        .filter(|seed| {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(*seed)));
            if outcome.is_err() {
                eprintln!("the failing seed is {seed}: WSTP_SEED={seed} runs it alone");
            }
            outcome.is_err()
        })
        .collect()
}

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("the variable holds a number"))
}

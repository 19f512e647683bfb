//! Whole transfers in virtual time: scripted servers, links and disks, with faults from seeds.
//!
//! `WSTP_SEED=n` runs one seed, `WSTP_SEEDS=n` that many. A seed that failed once is in [`REGRESSIONS`].

mod compressing;
mod content;
mod directed;
mod disk;
mod scenario;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::simulation::content::{Content, Edition};
use crate::simulation::world::{Blow, Scenario, World};

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[2532];
/// Seeds that failed before scenarios had limits and orders.
const OLD_REGRESSIONS: &[u64] = &[1976, 2172, 3787, 4682, 8159, 8864, 8924, 9318, 10297, 38300];

/// The way from a seed to a scenario.
type Making = fn(u64) -> Scenario;

fn run_seed(seed: u64, make: Making) {
    let scenario = make(seed);
    let mut world = World::new(scenario, seed);
    world.run();
    world.check_complete(edition_fetched(&world));
}

/// The edition that was there when the transfer ended: any that was ever served.
fn edition_fetched(world: &World) -> Edition {
    let root = world.transfer.progress().root;
    let changed = world.scenario.blows.iter().filter_map(|(_, blow)| match blow {
        Blow::ChangeFile(edition) => Some(*edition),
        _ => None,
    });
    let mut editions = std::iter::once(world.scenario.edition).chain(changed);
    editions.find(|edition| root == Some(Content::of(*edition).root)).unwrap_or(world.scenario.edition)
}

fn run_seeds(seeds: impl Iterator<Item = u64>, make: Making) -> Vec<u64> {
    seeds
        .filter(|seed| {
            let outcome = catch_unwind(AssertUnwindSafe(|| run_seed(*seed, make)));
            if outcome.is_err() {
                eprintln!("the failing seed is {seed}: WSTP_SEED={seed} runs it alone");
            }
            outcome.is_err()
        })
        .collect()
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("the variable holds a number"))
}

#[test]
fn every_seed_ends_with_the_right_file() {
    if let Some(seed) = number_from("WSTP_SEED") {
        eprintln!("{:#?}", Scenario::of_seed(seed));
        return run_seed(seed, Scenario::of_seed);
    }
    let seeds = number_from("WSTP_SEEDS").unwrap_or(10_000);
    let halves = [0, 1].map(|half| std::thread::spawn(move || run_seeds((half..seeds).step_by(2), Scenario::of_seed)));
    let failed: Vec<_> = halves.into_iter().flat_map(|half| half.join().expect("panics are caught")).collect();
    assert!(failed.is_empty(), "{} failing seeds: {failed:?}", failed.len());
}

#[test]
fn seeds_that_failed_once_do_not_again() {
    assert_eq!(run_seeds(OLD_REGRESSIONS.iter().copied(), Scenario::of_old_seed), Vec::<u64>::new());
    assert_eq!(run_seeds(REGRESSIONS.iter().copied(), Scenario::of_seed), Vec::<u64>::new());
}

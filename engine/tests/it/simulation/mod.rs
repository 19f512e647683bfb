//! Whole transfers in virtual time: scripted servers, links and disks, with faults from seeds.
//!
//! `WSTP_SEED=n` runs one seed, `WSTP_SEEDS=n` that many. A seed that failed once is in [`REGRESSIONS`].

mod content;
mod directed;
mod disk;
mod scenario;
mod server;
mod world;

use crate::seeds;
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

#[test]
fn every_seed_ends_with_the_right_file() {
    if let Some(seed) = seeds::alone() {
        eprintln!("{:#?}", Scenario::of_seed(seed));
    }
    seeds::run_all(10_000, |seed| run_seed(seed, Scenario::of_seed));
}

#[test]
fn seeds_that_failed_once_do_not_again() {
    assert_eq!(
        seeds::failing(OLD_REGRESSIONS.iter().copied(), |seed| run_seed(seed, Scenario::of_old_seed)),
        Vec::<u64>::new()
    );
    assert_eq!(
        seeds::failing(REGRESSIONS.iter().copied(), |seed| run_seed(seed, Scenario::of_seed)),
        Vec::<u64>::new()
    );
}

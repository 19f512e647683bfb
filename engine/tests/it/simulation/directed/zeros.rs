//! Blocks that a server calls zero in place of sending them.

use std::time::Duration;

use wstp_engine::Phase;
use wstp_protocol::BLOCK_SIZE;
use wstp_protocol::zeros::VOID_LEVEL;

use super::{MIB, completed, link, world};
use crate::simulation::content::{Edition, SPARSE, VOID};
use crate::simulation::disk::Crash;
use crate::simulation::server::{Lie, ServerScript};
use crate::simulation::world::{Blow, Scenario};

/// Blocks of four voids.
const VOIDS: u64 = 4 << VOID_LEVEL;
/// Four voids, 20 zero blocks more, and 80 others.
const WITH_VOIDS: u64 = (VOIDS + 100) * BLOCK_SIZE - 5;

fn telling(size: u64, number: u8) -> Scenario {
    let mut scenario = Scenario::plain(size);
    scenario.edition.number = number;
    scenario.servers =
        vec![(ServerScript { tells_zeros: true, knows_holes: true, ..ServerScript::honest() }, link(5, 20e6))];
    scenario
}

#[test]
fn zeros_are_told_and_written_over_what_was_there() {
    for (hashing, rubbish) in [(0, 0), (500, 12 << 20)] {
        let mut scenario = telling(10 * MIB, SPARSE);
        scenario.servers[0].0.hashing = Duration::from_millis(hashing);
        scenario.rubbish = rubbish;
        let world = completed(scenario);
        assert!(world.told.len() > 400, "{} blocks were told", world.told.len());
        assert!(world.arrived_bytes < 7 * MIB, "{} bytes came", world.arrived_bytes);
    }
}

#[test]
fn one_node_proves_a_void() {
    for hashing in [0, 2000] {
        let mut scenario = telling(WITH_VOIDS, VOID);
        scenario.servers[0].0.hashing = Duration::from_millis(hashing);
        scenario.connections = 1;
        let mut world = world(scenario);
        let is_told = |world: &super::World| world.told.len() > VOIDS;
        assert!(world.run_until(is_told));
        let progress = world.transfer.progress();
        // Two pieces may be on their way to the disk.
        assert!(progress.received + progress.verified >= 48 * MIB, "{progress:?}");
        world.run();
        world.check_complete(world.scenario.edition);
        assert!(world.arrived_bytes <= 100 * BLOCK_SIZE, "{} bytes came", world.arrived_bytes);
        assert!(world.arrived_hashes <= 2 * 1024 + 200, "{} hashes came", world.arrived_hashes);
        assert!(world.now.0 < Duration::from_secs(4), "{:?}", world.now.0);
    }
}

/// The hashes of the first file are still in storage where the second one has a void. They say nothing of what is
/// there.
#[test]
fn a_void_does_not_pass_for_what_was_there_before_it() {
    let full = Edition { size: WITH_VOIDS, number: 0 };
    let mut scenario = telling(WITH_VOIDS, 0);
    scenario.servers[0].1 = link(1, 500e6);
    scenario.memory_budget = 64 * MIB;
    let hole = Edition { size: WITH_VOIDS, number: VOID };
    scenario.blows.extend([hole, full].map(|edition| (Duration::from_secs(3600), Blow::ChangeFile(edition))));
    let mut world = world(scenario);
    for edition in [hole, full] {
        let most = |world: &super::World| world.transfer.progress().verified > 60 * MIB;
        assert!(world.run_until(most));
        world.schedule_blow(Duration::ZERO, Blow::ChangeFile(edition));
        let changed = |world: &super::World| world.servers[0].content.root == super::Content::of(edition).root;
        assert!(world.run_until(changed));
    }
    world.run();
    world.check_complete(full);
}

#[test]
fn a_void_is_read_back_by_the_next_run() {
    let mut scenario = telling(WITH_VOIDS, VOID);
    scenario.servers[0].1 = link(5, 1e5);
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.disk.recovered().verified().len() >= VOIDS));
    world.crash(Crash::PowerLoss);
    world.restart();
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(!world.rehashed.is_empty());
}

#[test]
fn a_server_that_calls_a_void_what_is_none_is_given_up() {
    let mut scenario = telling(WITH_VOIDS, 0);
    scenario.servers[0].0.lie = Some(Lie::AllZero);
    let mut world = world(scenario);
    assert_eq!(world.run(), Phase::Failed);
    assert_eq!(world.transfer.verified().count(), 0);
}

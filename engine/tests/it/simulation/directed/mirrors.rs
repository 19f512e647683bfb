//! Mirrors of plain HTTP: they carry data, and do no harm.

use std::time::Duration;

use wstp_engine::{Command, Phase, Problem, SourceId, Standing};
use wstp_protocol::BLOCK_SIZE;

use super::{MIB, SECOND, asked_of, link, rate_over, world, written};
use crate::simulation::content::Edition;
use crate::simulation::server::ServerScript;
use crate::simulation::world::{Blow, Link, Scenario, World};

/// An honest origin, and mirrors of plain HTTP that have these editions. Each is behind its own link, which all its
/// connections share.
fn mirrored(size: u64, rate: f64, mirrors: &[Edition]) -> Scenario {
    let narrow = Link { shared: true, ..link(10, rate) };
    let mut scenario = Scenario::plain(size);
    let mirrors = mirrors.iter().map(|edition| (ServerScript::plain(*edition), narrow));
    scenario.servers = std::iter::once((ServerScript::honest(), narrow)).chain(mirrors).collect();
    scenario.memory_budget = 64 * MIB;
    scenario.commit_bytes = 16 * MIB;
    scenario
}

const fn same(size: u64) -> Edition {
    Edition { size, number: 0 }
}

fn standing(world: &World, number: usize) -> Standing {
    world.transfer.progress().sources[number].standing
}

/// Runs to the end. Blocks that were verified once stay verified.
fn run_without_loss(world: &mut World) {
    let mut before = 0;
    while world.step() {
        let verified = world.transfer.progress().verified;
        assert!(verified >= before, "{verified} bytes after {before}");
        before = verified;
    }
    world.check_complete(world.scenario.edition);
    assert!(world.failures.is_empty(), "{:?}", world.failures);
}

#[test]
fn a_mirror_carries_its_share() {
    for connections in [2, 4] {
        let mut scenario = mirrored(128 * MIB, 20e6, &[same(128 * MIB)]);
        scenario.connections = connections;
        let mut world = world(scenario);
        let rate = rate_over(&mut world, SECOND, SECOND);
        assert!(rate >= 0.9 * 40e6, "{rate:.0} bytes a second with {connections} connections");
        run_without_loss(&mut world);
        let progress = world.transfer.progress();
        assert!(progress.sources[1].verified > 40 * MIB, "{:?}", progress.sources[1]);
        assert_eq!(progress.sources.iter().map(|source| source.verified).sum::<u64>(), progress.verified);
    }
}

#[test]
fn a_fast_mirror_is_not_kept_waiting_by_a_slow_origin() {
    let mut scenario = mirrored(64 * MIB, 20e6, &[same(64 * MIB)]);
    scenario.servers[0].1 = link(30, 1e6);
    let mut world = world(scenario);
    let rate = rate_over(&mut world, SECOND, SECOND);
    assert!(rate >= 0.9 * 20e6, "{rate:.0} bytes a second");
    run_without_loss(&mut world);
}

#[test]
fn a_mirror_is_used_once_the_hash_is_known_and_not_before() {
    let mut scenario = mirrored(32 * MIB, 4e6, &[same(32 * MIB)]);
    scenario.servers[0].0.hashing = SECOND;
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.transfer.progress().root.is_some()));
    assert!(world.transfer.received().next().is_some());
    assert_eq!((world.servers[1].ranges, world.transfer.progress().sources[1].connections), (0, 0));
    run_without_loss(&mut world);
    assert!(world.transfer.progress().sources[1].verified > MIB);
}

#[test]
fn nothing_of_a_mirror_waits_to_be_verified() {
    let mut scenario = mirrored(24 * MIB, 20e6, &[same(24 * MIB)]);
    scenario.servers[0].1 = link(30, 1e6);
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.servers[1].ranges > 0));
    // Blocks that the origin sent before its hashes came are compared by then.
    let early: u64 = world.transfer.received().map(|range| range.end - range.start).sum();
    let mut most = 0;
    while world.step() {
        most = most.max(world.transfer.received().map(|range| range.end - range.start).sum());
    }
    assert!(most <= early.max(32), "{most} blocks waited");
    world.check_complete(world.scenario.edition);
}

#[test]
fn a_mirror_of_other_bytes_is_struck_and_costs_no_verified_byte() {
    let alone = mirrored(32 * MIB, 10e6, &[]);
    let mut alone = world(alone);
    run_without_loss(&mut alone);
    let mut world = world(mirrored(32 * MIB, 10e6, &[Edition { size: 32 * MIB, number: 1 }]));
    assert!(world.run_until(|world| world.transfer.progress().sources[1].problem == Some(Problem::BadBlocks)));
    assert!(world.run_until(|world| standing(world, 1) == Standing::Benched));
    run_without_loss(&mut world);
    assert!(world.now.0 < alone.now.0.mul_f64(1.2), "{:?} instead of {:?}", world.now.0, alone.now.0);
}

#[test]
fn many_mirrors_of_other_bytes_do_not_end_the_transfer() {
    let other = Edition { size: 64 * BLOCK_SIZE, number: 1 };
    let mut scenario = mirrored(other.size, 10e6, &[other; 24]);
    // All of them get requests for the same blocks while the origin is slow.
    scenario.servers[0].1 = link(10, 20e3);
    scenario.connections = 25;
    run_without_loss(&mut world(scenario));
}

#[test]
fn a_mirror_with_another_size_is_refused_unread() {
    for size in [32 * MIB - 1, 32 * MIB + 1, 0] {
        let mut world = world(mirrored(32 * MIB, 10e6, &[same(size)]));
        run_without_loss(&mut world);
        assert_eq!((standing(&world, 1), world.servers[1].ranges), (Standing::GivenUp, 0));
        assert_eq!(world.transfer.progress().sources[1].problem, Some(Problem::Changed));
    }
}

#[test]
fn a_mirror_that_does_not_have_the_file_is_given_up() {
    let mut scenario = mirrored(8 * MIB, 10e6, &[same(8 * MIB)]);
    scenario.servers[1].0.missing = true;
    let mut world = world(scenario);
    run_without_loss(&mut world);
    assert_eq!(standing(&world, 1), Standing::GivenUp);
}

#[test]
fn mirrors_alone_are_no_transfer() {
    let mut scenario = mirrored(8 * MIB, 10e6, &[same(8 * MIB)]);
    scenario.servers.remove(0);
    let mut world = world(scenario);
    assert_eq!(world.run(), Phase::Failed);
    assert_eq!(world.connects, 0);
}

#[test]
fn without_its_origin_a_mirrored_transfer_fails_until_there_is_one() {
    let mut world = world(mirrored(16 * MIB, 4e6, &[same(16 * MIB)]));
    assert!(world.run_until(|world| world.transfer.progress().sources[1].verified > 0));
    world.transfer.handle_command(world.now, Command::RemoveSource(SourceId(0)));
    assert_eq!(world.run(), Phase::Failed);
    let (had, since) = (written(&world), world.asked.len());
    // The mirror comes first now, and is still not the origin.
    world.schedule_blow(SECOND, Blow::AddSource(0));
    world.schedule_blow(SECOND, Blow::Resume);
    world.wait();
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(asked_of(&world, since, &had).is_empty());
}

#[test]
fn an_origin_that_comes_back_gets_its_place_from_a_mirror() {
    let mut scenario = mirrored(64 * MIB, 10e6, &[same(64 * MIB)]);
    scenario.connections = 2;
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.servers[1].ranges > 0));
    // The oldest connection is the origin's.
    world.fall_silent();
    let before = world.connects;
    assert!(world.run_until(|world| world.connects > before));
    // Its new one is the newest, and is closed; the mirror's holds the only place.
    world.schedule_blow(Duration::ZERO, Blow::Connections(1));
    run_without_loss(&mut world);
}

#[test]
fn what_a_silent_origin_owes_is_asked_of_a_mirror_where_it_can_be_proved() {
    for silent_at in 5..25 {
        let mut scenario = mirrored(64 * MIB, 10e6, &[same(64 * MIB)]);
        scenario.servers[0].0.limits.page_nodes = 64;
        scenario.connections = 2;
        let mut world = world(scenario);
        assert!(world.run_until(|world| world.now.0 >= SECOND / 10 * silent_at));
        world.fall_silent();
        run_without_loss(&mut world);
    }
}

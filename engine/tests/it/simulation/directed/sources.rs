//! Several sources: their joint speed, and how they come and go.

use std::time::Duration;

use wstp_engine::{Command, NamedBy, Phase, RangeSet, SourceConfig, SourceId, SourceKind, Standing};
use wstp_protocol::SharePath;

use super::{MIB, SECOND, asked_of, completed, link, rate_over, world, written};
use crate::simulation::server::{Lie, ServerScript};
use crate::simulation::world::{Blow, Link, Scenario, World};

/// A link whose rate all connections share, like a household's.
fn narrow(delay_ms: u64, rate: f64) -> Link {
    Link { shared: true, ..link(delay_ms, rate) }
}

/// Several honest sources, each behind a narrow link.
fn swarm(size: u64, links: &[Link]) -> Scenario {
    let mut scenario = Scenario::plain(size);
    scenario.servers = links.iter().map(|link| (ServerScript::honest(), *link)).collect();
    scenario.memory_budget = 64 * MIB;
    scenario.commit_bytes = 16 * MIB;
    scenario
}

#[test]
fn two_sources_of_one_speed_together_are_twice_as_fast() {
    for (delay, connections) in [(1, 2), (10, 4), (40, 4), (40, 2)] {
        let mut scenario = swarm(160 * MIB, &[narrow(delay, 20e6), narrow(delay, 20e6)]);
        scenario.connections = connections;
        let mut world = world(scenario);
        let rate = rate_over(&mut world, SECOND, 2 * SECOND);
        assert!(rate >= 0.95 * 40e6, "{rate:.0} bytes a second at {delay} ms with {connections} connections");
        world.run();
        world.check_complete(world.scenario.edition);
        let whole = 160.0 * MIB as f64 / world.now.0.as_secs_f64();
        assert!(whole >= 0.85 * 40e6, "{whole:.0} bytes a second altogether");
    }
}

#[test]
fn a_fast_and_a_slow_source_together_are_as_fast_as_both() {
    for slow in [1e6, 2e6, 5e6] {
        let mut world = world(swarm(96 * MIB, &[narrow(10, 20e6), narrow(30, slow)]));
        let rate = rate_over(&mut world, SECOND, 2 * SECOND);
        assert!(rate >= 0.9 * (20e6 + slow), "{rate:.0} bytes a second beside {slow:.0}");
        world.run();
        world.check_complete(world.scenario.edition);
        let whole = 96.0 * MIB as f64 / world.now.0.as_secs_f64();
        assert!(whole >= 0.85 * (20e6 + slow), "{whole:.0} bytes a second altogether beside {slow:.0}");
    }
}

#[test]
fn a_slow_source_beside_a_fast_one_costs_little() {
    let mut scenario = Scenario::plain(32 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 20e6))];
    scenario.connections = 3;
    let alone = completed(scenario.clone()).now.0;
    scenario.connections = 4;
    scenario.servers.push((ServerScript::honest(), link(200, 50e3)));
    let together = completed(scenario).now.0;
    assert!(together < alone.mul_f64(1.2), "{together:?} instead of {alone:?}");
}

#[test]
fn hashes_that_a_slow_source_owes_are_asked_of_a_fast_one() {
    // The slow one is there first, and is asked for the hashes of the whole file: 8 seconds' worth.
    let mut world = world(swarm(16 * MIB, &[narrow(1, 8e3), narrow(40, 20e6)]));
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.now.0 < 3 * SECOND, "{:?}", world.now.0);
}

/// An origin that can't be reached, and another source that has the file.
fn without_origin() -> World {
    let mut scenario = swarm(MIB, &[Link { refused: 1.0, ..narrow(10, 10e6) }, narrow(10, 10e6)]);
    scenario.faults_until = 3600 * SECOND;
    world(scenario)
}

#[test]
fn a_silent_origin_is_replaced_by_a_source_of_the_users_that_knows_the_root() {
    let mut world = without_origin();
    assert!(world.run_until(|world| world.transfer.progress().root.is_some()));
    let replaced = world.now.0;
    assert!(replaced >= 10 * SECOND && replaced < 12 * SECOND, "{replaced:?}");
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.failures.is_empty());
}

#[test]
fn a_silent_origin_is_not_replaced_by_what_a_server_offers() {
    let mut world = without_origin();
    let path = SharePath::parse("folder/file").unwrap();
    let offered = SourceConfig { named_by: NamedBy::Server, ..SourceConfig::new(SourceId(1), SourceKind::Wstp, path) };
    world.transfer.handle_command(world.now, Command::AddSource(offered));
    assert!(world.run_until(|world| world.now.0 > 120 * SECOND));
    assert_eq!((world.transfer.progress().size, world.asked.len()), (None, 0));
    assert!(world.transfer.progress().sources[1].connections > 0);
}

#[test]
fn an_origin_that_still_hashes_is_not_replaced() {
    let mut scenario = swarm(MIB, &[narrow(10, 10e6), narrow(10, 10e6)]);
    scenario.servers[0].0.hashing = 40 * SECOND;
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.now.0 > 39 * SECOND));
    assert_eq!(world.transfer.progress().root, None);
    world.run();
    world.check_complete(world.scenario.edition);
}

#[test]
fn an_origin_that_was_replaced_and_comes_back_takes_part() {
    let mut scenario = swarm(128 * MIB, &[Link { refused: 1.0, ..narrow(10, 10e6) }, narrow(10, 1e6)]);
    scenario.faults_until = 20 * SECOND;
    let mut world = world(scenario);
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.transfer.progress().sources[0].verified > 32 * MIB);
    assert!(world.failures.is_empty());
}

#[test]
fn a_lone_connection_that_was_fine_is_replaced_almost_at_once_and_one_that_was_not_later() {
    let mut scenario = Scenario::plain(64 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 3e6))];
    scenario.connections = 1;
    let second = 3 * SECOND + SECOND / 2;
    let breaks = Blow::RestartServers { down: Duration::ZERO };
    scenario.blows = vec![(3 * SECOND, breaks), (second, breaks)];
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.connects == 2));
    assert!(world.now.0 < 3 * SECOND + SECOND / 20, "{:?}", world.now);
    assert!(world.run_until(|world| world.connects == 3));
    assert!(world.now.0 > second + SECOND / 6, "{:?}", world.now);
}

#[test]
fn a_connection_that_breaks_beside_another_is_replaced_in_the_same_moment() {
    let mut scenario = Scenario::plain(256 * MIB);
    scenario.servers = vec![(ServerScript::honest(), Link { lifetime: Some(10 * SECOND), ..link(5, 3e6) })];
    scenario.connections = 2;
    scenario.faults_until = 100 * SECOND;
    let mut world = world(scenario);
    let connected = |world: &World| world.transfer.progress().sources[0].connections;
    assert!(world.run_until(|world| connected(world) == 2));
    assert!(world.run_until(|world| connected(world) == 1));
    let (broke, connects) = (world.now, world.connects);
    assert!(broke.0 > 2 * SECOND, "it broke too early to count as fine");
    assert!(world.run_until(|world| world.connects > connects));
    assert!(world.now.0 - broke.0 < Duration::from_millis(5), "{:?} after {broke:?}", world.now);
}

#[test]
fn connections_that_break_in_turn_leave_the_link_to_the_others_and_nothing_comes_twice() {
    let size = 512 * MIB;
    let mut scenario = swarm(size, &[Link { lifetime: Some(5 * SECOND), ..narrow(50, 25e6) }]);
    scenario.connections = 2;
    scenario.faults_until = 3600 * SECOND;
    let mut world = world(scenario);
    world.run();
    world.check_complete(world.scenario.edition);
    let rate = size as f64 / world.now.0.as_secs_f64();
    eprintln!("{rate:.0} bytes a second over {} connections, {} bytes came", world.connects, world.arrived_bytes);
    assert!(world.connects >= 8, "{} connections", world.connects);
    assert!(rate >= 0.85 * 25e6, "{rate:.0} bytes a second");
    assert!(world.arrived_bytes <= size + size / 100, "{} bytes came", world.arrived_bytes);
}

#[test]
fn a_source_that_dies_costs_no_verified_block() {
    for dies in [0, 1] {
        let mut scenario = swarm(32 * MIB, &[narrow(10, 10e6), narrow(10, 10e6)]);
        scenario.blows = vec![(SECOND, Blow::ServerDies(dies))];
        let mut world = world(scenario);
        assert!(world.run_until(|world| world.now.0 > SECOND));
        let verified: RangeSet = world.transfer.verified().collect();
        assert!(verified.len() > 1000, "only {} blocks", verified.len());
        let since = world.asked.len();
        world.run();
        world.check_complete(world.scenario.edition);
        assert!(asked_of(&world, since, &verified).is_empty());
        assert!(world.failures.is_empty());
    }
}

#[test]
fn a_source_that_comes_later_takes_its_share() {
    let mut scenario = swarm(96 * MIB, &[narrow(10, 10e6), narrow(10, 10e6)]);
    scenario.blows = vec![(Duration::ZERO, Blow::RemoveSource(1)), (SECOND, Blow::AddSource(1))];
    let mut world = world(scenario);
    let alone = rate_over(&mut world, SECOND / 2, SECOND / 2);
    assert!(alone < 11e6, "{alone:.0} bytes a second");
    let together = rate_over(&mut world, 2 * SECOND, SECOND);
    assert!(together > 0.95 * 20e6, "{together:.0} bytes a second");
    world.run();
    world.check_complete(world.scenario.edition);
    let progress = world.transfer.progress();
    assert_eq!(progress.sources.iter().map(|source| source.verified).sum::<u64>(), progress.verified);
    assert!(progress.sources[1].verified > 30 * MIB);
}

#[test]
fn a_removed_source_is_asked_for_nothing_and_what_it_sent_stays() {
    let mut scenario = swarm(32 * MIB, &[narrow(10, 10e6), narrow(10, 10e6)]);
    scenario.blows = vec![(SECOND, Blow::RemoveSource(0))];
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.transfer.progress().sources.len() == 1));
    let (verified, since): (RangeSet, _) = (world.transfer.verified().collect(), world.asked.len());
    let connects = world.connects;
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(asked_of(&world, since, &verified).is_empty());
    assert!(world.connects - connects <= 4);
}

#[test]
fn without_its_last_source_a_transfer_fails_until_there_is_another() {
    let mut world = world(swarm(4 * MIB, &[narrow(10, 10e6)]));
    assert!(world.run_until(|world| !written(world).is_empty()));
    world.transfer.handle_command(world.now, Command::RemoveSource(SourceId(0)));
    assert_eq!(world.run(), Phase::Failed);
    let had = written(&world);
    world.schedule_blow(SECOND, Blow::AddSource(0));
    world.schedule_blow(SECOND, Blow::Resume);
    let since = world.asked.len();
    world.wait();
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(asked_of(&world, since, &had).is_empty());
}

#[test]
fn a_source_says_why_it_is_not_used() {
    let standing = |world: &World, number: usize| world.transfer.progress().sources[number].standing;
    let mut scenario = swarm(48 * MIB, &[narrow(10, 10e6), narrow(10, 10e6), narrow(10, 10e6), narrow(10, 10e6)]);
    scenario.servers[1].0.lie = Some(Lie::ShortData);
    scenario.servers[2].0.missing = true;
    scenario.blows = vec![(SECOND, Blow::ServerDies(3))];
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.now.0 > SECOND + SECOND / 2));
    assert_eq!(standing(&world, 0), Standing::Good);
    assert_eq!(standing(&world, 2), Standing::GivenUp);
    assert!(world.run_until(|world| matches!(standing(world, 3), Standing::Waiting(at) if at > world.now)));
    assert!(world.run_until(|world| standing(world, 1) == Standing::Benched));
}

#[test]
fn as_many_connections_are_used_as_help() {
    for (link, expected, helpful) in [(link(10, 5e5), 3.6e6, 7..=8), (narrow(10, 4e6), 3.8e6, 1..=2)] {
        let mut scenario = swarm(320 * MIB, &[link]);
        (scenario.automatic, scenario.connections) = (true, 8);
        let mut world = world(scenario);
        let rate = rate_over(&mut world, 60 * SECOND, 10 * SECOND);
        assert!(rate >= expected, "{rate:.0} bytes a second over {link:?}");
        let open = world.transfer.progress().sources[0].connections;
        assert!(helpful.contains(&open), "{open} connections over {link:?}");
    }
}

#[test]
fn what_a_source_offers_is_told_once_however_often_it_is_connected() {
    let mirrors: Vec<_> = ["ws://b:3000/ws", "http://c/pub"].map(|url| url.parse().unwrap()).into();
    let mut scenario = swarm(64 * MIB, &[narrow(10, 20e6), narrow(10, 20e6)]);
    scenario.connections = 4;
    scenario.servers[0].0.mirrors.clone_from(&mirrors);
    scenario.blows = vec![(SECOND, Blow::RestartServers { down: SECOND })];
    let world = completed(scenario);
    assert!(world.connects > 4, "{} connections", world.connects);
    assert_eq!(world.offered, [(SourceId(0), mirrors)]);
}

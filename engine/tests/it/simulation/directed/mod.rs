//! Transfers with one event each, and the required result.

mod capabilities;
mod compressed;
mod connections;
mod durability;
mod late;
mod limit;
mod mirrors;
mod order;
mod sources;
mod stored;
mod zeros;

use std::time::Duration;

use wstp_engine::{Phase, Problem, RangeSet, StoreError};
use wstp_protocol::{BLOCK_SIZE, ErrorCode};

use crate::simulation::content::{Content, Edition};
use crate::simulation::server::{Lie, Misheard, ServerScript};
use crate::simulation::world::{Blow, Link, Scenario, World};

const MIB: u64 = 1 << 20;
const SEED: u64 = 7;
const SECOND: Duration = Duration::from_secs(1);

fn world(scenario: Scenario) -> World {
    World::new(scenario, SEED)
}

fn completed(scenario: Scenario) -> World {
    let edition = scenario.edition;
    let mut world = world(scenario);
    world.run();
    world.check_complete(edition);
    world
}

fn link(delay_ms: u64, rate: f64) -> Link {
    Link { delay: Duration::from_millis(delay_ms), rate, ..Link::good() }
}

fn dishonest(lie: Lie) -> ServerScript {
    ServerScript { lie: Some(lie), ..ServerScript::honest() }
}

fn written(world: &World) -> RangeSet {
    world.transfer.verified().chain(world.transfer.received()).collect()
}

/// The blocks of `had` that were requested again after a number of runs.
fn asked_of(world: &World, since: usize, had: &RangeSet) -> RangeSet {
    let asked: RangeSet = world.asked[since..].iter().map(|run| run.first..run.end()).collect();
    had.iter().flat_map(|range| asked.overlaps(range).collect::<Vec<_>>()).collect()
}

/// Bytes a second that arrive in a stretch of time.
fn rate_over(world: &mut World, from: Duration, length: Duration) -> f64 {
    assert!(world.run_until(|world| world.now.0 >= from), "it ended before");
    let (began, before) = (world.now.0, world.arrived_bytes);
    assert!(world.run_until(|world| world.now.0 >= from + length), "it ended before");
    (world.arrived_bytes - before) as f64 / (world.now.0 - began).as_secs_f64()
}

fn limited(size: u64, rate_limit: u64) -> Scenario {
    let mut scenario = Scenario::plain(size);
    scenario.servers = vec![(ServerScript::honest(), link(10, 60e6))];
    scenario.memory_budget = 64 * MIB;
    scenario.rate_limit = Some(rate_limit);
    scenario
}

#[test]
fn every_lie_of_a_lone_server_ends_the_transfer_with_its_reason() {
    for lie in Lie::ALL {
        let mut scenario = Scenario::plain(2 * MIB);
        scenario.servers = vec![(dishonest(lie), link(5, 1e6))];
        // The first connection gives the right size, as long as it lasts.
        scenario.blows = vec![(Duration::from_millis(500), Blow::RestartServers { down: Duration::from_secs(1) })];
        let mut world = world(scenario);
        assert_eq!(world.run(), Phase::Failed, "{lie:?}");
        world.check_verified();
        let problem = world.transfer.progress().problem.expect("a failure has a reason");
        let fits = match lie {
            Lie::WrongBlock | Lie::AllZero => problem == Problem::BadBlocks,
            Lie::Huge => problem == Problem::Storage(StoreError::Full),
            Lie::CancelsAll => matches!(problem, Problem::Server { code: ErrorCode::Cancelled, .. }),
            _ => matches!(problem, Problem::Protocol(_)),
        };
        assert!(fits, "{lie:?}: {problem:?}");
    }
}

#[test]
fn a_first_description_that_a_bad_line_garbled_is_corrected_by_the_next() {
    for misheard in [Misheard::Size, Misheard::Version, Misheard::Root] {
        for (hashing, connections) in [(0, 4), (0, 1), (60, 4), (60, 1)] {
            let mut scenario = Scenario::plain(2 * MIB);
            let hashing = Duration::from_millis(hashing);
            let script = ServerScript { misheard: Some(misheard), hashing, ..ServerScript::honest() };
            scenario.servers = vec![(script, Link { lifetime: Some(SECOND), ..link(5, 1e6) })];
            scenario.connections = connections;
            let world = completed(scenario);
            assert!(world.failures.is_empty(), "{misheard:?}, {connections} connections: {:?}", world.failures);
        }
    }
}

#[test]
fn a_lying_mirror_beside_an_honest_origin_does_no_harm() {
    for lie in Lie::ALL {
        let mut scenario = Scenario::plain(10 * MIB);
        scenario.servers = vec![(ServerScript::honest(), link(5, 5e6)), (dishonest(lie), link(1, 20e6))];
        let world = completed(scenario);
        assert!(world.failures.is_empty(), "{lie:?}: {:?}", world.failures);
        assert!(world.now.0 < Duration::from_secs(5), "{lie:?} cost {:?}", world.now.0);
    }
}

#[test]
fn answers_that_overtake_each_other_make_the_right_file() {
    let mut scenario = Scenario::plain(10 * MIB);
    let slow_thinker = ServerScript { thinking: Duration::from_millis(80), ..ServerScript::honest() };
    scenario.servers = vec![(slow_thinker.clone(), link(1, 20e6)), (slow_thinker, link(40, 20e6))];
    let world = completed(scenario);
    let overtakes = world.arrived.windows(2).filter(|pair| pair[1].first < pair[0].first).count();
    assert!(overtakes > 10, "only {overtakes} answers overtook another");
}

#[test]
fn the_window_stops_growing_when_the_pipe_is_full() {
    let mut scenario = Scenario::plain(16 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(20, 2e6))];
    scenario.connections = 1;
    scenario.memory_budget = 64 * MIB;
    let world = completed(scenario);
    // The pipe holds 80 KB; beyond that, the first rounds may overshoot.
    assert!(world.peak < MIB / 2, "{} bytes in flight", world.peak);
}

#[test]
fn a_slow_line_is_not_taken_for_a_stalled_one() {
    for rate in [1500.0, 3000.0, 6000.0] {
        let mut scenario = Scenario::plain(10 * MIB);
        scenario.servers = vec![(ServerScript::honest(), link(300, rate))];
        scenario.connections = 1;
        let world = completed(scenario);
        assert_eq!(world.connects, 1, "{rate} bytes a second");
        assert_eq!(world.fetched().1, 0, "{rate} bytes a second");
    }
}

/// A line of a few hundred bytes a second that all connections share.
#[test]
fn a_very_slow_line_carries_a_file() {
    for (size, connections) in [(100_000, 1), (100_000, 4), (900_000, 4)] {
        for (rate, sees_bytes) in [500.0, 1000.0, 2000.0].into_iter().flat_map(|rate| [(rate, true), (rate, false)]) {
            let mut scenario = Scenario::plain(size);
            (scenario.connections, scenario.automatic) = (connections, true);
            scenario.servers = vec![(ServerScript::honest(), Link { shared: true, sees_bytes, ..link(300, rate) })];
            let world = completed(scenario);
            let case = format!("{size} bytes, {rate} a second, {connections} connections, sees bytes: {sees_bytes}");
            let (twice, ideal) = (world.fetched().1, size as f64 / rate);
            assert!(twice * BLOCK_SIZE <= if sees_bytes { 0 } else { size / 2 }, "{case}: {twice} blocks came twice");
            assert!(world.now.0.as_secs_f64() < ideal * 1.5 + 60.0, "{case}: {:?}, not {ideal:.0} s", world.now);
        }
    }
}

#[test]
fn a_shorter_file_leaves_nothing_of_a_longer_one() {
    let mut scenario = Scenario::plain(20_000);
    scenario.rubbish = 3_000_000;
    let world = completed(scenario);
    assert_eq!(world.disk.data().len(), 20_000);
}

/// A computer that sleeps: nothing runs for hours, and then everything is due at once.
#[test]
fn a_clock_that_jumps_for_hours_costs_a_new_connection_and_no_written_block() {
    let mut scenario = Scenario::plain(16 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 4e6))];
    let mut world = world(scenario);
    assert!(world.run_until(|world| written(world).len() > 800));
    let (had, asked_before, connects) = (written(&world), world.asked.len(), world.connects);
    world.now = world.now + Duration::from_secs(5000);
    world.transfer.handle_timeout(world.now);
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert!(asked_of(&world, asked_before, &had).is_empty());
    let again = world.connects - connects;
    assert!(again <= 2 * u32::from(world.scenario.connections), "{again} connections after the jump");
}

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let mut world = world(Scenario::plain(MIB));
    assert!(world.run_until(|world| !written(world).is_empty()));
    world.transfer.handle_timeout(wstp_engine::Instant::default());
    world.run();
    world.check_complete(world.scenario.edition);
    assert_eq!((world.failures.len(), world.fetched().1), (0, 0));
}

#[test]
fn an_empty_file_is_complete_without_a_block() {
    let world = completed(Scenario::plain(0));
    assert!(world.asked.is_empty());
}

#[test]
fn what_a_silent_connection_owes_is_asked_of_another() {
    let mut scenario = Scenario::plain(8 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 4e6))];
    scenario.connections = 2;
    let mut world = world(scenario);
    assert!(world.run_until(|world| written(world).len() > 400));
    world.fall_silent();
    world.run();
    world.check_complete(Edition { size: 8 * MIB, number: 0 });
    // The connection itself would be given up after 10 s only.
    assert!(world.now.0 < Duration::from_secs(5), "{:?}", world.now.0);
}

#[test]
fn a_lowered_memory_budget_holds() {
    let mut scenario = Scenario::plain(32 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(25, 20e6))];
    scenario.memory_budget = 8 * MIB;
    scenario.blows = vec![(Duration::from_millis(500), Blow::Budget(512 << 10))];
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.now.0 > Duration::from_millis(500)));
    assert!(world.peak > 4 * MIB, "{} bytes only", world.peak);
    // Earlier requests are answered by then.
    assert!(world.run_until(|world| world.now.0 > Duration::from_millis(700)));
    world.peak = 0;
    world.run();
    world.check_complete(Edition { size: 32 * MIB, number: 0 });
    assert!(world.peak <= 512 << 10, "{} bytes in memory", world.peak);
}

//! Transfers in which one thing happens, and what has to come of it.

use std::time::Duration;

use wstp_engine::{
    Command, Order, Phase, Problem, RangeSet, SourceId, Standing, StoreError, StoreReply, StoreRequest, journal,
};
use wstp_protocol::{BLOCK_SIZE, ErrorCode};

use crate::content::{Edition, SMALL_CHANGE};
use crate::disk::Crash;
use crate::random::Random;
use crate::server::{Lie, ServerScript};
use crate::world::{Blow, Link, Scenario, World};

const MIB: u64 = 1 << 20;
const SEED: u64 = 7;

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

/// A link whose rate all connections share, as that of a house does.
fn narrow(delay_ms: u64, rate: f64) -> Link {
    Link { shared: true, ..link(delay_ms, rate) }
}

fn dishonest(lie: Lie) -> ServerScript {
    ServerScript { lie: Some(lie), ..ServerScript::honest() }
}

fn written(world: &World) -> RangeSet {
    world.transfer.verified().chain(world.transfer.received()).collect()
}

/// The blocks of `had` that were asked for since so many runs were.
fn asked_of(world: &World, since: usize, had: &RangeSet) -> RangeSet {
    let asked: RangeSet = world.asked[since..].iter().map(|run| run.first..run.end()).collect();
    had.iter().flat_map(|range| asked.overlaps(range).collect::<Vec<_>>()).collect()
}

#[test]
fn every_lie_of_a_lone_server_ends_the_transfer_with_its_reason() {
    for lie in Lie::ALL {
        let mut scenario = Scenario::plain(2 * MIB);
        scenario.servers = vec![(dishonest(lie), link(5, 1e6))];
        // The first connection tells the truth about the size, as long as it lasts.
        scenario.blows = vec![(Duration::from_millis(500), Blow::RestartServers { down: Duration::from_secs(1) })];
        let mut world = world(scenario);
        assert_eq!(world.run(), Phase::Failed, "{lie:?}");
        world.check_verified();
        let problem = world.transfer.progress().problem.expect("a failure has a reason");
        let fits = match lie {
            Lie::WrongBlock => problem == Problem::BadBlocks,
            Lie::Huge => problem == Problem::Storage(StoreError::Full),
            Lie::CancelsAll => matches!(problem, Problem::Server { code: ErrorCode::Cancelled, .. }),
            _ => matches!(problem, Problem::Protocol(_)),
        };
        assert!(fits, "{lie:?}: {problem:?}");
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
fn blocks_are_asked_for_head_first() {
    let mut scenario = Scenario::plain(5 * MIB);
    scenario.connections = 1;
    let world = completed(scenario);
    let next = world.asked.iter().fold(0, |next, run| {
        assert_eq!(run.first, next, "not the lowest missing block");
        run.end()
    });
    assert_eq!(next, 5 * MIB / BLOCK_SIZE);
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
fn a_shorter_file_leaves_nothing_of_a_longer_one() {
    let mut scenario = Scenario::plain(20_000);
    scenario.rubbish = 3_000_000;
    let world = completed(scenario);
    assert_eq!(world.disk.data().len(), 20_000);
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
fn a_kill_costs_no_more_than_one_commit_and_what_came_while_it_was_written() {
    let mut scenario = Scenario::plain(16 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 10e6))];
    scenario.commit_bytes = 2 * MIB;
    scenario.commit_interval = Duration::from_secs(60);
    let mut world = world(scenario);
    for part in 1..4 {
        assert!(world.run_until(|world| written(world).len() > 512 * part));
        let (had, asked_before) = (written(&world), world.asked.len());
        world.crash(Crash::Kill);
        assert!(world.run_until(|world| written(world).len() > 512 * part + 256));
        let again = asked_of(&world, asked_before, &had).len() * BLOCK_SIZE;
        assert!(again <= 2 * MIB + (256 << 10), "{again} bytes were asked for again");
    }
    world.run();
    world.check_complete(Edition { size: 16 * MIB, number: 0 });
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
    // What was asked for before is here by then.
    assert!(world.run_until(|world| world.now.0 > Duration::from_millis(700)));
    world.peak = 0;
    world.run();
    world.check_complete(Edition { size: 32 * MIB, number: 0 });
    assert!(world.peak <= 512 << 10, "{} bytes in memory", world.peak);
}

#[test]
fn of_a_changed_file_only_the_blocks_that_differ_are_fetched_again() {
    let changed = Edition { size: 16 * MIB, number: SMALL_CHANGE };
    let mut scenario = Scenario::plain(changed.size);
    scenario.servers = vec![(ServerScript::honest(), link(5, 3e6))];
    scenario.blows = vec![(Duration::from_secs(1), Blow::ChangeFile(changed))];
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.failures == [Problem::Changed]));
    let (had, asked_before) = (written(&world), world.asked.len());
    assert!(had.len() > 500, "only {} blocks", had.len());
    world.run();
    world.check_complete(changed);
    assert_eq!(asked_of(&world, asked_before, &had).iter().collect::<Vec<_>>(), [3..4]);
    assert_eq!(world.failures, [Problem::Changed]);
}

#[test]
fn a_full_disk_stops_the_transfer_until_there_is_room() {
    let mut scenario = Scenario::plain(4 * MIB);
    scenario.blows = vec![(Duration::from_millis(40), Blow::DiskFull { after: 3 })];
    let world = completed(scenario);
    assert_eq!(world.failures, [Problem::Storage(StoreError::Full)]);
}

#[test]
fn a_nonsensical_answer_of_storage_is_a_failure_of_storage() {
    let wants_write = |world: &World| matches!(world.next_store(), Some(StoreRequest::Write { .. }));
    let mut world = world(Scenario::plain(MIB));
    assert!(world.run_until(wants_write));
    let before = written(&world);
    world.storage_replies(StoreReply::Hashes(vec![[0; 32]]));
    assert_eq!(written(&world), before);
    assert!(world.run_until(|world| world.transfer.progress().phase == Phase::Failed));
    assert_eq!(world.transfer.progress().problem, Some(Problem::Storage(StoreError::Io)));
}

/// A journal cut off or garbled anywhere, over data that is spoilt wherever the believed part claims nothing.
#[test]
fn any_beginning_of_a_journal_is_a_right_start() {
    let mut scenario = Scenario::plain(2 * MIB + 5);
    scenario.commit_bytes = 128 << 10;
    scenario.servers[0].0.hashing = Duration::from_millis(40);
    let edition = scenario.edition;
    let mut whole = completed(scenario);
    let (journal, mut random) = (whole.disk.journal.clone(), Random::new(SEED));
    for round in 0..150 {
        let mut start = journal[..random.below(journal.len() as u64 + 1) as usize].to_vec();
        if round % 3 > 0 && !start.is_empty() {
            let back = random.below(start.len().min(400) as u64) as usize;
            let at = start.len() - 1 - back;
            start[at] ^= 1 << random.below(8);
        }
        let (recovered, valid) = journal::replay(&start);
        assert!(journal.starts_with(&start[..valid as usize]), "more than what was written is believed");
        let mut claimed = recovered.verified().clone();
        claimed.extend(recovered.received());
        for gap in claimed.gaps(0..edition.size.div_ceil(BLOCK_SIZE)) {
            let end = (gap.end * BLOCK_SIZE).min(edition.size);
            whole.disk.spoil((gap.start * BLOCK_SIZE) as usize..end as usize);
        }
        whole.disk.journal = start;
        whole.asked.clear();
        whole.restart();
        whole.run();
        whole.check_complete(edition);
        let (fetched, again) = whole.fetched();
        assert_eq!(again, 0);
        assert_eq!(fetched.len() + claimed.len(), edition.size.div_ceil(BLOCK_SIZE), "round {round}");
    }
}

#[test]
fn a_change_while_the_file_is_being_opened_is_noticed() {
    let changed = Edition { size: MIB, number: 1 };
    let mut scenario = Scenario::plain(MIB);
    scenario.servers[0].0.thinking = Duration::from_millis(400);
    scenario.servers[0].0.hashing = Duration::from_secs(10);
    let crash = Duration::from_secs(8);
    for ms in (0..1000).step_by(10) {
        // Everything is here but the file's hash, so no other request shows that the handle is stale.
        let change = crash + Duration::from_millis(ms);
        scenario.blows = vec![(crash, Blow::Crash(Crash::Kill)), (change, Blow::ChangeFile(changed))];
        let mut world = world(scenario.clone());
        world.run();
        world.check_complete(changed);
    }
}

#[test]
fn a_change_is_on_record_before_the_data_file_is_cut() {
    let (long, short) = (Edition { size: 2 * MIB, number: 0 }, Edition { size: MIB, number: 1 });
    let mut scenario = Scenario::plain(long.size);
    scenario.servers = vec![(ServerScript::honest(), link(5, 1e6))];
    // The file becomes shorter, the program dies at any moment of the update, and the file becomes what it was.
    scenario.blows = vec![
        (Duration::from_millis(1500), Blow::ChangeFile(short)),
        (Duration::from_millis(2500), Blow::ChangeFile(long)),
    ];
    for step in 0..80 {
        let mut world = world(scenario.clone());
        assert!(world.run_until(|world| !world.failures.is_empty()));
        for _ in 0..step {
            world.step();
        }
        world.crash(Crash::PowerLoss);
        world.run();
        world.check_complete(long);
    }
}

/// Bytes a second that arrive in a stretch of time.
fn rate_over(world: &mut World, from: Duration, length: Duration) -> f64 {
    assert!(world.run_until(|world| world.now.0 >= from), "it ended before");
    let (began, before) = (world.now.0, world.arrived_bytes);
    assert!(world.run_until(|world| world.now.0 >= from + length), "it ended before");
    (world.arrived_bytes - before) as f64 / (world.now.0 - began).as_secs_f64()
}

fn assert_near(rate: f64, wanted: u64) {
    assert!((rate / wanted as f64 - 1.0).abs() < 0.05, "{rate:.0} bytes a second instead of {wanted}");
}

const SECOND: Duration = Duration::from_secs(1);

fn limited(size: u64, rate_limit: u64) -> Scenario {
    let mut scenario = Scenario::plain(size);
    scenario.servers = vec![(ServerScript::honest(), link(10, 60e6))];
    scenario.memory_budget = 64 * MIB;
    scenario.rate_limit = Some(rate_limit);
    scenario
}

#[test]
fn a_rate_limit_holds_to_five_in_a_hundred() {
    for rate in [64 << 10, 300_000, 2 * MIB, 10 * MIB] {
        let mut world = world(limited(6 * rate, rate));
        assert_near(rate_over(&mut world, SECOND / 2, 5 * SECOND), rate);
        world.run();
        world.check_complete(world.scenario.edition);
    }
    let mut world = world(limited(110 * MIB, 100 * MIB));
    assert_near(rate_over(&mut world, SECOND / 4, SECOND / 2), 100 * MIB);
}

#[test]
fn a_rate_limit_is_smooth_and_piles_nothing_up() {
    let rate = MIB;
    let mut world = world(limited(8 * MIB, rate));
    for step in 5..50 {
        let bytes = rate_over(&mut world, SECOND / 10 * step, SECOND / 10) / 10.0;
        assert!((bytes / (rate as f64 / 10.0) - 1.0).abs() < 0.6, "{bytes} bytes in a tenth of a second");
    }
    assert!(world.peak <= 256 << 10, "{} bytes in flight", world.peak);
}

#[test]
fn a_change_of_the_limit_counts_within_a_quarter_of_a_second() {
    let mut scenario = limited(80 * MIB, 20 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(10, 20e6))];
    scenario.blows = vec![
        (SECOND, Blow::RateLimit(Some(MIB))),
        (2 * SECOND, Blow::RateLimit(Some(20 * MIB))),
        (3 * SECOND, Blow::RateLimit(None)),
    ];
    let mut world = world(scenario);
    let settled = Duration::from_millis(250);
    assert_near(rate_over(&mut world, SECOND / 2, SECOND / 2), 20 * MIB);
    assert_near(rate_over(&mut world, SECOND + settled, SECOND - settled), MIB);
    assert_near(rate_over(&mut world, 2 * SECOND + settled, SECOND - settled), 20 * MIB);
    let free = rate_over(&mut world, 3 * SECOND + settled, SECOND / 10);
    assert!(free > 70e6, "{free:.0} bytes a second without a limit");
}

#[test]
fn a_rate_limit_far_below_the_patience_stalls_nothing() {
    let mut scenario = limited(40 * BLOCK_SIZE, 1000);
    scenario.servers[0].0.limits.idle_timeout_ms = 1000;
    let world = completed(scenario);
    assert_eq!(world.transfer.progress().sources[0].problem, None);
    assert_eq!(world.connects, 1, "connections were lost");
    assert_eq!(world.fetched().1, 0);
}

#[test]
fn from_a_playhead_its_block_comes_first_and_the_start_last() {
    let mut scenario = limited(12 * MIB, 4 * MIB);
    scenario.connections = 1;
    let mut world = world(scenario);
    world.transfer.handle_command(world.now, Command::SetOrder(Order::From(1000)));
    world.run();
    world.check_complete(world.scenario.edition);
    let firsts: Vec<_> = world.asked.iter().map(|run| run.first).collect();
    assert_eq!(firsts[0], 1000);
    let wrap = firsts.iter().position(|first| *first == 0).expect("the first block is asked for");
    assert!(firsts[..wrap].is_sorted() && firsts[wrap..].is_sorted(), "{firsts:?}");
    assert!(firsts[..wrap].iter().all(|first| *first >= 1000));
    assert_eq!(world.fetched().1, 0);
}

#[test]
fn a_moved_playhead_is_followed_at_once() {
    let mut scenario = limited(24 * MIB, 4 * MIB);
    scenario.blows = vec![
        (SECOND, Blow::Order(Order::From(2000))),
        (2 * SECOND, Blow::Order(Order::From(1200))),
        (3 * SECOND, Blow::Order(Order::HeadFirst)),
    ];
    let mut world = world(scenario);
    for (at, playhead) in [(1, 2000), (2, 1200), (3, 0)] {
        assert!(world.run_until(|world| world.now.0 > at * SECOND));
        let wanted = world.fetched().0.gaps(playhead..3072).next().expect("something is missing").start;
        let since = world.asked.len();
        assert!(world.run_until(|world| world.asked.len() > since));
        assert_eq!(world.asked[since].first, wanted);
    }
    world.run();
    world.check_complete(world.scenario.edition);
}

#[test]
fn a_playhead_past_the_end_is_the_start() {
    let mut world = world(Scenario::plain(MIB));
    world.transfer.handle_command(world.now, Command::SetOrder(Order::From(u64::MAX)));
    world.run();
    world.check_complete(world.scenario.edition);
    assert_eq!(world.asked[0].first, 0);
}

/// Several honest sources, each at the end of a narrow link.
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

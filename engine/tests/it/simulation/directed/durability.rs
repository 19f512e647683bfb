//! Tests what is kept when something ends or changes.

use std::time::Duration;

use wstp_engine::{Command, Phase, Problem, RangeSet, StoreError, StoreReply, StoreRequest, journal};
use wstp_protocol::BLOCK_SIZE;

use super::{MIB, SEED, asked_of, completed, link, world, written};
use crate::simulation::content::{Edition, SMALL_CHANGE};
use crate::simulation::disk::Crash;
use crate::simulation::server::ServerScript;
use crate::simulation::world::{Blow, Scenario, World};
use wstp_testkit::Random;

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
fn what_was_received_before_the_hashes_were_known_is_proved_by_a_few_of_them() {
    for (corruption, most) in [(0.0, 8), (0.02, 8 * 1024 + 8)] {
        let mut scenario = Scenario::plain(64 * MIB);
        let script = ServerScript { hashing: Duration::from_secs(30), corruption, ..ServerScript::honest() };
        scenario.servers = vec![(script, link(5, 20e6))];
        scenario.faults_until = Duration::from_secs(20);
        let mut world = world(scenario);
        world.run();
        world.check_complete(world.scenario.edition);
        assert!(world.arrived_hashes <= most, "{} hashes came for 8 pages", world.arrived_hashes);
    }
}

#[test]
fn a_complete_file_that_is_opened_again_becomes_what_the_server_has_now() {
    for size in [1, BLOCK_SIZE, MIB, 20 * MIB] {
        for (size_now, number) in [(size, 0), (size, 1), (size, SMALL_CHANGE), (size + 9000, 1)] {
            let now = Edition { size: size_now, number };
            let mut world = completed(Scenario::plain(size));
            let complete = world.disk.open();
            *world.disk.journal() = complete.reopened();
            world.scenario.blows.push((Duration::ZERO, Blow::ChangeFile(now)));
            world.change_file(now);
            world.restart();
            world.run();
            world.check_complete(now);
        }
    }
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
fn a_file_of_which_only_the_date_changed_goes_on_and_nothing_is_fetched_again() {
    // Its hash is known before, known only after a while, or not known yet when the date changes.
    for hashing in [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(3)] {
        let mut scenario = Scenario::plain(16 * MIB);
        scenario.servers = vec![(ServerScript { hashing, ..ServerScript::honest() }, link(5, 1e6))];
        scenario.blows = vec![(Duration::from_secs(2), Blow::ChangeFile(scenario.edition))];
        let mut world = world(scenario);
        assert!(world.run_until(|world| world.now.0 >= Duration::from_secs(2)));
        let (had, asked_before) = (written(&world), world.asked.len());
        assert!(had.len() > 300, "only {} blocks", had.len());
        world.run();
        world.check_complete(world.scenario.edition);
        assert!(world.failures.is_empty(), "{:?}", world.failures);
        assert!(asked_of(&world, asked_before, &had).is_empty());
    }
}

#[test]
fn a_full_disk_stops_the_transfer_until_there_is_room() {
    let mut scenario = Scenario::plain(4 * MIB);
    scenario.blows = vec![(Duration::from_millis(40), Blow::DiskFull { after: 3 })];
    let world = completed(scenario);
    assert_eq!(world.failures, [Problem::Storage(StoreError::Full)]);
}

#[test]
fn what_was_written_before_the_disk_was_full_is_on_record() {
    let wants_write = |world: &World| matches!(world.next_store(), Some(StoreRequest::Write { .. }));
    let mut world = world(Scenario::plain(4 * MIB));
    assert!(world.run_until(|world| written(world).len() > 100 && wants_write(world)));
    world.storage_replies(StoreReply::Failed(StoreError::Full));
    assert!(world.run_until(|world| world.transfer.progress().phase == Phase::Failed));
    let recovered = world.disk.recovered();
    let on_record: RangeSet = recovered.verified().iter().chain(recovered.received().iter()).collect();
    assert_eq!(on_record, written(&world));
    world.transfer.handle_command(world.now, Command::Resume);
    world.run();
    world.check_complete(world.scenario.edition);
}

#[test]
fn a_full_disk_is_told_also_where_the_last_record_fails_otherwise() {
    let wants_write = |world: &World| matches!(world.next_store(), Some(StoreRequest::Write { .. }));
    let wants_record = |world: &World| {
        matches!(world.next_store(), Some(StoreRequest::WriteHashes { .. } | StoreRequest::Commit { .. }))
    };
    let mut world = world(Scenario::plain(4 * MIB));
    assert!(world.run_until(|world| written(world).len() > 100 && wants_write(world)));
    world.storage_replies(StoreReply::Failed(StoreError::Full));
    assert!(world.run_until(wants_record));
    world.storage_replies(StoreReply::Failed(StoreError::Io));
    assert!(world.run_until(|world| world.transfer.progress().phase == Phase::Failed));
    assert_eq!(world.transfer.progress().problem, Some(Problem::Storage(StoreError::Full)));
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

#[test]
fn a_journal_that_grew_long_is_compacted_and_loses_nothing() {
    let mut scenario = Scenario::plain(16 * MIB);
    (scenario.commit_bytes, scenario.journal_bytes) = (128 << 10, 200);
    let mut world = completed(scenario);
    assert!(world.disk.compacted > 2, "compacted {} times", world.disk.compacted);
    assert!(world.disk.journals.iter().all(|journal| journal.len() < 1000));
    world.asked.clear();
    world.restart();
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.asked.is_empty(), "something that was here was fetched again");
}

#[test]
fn a_disk_without_room_for_a_second_journal_goes_on_with_the_first_one() {
    let mut scenario = Scenario::plain(16 * MIB);
    (scenario.commit_bytes, scenario.journal_bytes) = (128 << 10, 200);
    let mut world = world(scenario);
    let compacts = |world: &World| matches!(world.next_store(), Some(StoreRequest::Compact { .. }));
    assert!(world.run_until(compacts));
    world.storage_replies(StoreReply::Failed(StoreError::Full));
    let before = world.disk.recovered();
    assert!(world.run_until(|world| world.disk.recovered() != before));
    assert_eq!(world.disk.compacted, 0, "it is not tried again at once");
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert!(world.disk.compacted > 0);
}

/// A journal cut off or garbled anywhere, over data that is spoilt wherever the believed part claims nothing.
#[test]
fn any_beginning_of_a_journal_is_a_right_start() {
    let mut scenario = Scenario::plain(2 * MIB + 5);
    scenario.commit_bytes = 128 << 10;
    scenario.servers[0].0.hashing = Duration::from_millis(40);
    let edition = scenario.edition;
    let mut whole = completed(scenario);
    let (journal, mut random) = (whole.disk.journal().clone(), Random::new(SEED));
    for round in 0..150 {
        let mut start = journal[..random.below(journal.len() as u64 + 1) as usize].to_vec();
        if round % 3 > 0 && !start.is_empty() {
            let back = random.below(start.len().min(400) as u64) as usize;
            let at = start.len() - 1 - back;
            start[at] ^= 1 << random.below(8);
        }
        let (recovered, end) = journal::replay([&start, &[]]);
        assert!(journal.starts_with(&start[..end.length as usize]), "more than what was written is believed");
        let mut claimed = recovered.verified().clone();
        claimed.extend(recovered.received());
        for gap in claimed.gaps(0..edition.size.div_ceil(BLOCK_SIZE)) {
            let end = (gap.end * BLOCK_SIZE).min(edition.size);
            whole.disk.spoil((gap.start * BLOCK_SIZE) as usize..end as usize);
        }
        whole.disk.journals = [start, Vec::new()];
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

#[test]
fn what_was_verified_of_the_old_file_is_never_said_of_the_new_one() {
    let changed = Edition { size: 2 * MIB, number: 1 };
    let mut scenario = Scenario::plain(changed.size);
    scenario.servers = vec![(ServerScript::honest(), link(5, 4e6))];
    // Blocks are compared while others are written, and the change comes in between.
    scenario.servers[0].0.hashing = Duration::from_millis(100);
    for step in 0..60 {
        scenario.store_time = Duration::from_millis([5, 20, 60][step % 3]);
        let at = Duration::from_millis(100 + 4 * step as u64);
        scenario.blows = vec![(at, Blow::ChangeFile(changed))];
        let mut world = world(scenario.clone());
        while world.step() {
            world.check_journal();
        }
        world.check_complete(changed);
    }
}

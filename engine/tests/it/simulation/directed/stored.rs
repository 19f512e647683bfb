//! Data that an earlier run stored. The transfer reads it back beside the download before it counts, and fetches it
//! again where it is wrong.

use std::time::Duration;

use wstp_engine::{Phase, RangeSet, StoreError, StoreReply, StoreRequest};
use wstp_protocol::BLOCK_SIZE;

use super::{MIB, asked_of, completed, link, world, written};
use crate::simulation::content::{Edition, SMALL_CHANGE};
use crate::simulation::disk::{Crash, Damage};
use crate::simulation::server::ServerScript;
use crate::simulation::world::{Blow, Scenario, World};

const DAMAGES: [Damage; 4] =
    [Damage::Changed(300, 100_000), Damage::Cut(2), Damage::Swapped(100, 400, 3), Damage::NoHashes];

fn slow(size: u64) -> Scenario {
    let mut scenario = Scenario::plain(size);
    scenario.servers = vec![(ServerScript::honest(), link(5, 3e6))];
    scenario
}

/// Half of a file is there, and the program was killed.
fn half(scenario: Scenario) -> (World, RangeSet) {
    let blocks = scenario.edition.size / BLOCK_SIZE;
    let mut world = world(scenario);
    assert!(world.run_until(|world| written(world).len() > blocks / 2));
    world.crash(Crash::Kill);
    let kept = written(&world);
    assert!(kept.len() > blocks / 3, "{} blocks", kept.len());
    (world, kept)
}

#[test]
fn what_became_wrong_between_two_runs_is_fetched_again_and_nothing_else() {
    for damage in DAMAGES {
        let (mut world, kept) = half(slow(24 * MIB));
        world.damage(damage);
        let (damaged, asked_before) = (world.disk.damaged.clone(), world.asked.len());
        assert!(damage == Damage::NoHashes || !damaged.is_empty(), "{damage:?} does nothing");
        world.restart();
        world.run();
        world.check_complete(world.scenario.edition);
        assert!(world.failures.is_empty(), "{:?}", world.failures);
        let wrong: RangeSet = kept.iter().flat_map(|range| damaged.overlaps(range).collect::<Vec<_>>()).collect();
        assert_eq!(asked_of(&world, asked_before, &kept), wrong, "{damage:?}");
    }
}

#[test]
fn of_what_is_right_no_page_of_hashes_is_fetched() {
    let (mut world, kept) = half(slow(96 * MIB));
    let before = world.arrived_hashes;
    world.run();
    world.check_complete(world.scenario.edition);
    let (arrived, pages) = (world.arrived_hashes - before, kept.len() as usize / 1024);
    // The pages of what is missing, one of which holds a part of what was here, and one node for each page.
    assert!(arrived <= (12 - pages + 1) * 1024 + 12, "{arrived} hashes for {pages} pages that were here");
}

#[test]
fn nothing_counts_as_verified_before_it_was_read_back() {
    let (mut world, kept) = half(slow(24 * MIB));
    let progress = world.transfer.progress();
    assert_eq!((progress.verified, progress.received), (0, kept.len() * BLOCK_SIZE));
    assert_eq!(progress.unchecked, progress.received);
    assert!(world.run_until(|world| world.transfer.progress().verified > 0));
    world.run();
    assert_eq!(world.transfer.progress().unchecked, 0);
}

#[test]
fn a_complete_file_is_complete_again_only_when_all_of_it_was_read_back() {
    for damage in [None].into_iter().chain(DAMAGES.map(Some)) {
        let mut world = completed(slow(12 * MIB));
        damage.into_iter().for_each(|damage| world.damage(damage));
        let (damaged, asked_before) = (world.disk.damaged.clone(), world.asked.len());
        world.restart();
        assert_ne!(world.transfer.progress().phase, Phase::Complete);
        assert!(world.run_until(|world| world.transfer.progress().phase == Phase::Checking));
        let percent = world.transfer.progress().checked_percent();
        assert!(percent < 100, "{percent}");
        world.run();
        world.check_complete(world.scenario.edition);
        let longest = world.rehashed.iter().map(|run| run.count).max();
        assert_eq!(longest, Some(1024), "when nothing else is to be done, long runs are read");
        let all = std::iter::once(0..12 * MIB / BLOCK_SIZE).collect();
        let wrong: RangeSet = damaged.iter().map(|range| range.start..range.end.min(12 * MIB / BLOCK_SIZE)).collect();
        assert_eq!(asked_of(&world, asked_before, &all), wrong, "{damage:?}");
    }
}

#[test]
fn the_download_goes_on_at_once_and_hardly_feels_the_reading_back() {
    let mut scenario = slow(48 * MIB);
    scenario.store_time = Duration::from_millis(4);
    let (mut world, _) = half(scenario);
    let (began, asked_before, read_before) = (world.now, world.asked.len(), world.rehashed.len());
    assert!(world.run_until(|world| world.asked.len() > asked_before));
    // Hello and open take a round trip each.
    assert!(world.now - began < Duration::from_millis(30), "{:?} until something is asked for", world.now - began);
    let asked_at = world.now;
    assert!(world.run_until(|world| written(world).len() == 48 * MIB / BLOCK_SIZE));
    let (took, read) = (world.now - asked_at, world.rehashed.len() - read_before);
    // Each takes 2 ms of the disk on average.
    let share = (read * 2) as f64 / took.as_secs_f64() / 1000.0;
    assert!(read > 20 && share < 0.08, "{read} runs were read back in {took:?}: {share}");
    assert!(world.rehashed[read_before..].iter().all(|run| run.count <= 128), "a long run is read beside the download");
    world.run();
    world.check_complete(world.scenario.edition);
}

#[test]
fn a_kill_while_reading_back_loses_nothing() {
    let (mut world, kept) = half(slow(24 * MIB));
    world.damage(Damage::Changed(300, 100_000));
    let (damaged, asked_before) = (world.disk.damaged.clone(), world.asked.len());
    world.restart();
    for crash in [Crash::Kill, Crash::PowerLoss, Crash::Kill] {
        let read = world.rehashed.len();
        assert!(world.run_until(|world| world.rehashed.len() > read + 2));
        world.crash(crash);
    }
    world.run();
    world.check_complete(world.scenario.edition);
    let again = asked_of(&world, asked_before, &kept);
    assert!(again.iter().all(|range| damaged.covers(&range)), "{again:?} were asked for, {damaged:?} were wrong");
}

#[test]
fn what_the_disk_can_not_read_is_fetched_again() {
    let (mut world, _) = half(slow(12 * MIB));
    world.scenario.store_time = Duration::from_millis(100);
    let reads = |world: &World| matches!(world.next_store(), Some(StoreRequest::Rehash { .. }));
    assert!(world.run_until(reads));
    let Some(StoreRequest::Rehash { run, .. }) = world.next_store().cloned() else { unreachable!("it reads") };
    let (unreadable, asked_before) = (std::iter::once(run.first..run.end()).collect(), world.asked.len());
    world.storage_replies(StoreReply::Failed(StoreError::Io));
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(asked_of(&world, asked_before, &unreadable), unreadable);
}

#[test]
fn a_journal_that_claims_everything_of_a_file_of_many_pages_is_proved_without_it() {
    let mut world = completed(slow(80 * MIB));
    let before = world.arrived_hashes;
    world.restart();
    world.run();
    world.check_complete(world.scenario.edition);
    assert!(world.arrived_hashes - before <= 10, "{} hashes for 10 pages", world.arrived_hashes - before);
    assert!(world.disk.recovered().is_complete());
}

#[test]
fn damage_to_blocks_that_were_verified_is_counted_and_a_changed_file_is_none() {
    let mut world = completed(Scenario::plain(4 * MIB));
    world.damage(Damage::Changed(500, 1));
    world.restart();
    world.run();
    world.check_complete(world.scenario.edition);
    assert_eq!(world.transfer.progress().damaged, BLOCK_SIZE);
    let changed = Edition { number: SMALL_CHANGE, ..world.scenario.edition };
    world.scenario.blows.push((Duration::ZERO, Blow::ChangeFile(changed)));
    world.change_file(changed);
    world.restart();
    world.run();
    world.check_complete(changed);
    assert_eq!(world.transfer.progress().damaged, 0);
}

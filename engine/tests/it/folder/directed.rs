//! Folders with one event each, and the required result.

use std::time::Duration;

use wstp_engine::folder::{FolderCommand, FolderId, FolderProblem, MAX_DEPTH, MAX_ENTRIES};
use wstp_engine::{Phase, Problem};
use wstp_protocol::ErrorCode;
use wstp_protocol::limits::MAX_BUNDLED_FILE;

use crate::folder::server::{Lie, ServerScript};
use crate::folder::share::Share;
use crate::folder::world::{Blow, Scenario, World};

const SEED: u64 = 7;

fn world(scenario: Scenario) -> World {
    World::new(scenario, SEED)
}

fn completed(scenario: Scenario) -> World {
    let mut world = world(scenario);
    world.run();
    world.check_complete();
    world
}

#[test]
fn ten_thousand_small_files_cost_few_round_trips() {
    let mut scenario = Scenario::plain(Share::uniform(100, 100, 4096));
    scenario.delay = Duration::from_millis(50);
    scenario.rate = 25e6;
    let world = completed(scenario);
    assert_eq!(world.connects, 1);
    assert!(world.bundles <= 250, "{} requests", world.bundles);
    // 41 MB at 25 MB a second, and the round trips in which the windows grow.
    assert!(world.now.0 < Duration::from_millis(3500), "{:?}", world.now);
    assert!(world.commits <= 25, "{} commits", world.commits);
}

#[test]
fn larger_files_after_small_ones_on_a_slow_line_are_waited_for() {
    let mut share = Share::uniform(1, 20, 1000);
    for number in 0..10 {
        share.file("", &format!("larger{number}"), MAX_BUNDLED_FILE);
    }
    let mut scenario = Scenario::plain(share);
    scenario.delay = Duration::from_millis(100);
    scenario.rate = 5000.0;
    assert_eq!(completed(scenario).connects, 1);
}

/// A line of a few hundred bytes a second. One message takes longer than a connection may be silent elsewhere.
#[test]
fn a_very_slow_line_carries_a_folder() {
    for (size, rate, sees_bytes) in [50_000, 1000, MAX_BUNDLED_FILE]
        .into_iter()
        .flat_map(|size| [500.0, 1000.0, 2000.0, 3000.0].map(|rate| (size, rate)))
        .flat_map(|(size, rate)| [true, false].map(|sees_bytes| (size, rate, sees_bytes)))
    {
        let count = 200_000 / size;
        let mut share = Share::uniform(1, count, size);
        for number in 0..200 {
            share.folder("", &format!("a folder with nothing in it {number}"));
        }
        let mut scenario = Scenario::plain(share);
        (scenario.delay, scenario.rate, scenario.sees_bytes) = (Duration::from_millis(300), rate, sees_bytes);
        let world = completed(scenario);
        let (connects, bytes) = (world.connects, world.arrived_bytes);
        let case = format!("{size} bytes a file, {rate} a second, sees bytes: {sees_bytes}");
        // A client that sees no bytes finds out by trying how long one file takes.
        assert!(connects <= if sees_bytes { 1 } else { 4 }, "{case}: {connects} connections");
        let ideal = bytes as f64 / rate;
        assert!(
            world.now.0.as_secs_f64() < ideal * if sees_bytes { 1.1 } else { 2.0 } + 60.0,
            "{case}: {:?}",
            world.now
        );
    }
}

#[test]
fn what_is_there_already_is_not_asked_for() {
    let mut scenario = Scenario::plain(Share::uniform(3, 10, 100));
    scenario.looks = true;
    let world = completed(scenario);
    assert_eq!((world.keeps, world.fetches), (10, 10));
}

#[test]
fn an_empty_folder_is_complete() {
    let world = completed(Scenario::plain(Share::empty()));
    assert_eq!((world.bundles, world.commits), (0, 1));
}

#[test]
fn large_files_are_handed_out_a_few_at_a_time() {
    let mut share = Share::uniform(1, 20, 100);
    for number in 0..5 {
        share.file("", &format!("large{number}"), MAX_BUNDLED_FILE + 1 + number);
    }
    share.file("", "just small", MAX_BUNDLED_FILE);
    let world = completed(Scenario::plain(share));
    assert_eq!((world.most_fetches, world.keeps), (2, 21));
}

#[test]
fn without_bundles_every_file_is_handed_out() {
    let mut scenario = Scenario::plain(Share::uniform(3, 10, 100));
    scenario.server.bundles = false;
    let world = completed(scenario);
    assert_eq!((world.bundles, world.keeps), (0, 0));
}

#[test]
fn a_file_that_cannot_be_had_does_not_keep_the_others_away() {
    let mut share = Share::uniform(2, 30, 1000);
    share.file("d000", "f0007", 1000).trouble = Some(ErrorCode::NotFound);
    share.file("d001", "f0001", 1000).trouble = Some(ErrorCode::Io);
    let mut world = completed(Scenario::plain(share));
    assert_eq!((world.folder.progress().files_done, world.folder.progress().files_failed), (58, 2));
    // The server recovers, and the user retries.
    for (folder, name) in [("d000", "f0007"), ("d001", "f0001")] {
        world.scenario.share.file(folder, name, 1000).trouble = None;
    }
    world.folder.handle_command(world.now, FolderCommand::Resume);
    assert_eq!(world.run(), Phase::Complete);
    world.check_complete();
}

#[test]
fn after_a_crash_only_what_was_not_on_record_is_fetched_again() {
    let mut scenario = Scenario::plain(Share::uniform(10, 100, 4096));
    scenario.commit_files = 100;
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.folder.progress().files_done >= 600));
    world.blow(Blow::Crash);
    let recovered = world.folder.progress().files_done;
    assert!(recovered >= 300, "{recovered}");
    let before = world.keeps;
    world.run();
    world.check_complete();
    assert_eq!(world.keeps - before, 1000 - recovered);
}

#[test]
fn a_pause_stops_everything_and_loses_nothing() {
    let mut share = Share::uniform(10, 100, 4096);
    share.file("", "large", MAX_BUNDLED_FILE + 1);
    let mut scenario = Scenario::plain(share);
    scenario.store_time = Duration::from_millis(50);
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.folder.progress().files_done >= 100));
    world.blow(Blow::Pause);
    assert!(world.run_until(|world| world.folder.progress().phase == Phase::Paused));
    assert_eq!(world.folder.poll_timeout(), None);
    world.blow(Blow::Resume);
    world.run();
    world.check_complete();
    assert_eq!(world.keeps, 1000);
}

#[test]
fn a_rate_limit_holds_to_five_in_a_hundred() {
    for rate in [50_000u64, 2_000_000] {
        let files = (rate * 8 / 4096 / 10) as usize;
        let mut scenario = Scenario::plain(Share::uniform(10, files, 4096));
        scenario.rate_limit = Some(rate);
        let mut world = world(scenario);
        assert!(world.run_until(|world| world.now.0 >= Duration::from_secs(1)));
        let before = (world.now.0, world.arrived_bytes);
        assert!(world.run_until(|world| world.now.0 >= Duration::from_secs(6)));
        let seen = (world.arrived_bytes - before.1) as f64 / (world.now.0 - before.0).as_secs_f64();
        // Each file has some bytes of description.
        let seen = seen * 4096.0 / (4096.0 + 60.0);
        assert!((seen / rate as f64 - 1.0).abs() < 0.05, "{seen} bytes a second instead of {rate}");
    }
}

fn lied_to(lie: Lie) -> World {
    let server = ServerScript { lie: Some(lie), ..ServerScript::honest() };
    let mut world = world(Scenario { server, ..Scenario::plain(Share::uniform(1, 30, 100)) });
    world.run();
    world
}

#[test]
fn a_listing_without_end_fails_alone() {
    for (lie, problem) in
        [(Lie::EndlessFiles, FolderProblem::TooManyEntries), (Lie::EmptyPages, FolderProblem::EndlessListing)]
    {
        let server = ServerScript { lie: Some(lie), ..ServerScript::honest() };
        let mut world = world(Scenario { server, ..Scenario::plain(Share::uniform(1, 30, 100)) });
        assert!(world.run_until(|world| !world.folders_failed.is_empty()), "{lie:?}");
        assert_eq!(world.folders_failed, [(FolderId(0), problem)], "{lie:?}");
        let progress = world.folder.progress();
        assert!(progress.problem.is_none() && progress.files as usize <= MAX_ENTRIES, "{lie:?}: {progress:?}");
    }
}

#[test]
fn a_folder_that_lies_too_deep_is_left_out_alone() {
    let world = lied_to(Lie::Bottomless);
    let progress = world.folder.progress();
    assert_eq!((progress.phase, progress.problem, progress.left_out), (Phase::Complete, None, 1));
    assert_eq!(progress.folders as usize, MAX_DEPTH + 1);
}

#[test]
fn lies_in_answers_end_with_a_problem() {
    let lies = [Lie::NotWstp, Lie::SamePage, Lie::Twice, Lie::MoreFiles, Lie::WrongKind, Lie::CancelsAll];
    for lie in lies {
        let world = lied_to(lie);
        let progress = world.folder.progress();
        assert_eq!(progress.phase, Phase::Failed, "{lie:?}: {progress:?}");
        assert!(
            matches!(progress.problem, Some(FolderProblem::Source(Problem::Protocol(_) | Problem::Server { .. }))),
            "{lie:?}"
        );
        assert_eq!(world.keeps, 0, "{lie:?}");
    }
}

#[test]
fn wrong_bytes_are_never_kept() {
    let world = lied_to(Lie::WrongBytes);
    let progress = world.folder.progress();
    assert!(progress.files_done < 30);
    assert!(progress.phase == Phase::Failed || progress.files_failed > 0, "{progress:?}");
}

#[test]
fn answers_never_asked_for_do_no_harm() {
    let world = lied_to(Lie::Unasked);
    match world.folder.progress().phase {
        Phase::Complete => world.check_complete(),
        phase => assert_eq!(phase, Phase::Failed),
    }
}

#[test]
fn a_listing_whose_cursor_is_refused_begins_anew() {
    let server = ServerScript { page: 10, ..ServerScript::honest() };
    let mut world = world(Scenario { server, ..Scenario::plain(Share::uniform(1, 30, 100)) });
    assert!(world.run_until(|world| world.folder.progress().files >= 10));
    world.scenario.server.life += 1;
    world.run();
    world.check_complete();
    assert_eq!(world.keeps, 30);
}

#[test]
fn what_an_earlier_run_stored_is_read_back_and_only_what_is_wrong_is_fetched_again() {
    let mut share = Share::uniform(3, 40, 1000);
    share.file("", "large", MAX_BUNDLED_FILE + 1);
    for crash in [Blow::Crash, Blow::DamagedCrash] {
        let mut world = completed(Scenario::plain(share.clone()));
        let (keeps, fetches) = (world.keeps, world.fetches);
        world.blow(crash);
        let wrong = world.damaged.len() as u32;
        assert!(world.run_until(|world| world.folder.progress().phase == Phase::Checking));
        world.run();
        world.check_complete();
        let again = (world.keeps - keeps) + (world.fetches - fetches);
        assert!(again == wrong && (wrong > 0) == (crash == Blow::DamagedCrash), "{again} again, {wrong} wrong");
    }
}

#[test]
fn reading_back_hardly_takes_time_from_a_download() {
    let mut scenario = Scenario::plain(Share::uniform(3, 400, 1000));
    scenario.rate = 200e3;
    let mut world = world(scenario);
    assert!(world.run_until(|world| world.folder.progress().files_done > 300));
    world.blow(Blow::Crash);
    let unchecked = world.folder.progress().bytes_unchecked;
    assert!(unchecked > 0);
    let (began, mut spent) = (world.now, world.checks);
    assert!(world.run_until(|world| world.folder.progress().files_done > 1100));
    spent = world.checks - spent;
    // Each takes half of the longest time that storage takes.
    let share = world.scenario.store_time.as_secs_f64() / 2.0 * f64::from(spent) / (world.now - began).as_secs_f64();
    assert!(spent > 0 && share < 0.08, "{spent} files were read back in {:?}: {share}", world.now - began);
}

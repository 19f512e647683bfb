//! Which blocks are requested first.

use wstp_engine::{Command, Order};
use wstp_protocol::BLOCK_SIZE;

use super::{MIB, SECOND, completed, limited, link, world, written};
use crate::simulation::server::ServerScript;
use crate::simulation::world::{Blow, Scenario};

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

/// One of two servers answers late, again and again. Returns how far ahead of the first missing block the last one
/// came.
fn furthest_ahead(order: Order) -> u64 {
    let mut scenario = Scenario::plain(96 * MIB);
    scenario.servers = vec![(ServerScript::honest(), link(5, 20e6)), (ServerScript::honest(), link(5, 20_000.0))];
    scenario.memory_budget = 64 * MIB;
    let mut world = world(scenario);
    world.transfer.handle_command(world.now, Command::SetOrder(order));
    let mut ahead = 0;
    while world.step() {
        let here = written(&world);
        let last = here.iter().last().map_or(0, |range| range.end);
        let gap = here.gaps(0..last).next().map_or(last, |gap| gap.start);
        ahead = ahead.max(last - gap);
    }
    world.check_complete(world.scenario.edition);
    ahead * BLOCK_SIZE
}

#[test]
fn in_order_nothing_comes_far_ahead_of_what_is_missing() {
    let (in_order, fastest) = (furthest_ahead(Order::InOrder), furthest_ahead(Order::HeadFirst));
    assert!(in_order <= 16 * MIB, "{in_order} bytes ahead");
    assert!(fastest > 24 * MIB, "{fastest} bytes ahead: nothing was late, and nothing is proved");
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

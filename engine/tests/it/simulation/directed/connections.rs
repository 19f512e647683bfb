//! How many connections a transfer finds for a line.

use std::time::Duration;

use wstp_engine::Phase;
use wstp_protocol::BLOCK_SIZE;

use super::{MIB, SECOND, completed, rate_over, world};
use crate::simulation::server::{Early, ServerScript};
use crate::simulation::world::{Link, Scenario, World};

/// Bytes a second of one connection over 100 ms with one packet in a thousand lost (Mathis et al. 1997).
const LOSSY: f64 = 580e3;

/// A file from servers on such lines, with as many connections as help.
fn automatic(size: u64, links: &[Link]) -> World {
    let mut scenario = Scenario::plain(size);
    scenario.servers = links.iter().map(|link| (ServerScript::honest(), *link)).collect();
    (scenario.connections, scenario.automatic, scenario.memory_budget) = (32, true, 64 * MIB);
    world(scenario)
}

fn far(rate: f64, shared: bool) -> Link {
    Link { delay: Duration::from_millis(50), rate, shared, ..Link::good() }
}

/// How many connections there are at each second.
fn seen(world: &mut World, seconds: u32) -> Vec<u32> {
    let each = (1..=seconds).map(|second| {
        assert!(world.run_until(|world| world.now.0 >= second * SECOND), "it ended before");
        world.transfer.progress().sources.iter().map(|source| source.connections).sum()
    });
    each.collect()
}

#[test]
fn a_line_that_loses_packets_gets_sixteen_within_seconds() {
    for (delay, within) in [(5, 3), (50, 1)] {
        let link = Link { delay: Duration::from_millis(delay), ..far(LOSSY, false) };
        let seen = seen(&mut automatic(160 * MIB, &[link]), 4);
        assert_eq!((seen[within], seen.iter().max()), (16, Some(&16)), "{delay} ms: {seen:?}");
    }
    let mut world = automatic(160 * MIB, &[far(LOSSY, false)]);
    // Eight connections are tried after eight seconds.
    let rate = rate_over(&mut world, 4 * SECOND, 5 * SECOND);
    assert!(rate > 0.9 * 16.0 * LOSSY, "{rate:.0} bytes a second");
}

#[test]
fn two_servers_on_such_lines_get_thirty_two() {
    let mut world = automatic(160 * MIB, &[far(LOSSY, false); 2]);
    assert_eq!(seen(&mut world, 6)[5], 32);
}

#[test]
fn a_full_line_goes_back_to_what_it_needs() {
    // Its queue takes whatever is sent.
    for (delay, rate, within) in [(5, 8e5, 5), (5, 20e6, 5), (50, 8e5, 5), (50, 8e6, 20)] {
        let link = Link { delay: Duration::from_millis(delay), ..far(rate, true) };
        let mut world = automatic((within + 9) * rate as u64, &[link]);
        let seen = seen(&mut world, within as u32 + 5);
        assert!(seen[within as usize..].iter().all(|connections| *connections <= 4), "{delay} ms, {rate}: {seen:?}");
        let carried = rate_over(&mut world, (within as u32 + 5) * SECOND, 3 * SECOND);
        assert!(carried > 0.9 * rate, "{carried:.0} bytes a second of {rate}");
    }
}

#[test]
fn connections_that_were_too_many_cost_no_block_twice() {
    for rate in [4e6, 25e6] {
        let mut world = automatic(160 * MIB, &[far(rate, true)]);
        assert_eq!(world.run(), Phase::Complete);
        assert!(world.connects > 4, "{} connections", world.connects);
        assert_eq!(world.fetched().1, 0, "blocks were asked for again at {rate} bytes a second");
    }
}

#[test]
fn a_small_file_pays_for_one_connection() {
    let mut world = automatic(400 * BLOCK_SIZE, &[far(LOSSY, false)]);
    world.run();
    assert_eq!(world.connects, 1);
}

#[test]
fn a_full_line_has_a_short_queue_however_many_connections_fill_it() {
    for (delay, rate) in [(30, 5e6), (50, 1.25e6), (5, 5e6)] {
        let link = Link { delay: Duration::from_millis(delay), ..far(rate, true) };
        let mut world = automatic((32.0 * rate) as u64, &[link]);
        // Its queue takes whatever is sent, so this is how long a byte waits that is asked for now.
        let mut waits: Vec<_> = (30..280)
            .map(|tick| {
                assert!(world.run_until(|world| world.now.0 >= SECOND / 10 * tick), "it ended before");
                let in_flight: u64 = world.transfer.progress().sources.iter().map(|source| source.in_flight).sum();
                (in_flight as f64 / rate * 1000.0) as u64
            })
            .collect();
        let carried = world.arrived_bytes as f64 / world.now.0.as_secs_f64();
        assert!(carried > 0.9 * rate, "{carried:.0} bytes a second of {rate}");
        waits.sort_unstable();
        let (usual, bad) = (waits[waits.len() / 2], waits[waits.len() * 9 / 10]);
        let most = (2 * delay + 80).max(110);
        assert!(usual <= most && bad <= most + 40, "{delay} ms, {rate}: {usual} and {bad} ms");
    }
}

#[test]
fn a_request_right_behind_the_greeting_saves_a_round_trip() {
    let time = |early, connections| {
        let mut scenario = Scenario::plain(if connections == 1 { BLOCK_SIZE } else { 40 * MIB });
        scenario.servers = vec![(ServerScript { early, ..ServerScript::honest() }, far(20e6, true))];
        scenario.connections = connections;
        completed(scenario).now.0
    };
    let saved = time(Early::Refused, 1) - time(Early::ByField, 1);
    assert!(saved.abs_diff(Duration::from_millis(100)) < Duration::from_millis(2), "{saved:?}");
    assert_eq!(time(Early::ByBit, 1), time(Early::Refused, 1), "the first connection can't know");
    assert!(time(Early::ByBit, 4) < time(Early::Refused, 4), "the others know it from the first");
}

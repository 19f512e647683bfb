//! A limit on the bytes a second.

use std::time::Duration;

use wstp_protocol::BLOCK_SIZE;

use super::{MIB, SECOND, completed, limited, link, rate_over, world};
use crate::simulation::server::ServerScript;
use crate::simulation::world::Blow;

fn assert_near(rate: f64, wanted: u64) {
    assert!((rate / wanted as f64 - 1.0).abs() < 0.05, "{rate:.0} bytes a second instead of {wanted}");
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

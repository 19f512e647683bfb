//! Blocks that a server compressed.

use super::{MIB, completed, link};
use crate::simulation::content::SPARSE;
use crate::simulation::server::ServerScript;
use crate::simulation::world::Scenario;

/// Two thirds of the blocks are zero, and no server tells that.
fn compressing(share: f64) -> Scenario {
    let mut scenario = Scenario::plain(10 * MIB);
    scenario.edition.number = SPARSE;
    scenario.memory_budget = 64 * MIB;
    scenario.servers = vec![(ServerScript { compresses: share, ..ServerScript::honest() }, link(20, 1e6))];
    scenario
}

#[test]
fn blocks_arrive_compressed_and_count_in_full() {
    let as_they_are = completed(compressing(0.0));
    for share in [0.5, 1.0] {
        let world = completed(compressing(share));
        let progress = world.transfer.progress();
        assert_eq!(progress.verified, 10 * MIB, "{progress:?}");
        // The line carries the same bytes a second, and a third of the bytes.
        let time = world.now.0.as_secs_f64() / as_they_are.now.0.as_secs_f64();
        let carried = 1.0 - share * 2.0 / 3.0;
        assert!((carried * 0.9..carried + 0.2).contains(&time), "{share}: {time} of the time");
        assert!(world.peak <= 64 * MIB, "{} bytes in flight", world.peak);
    }
}

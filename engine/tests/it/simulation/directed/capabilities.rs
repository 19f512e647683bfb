//! Sources that can do less than a server, or have less of the file.

use std::time::Duration;

use wstp_engine::{Capabilities, Command, Holdings, RangeSet, SourceConfig};

use super::{MIB, SECOND, link, world};
use crate::simulation::content::Edition;
use crate::simulation::server::ServerScript;
use crate::simulation::world::{Link, Scenario, World};

const BLOCKS: u64 = MIB / 8192;

/// An origin and a second source of the same file, which is changed before the transfer begins.
fn pair(megabytes: u64, second: ServerScript, change: impl FnOnce(&mut [SourceConfig; 2])) -> World {
    let narrow = Link { shared: true, ..link(10, 10e6) };
    let mut scenario = Scenario::plain(megabytes * MIB);
    scenario.servers = vec![(ServerScript::honest(), narrow), (second, narrow)];
    scenario.memory_budget = 64 * MIB;
    let mut sources = [0, 1].map(|number| World::source(&scenario, number));
    change(&mut sources);
    let mut world = world(scenario);
    for source in sources {
        world.transfer.handle_command(world.now, Command::AddSource(source));
    }
    world
}

fn holding(range: std::ops::Range<u64>) -> Holdings {
    Holdings::Blocks([range].into_iter().collect())
}

fn run(world: &mut World) {
    world.run();
    world.check_complete(world.scenario.edition);
}

#[test]
fn a_source_is_asked_for_no_block_that_it_lacks() {
    for second in [ServerScript::honest(), ServerScript::plain(Edition { size: 32 * MIB, number: 0 })] {
        let middle = 5 * BLOCKS + 3..20 * BLOCKS + 7;
        let mut world = pair(32, second, |[_, second]| second.has = holding(middle.clone()));
        // The origin is the slower one, and at the end it owes what the other does not have.
        assert!(world.run_until(|world| world.now.0 >= SECOND));
        world.fall_silent();
        run(&mut world);
        let asked = &world.asked_of[1];
        assert!(asked.len() > 5 * BLOCKS, "{} blocks", asked.len());
        assert_eq!(asked.overlaps(middle).map(|range| range.end - range.start).sum::<u64>(), asked.len());
    }
}

#[test]
fn a_source_that_gets_more_blocks_keeps_its_connections() {
    let mut world = pair(32, ServerScript::honest(), |[_, second]| second.has = holding(0..0));
    assert!(world.run_until(|world| world.now.0 >= SECOND));
    assert_eq!(world.asked_of[1], RangeSet::new());
    let (connects, had) = (world.connects, world.transfer.progress().sources[1].connections);
    assert!(had > 0);
    let mut source = World::source(&world.scenario, 1);
    source.has = holding(24 * BLOCKS..32 * BLOCKS);
    world.transfer.handle_command(world.now, Command::AddSource(source));
    assert!(world.run_until(|world| !world.asked_of[1].is_empty()));
    assert_eq!((world.connects, world.transfer.progress().sources[1].connections), (connects, had));
    run(&mut world);
}

#[test]
fn an_origin_that_sends_no_bytes_says_which_file_it_is_and_proves_it() {
    let mirror = ServerScript::plain(Edition { size: 4 * MIB, number: 0 });
    let mut world = pair(4, mirror, |[origin, _]| origin.can = Capabilities { sends: false, ..origin.can });
    run(&mut world);
    assert_eq!((world.asked_of[0].len(), world.asked_of[1].len()), (0, 4 * BLOCKS));
    assert!(world.now.0 < Duration::from_secs(10), "{:?}", world.now.0);
}

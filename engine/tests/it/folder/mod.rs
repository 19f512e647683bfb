//! Whole folders in virtual time: a scripted server, link and disk, with faults from seeds.
//!
//! `WSTP_SEED=n` runs one seed, `WSTP_SEEDS=n` that many. A seed that failed once is in [`REGRESSIONS`].

mod directed;
mod server;
mod share;
mod world;

use std::time::Duration;

use crate::folder::server::ServerScript;
use crate::folder::share::Share;
use crate::folder::world::{Blow, Scenario, World};
use crate::seeds;
use wstp_testkit::Random;

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[42, 390, 7320];

impl Scenario {
    /// An honest server, a good link, a good disk.
    fn plain(share: Share) -> Self {
        Self {
            share,
            server: ServerScript::honest(),
            delay: Duration::from_micros(100),
            rate: 500e6,
            sees_bytes: false,
            lifetime: None,
            stalls: 0.0,
            memory_budget: 8 << 20,
            rate_limit: None,
            fetches: 2,
            looks: false,
            store_time: Duration::from_micros(200),
            commit_files: 1000,
            blows: Vec::new(),
            faults_until: Duration::ZERO,
        }
    }

    /// A seed's scenario.
    fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ms = Duration::from_millis;
        let mut scenario = Self::plain(Share::of_seed(&mut random));
        scenario.server = ServerScript {
            bundles: random.chance(0.85),
            compresses: Random::new(seed ^ 0x15fd).chance(0.3),
            takes_early: Random::new(seed ^ 0xea27).chance(0.5),
            requests: random.pick(&[1, 2, 8, 64]),
            page: random.pick(&[1, 3, 50, 1000]),
            life: 0,
            thinking: random.pick(&[Duration::ZERO, ms(1), ms(30)]),
            busy: random.pick(&[0.0, 0.0, 0.2]),
            corruption: random.pick(&[0.0, 0.0, 0.05]),
            short: random.pick(&[0.0, 0.1]),
            lie: None,
        };
        scenario.delay = random.pick(&[Duration::from_micros(50), ms(5), ms(80)]);
        scenario.rate = random.pick(&[100e3, 3e6, 1e9]);
        scenario.sees_bytes = seed.is_multiple_of(2);
        scenario.lifetime = random.pick(&[None, Some(ms(300)), Some(ms(3000))]);
        scenario.stalls = random.pick(&[0.0, 0.3]);
        scenario.memory_budget = random.pick(&[1, 300_000, 8 << 20]);
        scenario.rate_limit = random.pick(&[None, None, Some(50_000), Some(5_000_000)]);
        scenario.fetches = random.pick(&[0, 1, 2]);
        scenario.store_time = random.pick(&[Duration::ZERO, ms(2), ms(40)]);
        scenario.commit_files = random.pick(&[1, 10, 1000]);
        scenario.faults_until = ms(random.below(20_000));
        let spread = random.pick(&[300, 3000, 20_000]);
        for _ in 0..random.in_range(0..6) {
            let blow = match random.below(7) {
                0 | 1 => Blow::Crash,
                2 => Blow::Pause,
                3 => Blow::Budget(random.pick(&[1, 500_000, 4 << 20])),
                4 => Blow::RateLimit(random.pick(&[None, Some(20_000), Some(2_000_000)])),
                5 => Blow::Outage(ms(random.below(5000))),
                _ => Blow::DiskFull { after: random.below(30) as u32 },
            };
            scenario.blows.push((ms(random.below(spread)), blow));
        }
        scenario.blows.push((ms(spread + 1000), Blow::Resume));
        scenario.looks = random.chance(0.3);
        let mut random = Random::new(seed ^ 0xdead);
        for _ in 0..random.pick(&[0, 0, 1, 2]) {
            scenario.blows.push((ms(random.below(spread)), Blow::DamagedCrash));
        }
        scenario
    }
}

fn run_seed(seed: u64) {
    let mut world = World::new(Scenario::of_seed(seed), seed);
    world.run();
    world.check_complete();
}

#[test]
fn every_seed_ends_with_the_right_files() {
    seeds::run_all(2000, run_seed);
}

#[test]
fn seeds_that_failed_once_do_not_again() {
    assert_eq!(seeds::failing(REGRESSIONS.iter().copied(), run_seed), Vec::<u64>::new());
}

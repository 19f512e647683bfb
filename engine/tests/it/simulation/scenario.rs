//! Scenarios: the plain one, from which tests make theirs, and those that a seed makes.

use std::time::Duration;

use wstp_engine::{Connections, Order};
use wstp_protocol::{BLOCK_SIZE, Limits};

use crate::simulation::content::{Edition, SPARSE};
use crate::simulation::disk::{Crash, Damage};
use crate::simulation::server::{Early, Lie, ServerScript};
use crate::simulation::world::{Blow, Link, Scenario};
use wstp_testkit::Random;

const SIZES: [u64; 12] =
    [0, 1, 8191, 8192, 8193, 16_384, 100_000, 33 * BLOCK_SIZE, 300_001, 1_000_000, 2_000_000, 130 * BLOCK_SIZE - 1];
/// More than one page of hashes.
const LARGE: u64 = 1040 * BLOCK_SIZE + 17;

impl Scenario {
    /// One honest server, a good link, a good disk.
    pub fn plain(size: u64) -> Self {
        Self {
            edition: Edition { size, number: 0 },
            servers: vec![(ServerScript::honest(), Link::good())],
            connections: 4,
            automatic: false,
            memory_budget: 4 << 20,
            rate_limit: None,
            commit_bytes: 1 << 20,
            commit_interval: Duration::from_secs(1),
            journal_bytes: 64 << 10,
            store_time: Duration::from_micros(500),
            blows: Vec::new(),
            faults_until: Duration::ZERO,
            rubbish: 0,
        }
    }

    /// The result of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut scenario = Self::of_old_seed(seed);
        let mut random = Random::new(seed ^ 0x11_317);
        scenario.rate_limit = random.pick(&[None, None, None, Some(64 << 10), Some(400_000), Some(20_000_000)]);
        let spread = random.pick(&[200_000, 3_000_000, 20_000_000]);
        for _ in 0..random.pick(&[0, 0, 1, 3]) {
            let at = Duration::from_micros(random.below(spread));
            scenario.blows.push((at, wish(&mut random, scenario.edition.size)));
        }
        for number in 1..scenario.servers.len() as u32 {
            let at = [(); 2].map(|()| Duration::from_micros(random.below(spread)));
            if random.chance(0.3) {
                scenario.blows.push((at[0], Blow::RemoveSource(number)));
                scenario.blows.push((at[1], Blow::AddSource(number)));
            }
        }
        scenario.servers.iter_mut().for_each(|(_, link)| link.shared = random.chance(0.5));
        let mut random = Random::new(seed ^ 0x3141);
        if random.chance(0.25) {
            scenario.servers.push((mirror(&mut random, scenario.edition), link(&mut random)));
        }
        scenario.automatic = Random::new(seed ^ 0x7a1d).chance(0.3);
        scenario.journal_bytes = Random::new(seed ^ 0x5a11).pick(&[0, 200, 2000, 64 << 10]);
        let mut random = Random::new(seed ^ 0xdead);
        let spread = random.pick(&[200_000, 3_000_000, 20_000_000]);
        for _ in 0..random.pick(&[0, 0, 1, 2, 4]) {
            let at = [(); 2].map(|()| Duration::from_micros(random.below(spread)));
            let crash = random.pick(&[Crash::Kill, Crash::PowerLoss]);
            scenario.blows.push((at[0], Blow::DamagedCrash(crash, damage(&mut random))));
            scenario.blows.push((at[1], Blow::Damage(damage(&mut random))));
        }
        scenario.have_zeros(&mut Random::new(seed ^ 0x2e05));
        scenario.have_compression(&mut Random::new(seed ^ 0x15fd));
        let mut random = Random::new(seed ^ 0xea27);
        scenario
            .servers
            .iter_mut()
            .for_each(|(script, _)| script.early = random.pick(&[Early::Refused, Early::ByBit, Early::ByField]));
        scenario
    }

    /// Some servers tell zeros, and some files are full of them.
    fn have_zeros(&mut self, random: &mut Random) {
        for (script, _) in &mut self.servers {
            (script.tells_zeros, script.knows_holes) = (random.chance(0.7), random.chance(0.5));
        }
        if self.servers.len() > 1 && self.servers[1].0.lie.is_some() && random.chance(0.3) {
            self.servers[1].0.lie = Some(random.pick(&[Lie::AllZero, Lie::ZerosPastTheEnd, Lie::UnagreedZeros]));
        }
        if random.chance(0.5) {
            return;
        }
        let sparse = |edition: &mut Edition| edition.number += SPARSE;
        sparse(&mut self.edition);
        self.servers.iter_mut().filter_map(|(script, _)| script.plain.as_mut()).for_each(sparse);
        for (_, blow) in &mut self.blows {
            if let Blow::ChangeFile(edition) = blow
                && random.chance(0.7)
            {
                sparse(edition);
            }
        }
    }

    /// Some servers compress, and some of those lie about it.
    fn have_compression(&mut self, random: &mut Random) {
        for (script, _) in &mut self.servers {
            script.compresses = random.pick(&[0.0, 0.0, 0.3, 1.0]);
        }
        if self.servers.len() > 1 && self.servers[1].0.lie.is_some() && random.chance(0.3) {
            self.servers[1].0.lie = Some(random.pick(&Lie::COMPRESSED));
        }
    }

    /// A number of connections as the transfer is told.
    pub fn connections_of(&self, number: u8) -> Connections {
        if self.automatic { Connections::Auto { most: number } } else { Connections::Fixed(number) }
    }

    /// The result of a seed before there were limits and wishes: seeds that failed then keep their meaning.
    pub fn of_old_seed(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let size = if random.chance(0.03) { LARGE } else { random.pick(&SIZES) };
        let mut scenario = Self::plain(size);
        let servers = random.pick(&[1, 1, 1, 2, 3]);
        scenario.servers = (0..servers).map(|_| (script(&mut random), link(&mut random))).collect();
        scenario.connections = random.in_range(1..7) as u8;
        scenario.memory_budget = random.pick(&[256 << 10, 1 << 20, 64 << 20]);
        scenario.commit_bytes = random.pick(&[64 << 10, 256 << 10, 16 << 20]);
        scenario.commit_interval = Duration::from_millis(random.in_range(5..1500));
        scenario.store_time = Duration::from_micros(random.pick(&[10, 500, 20_000]));
        scenario.faults_until = Duration::from_secs(60);
        scenario.rubbish = random.pick(&[0, 0, 20_000, 3_000_000]);
        scenario.blows = blows(&mut random, size);
        // A dishonest mirror beside an honest origin must not matter.
        if servers > 1 && random.chance(0.2) {
            scenario.servers[1].0.lie = Some(random.pick(&HARMLESS_LIES));
        }
        scenario
    }
}

/// Lies of a mirror that can be told from the truth without asking the origin again.
const HARMLESS_LIES: [Lie; 8] = [
    Lie::NotWstp,
    Lie::WrongPages,
    Lie::WrongBlock,
    Lie::Unasked,
    Lie::WrongRun,
    Lie::ShortData,
    Lie::WrongRoot,
    Lie::CancelsAll,
];

impl ServerScript {
    pub fn honest() -> Self {
        Self {
            limits: Limits { requests: 64, handles: 16, run_blocks: 32, page_nodes: 1024, idle_timeout_ms: 30_000 },
            thinking: Duration::from_micros(100),
            hashing: Duration::ZERO,
            corruption: 0.0,
            busy: 0.0,
            lie: None,
            misheard: None,
            missing: false,
            plain: None,
            tells_zeros: false,
            knows_holes: false,
            compresses: 0.0,
            early: Early::Refused,
            mirrors: Vec::new(),
        }
    }

    /// An honest server of plain HTTP that has this edition.
    pub fn plain(edition: Edition) -> Self {
        Self { plain: Some(edition), ..Self::honest() }
    }
}

impl Link {
    pub fn good() -> Self {
        Self {
            delay: Duration::from_millis(5),
            rate: 50e6,
            shared: false,
            sees_bytes: false,
            lifetime: None,
            stalls: 0.0,
            refused: 0.0,
        }
    }
}

fn script(random: &mut Random) -> ServerScript {
    ServerScript {
        limits: Limits {
            requests: random.pick(&[2, 8, 64]),
            handles: 16,
            run_blocks: random.pick(&[1, 5, 32, 32]),
            page_nodes: random.pick(&[16, 1024, 1024, 2048]),
            idle_timeout_ms: random.pick(&[1000, 30_000]),
        },
        thinking: Duration::from_micros(random.pick(&[10, 1000, 50_000])),
        hashing: Duration::from_millis(random.pick(&[0, 0, 100, 2000, 20_000])),
        corruption: random.pick(&[0.0, 0.0, 0.005, 0.02]),
        busy: random.pick(&[0.0, 0.0, 0.05]),
        lie: None,
        misheard: None,
        missing: false,
        plain: None,
        tells_zeros: false,
        knows_holes: false,
        compresses: 0.0,
        early: Early::Refused,
        mirrors: Vec::new(),
    }
}

/// A server of plain HTTP that has the file, or another one in its place.
fn mirror(random: &mut Random, edition: Edition) -> ServerScript {
    let size = random.pick(&[edition.size, edition.size, edition.size, edition.size + 1]);
    let plain = Some(Edition { size, number: random.pick(&[edition.number, edition.number, 1]) });
    ServerScript { plain, ..script(random) }
}

fn link(random: &mut Random) -> Link {
    Link {
        delay: Duration::from_micros(random.pick(&[50, 5_000, 50_000, 300_000])),
        rate: random.pick(&[50e3, 1e6, 20e6, 200e6]),
        shared: false,
        sees_bytes: false,
        lifetime: random.chance(0.4).then(|| Duration::from_millis(random.in_range(1_000..20_000))),
        stalls: random.pick(&[0.0, 0.3]),
        refused: random.pick(&[0.0, 0.0, 0.3]),
    }
}

/// Settings that the user may change during the run.
fn wish(random: &mut Random, size: u64) -> Blow {
    match random.below(4) {
        0 => Blow::RateLimit(random.pick(&[None, Some(64 << 10), Some(400_000), Some(20_000_000)])),
        1 => Blow::Order(Order::From(random.below(size / BLOCK_SIZE + 2))),
        2 => Blow::Order(Order::HeadFirst),
        _ => Blow::Budget(random.pick(&[256 << 10, 1 << 20, 64 << 20])),
    }
}

fn damage(random: &mut Random) -> Damage {
    let mut part = || random.below(1000);
    let (one, other) = (part(), part());
    match random.below(4) {
        0 => Damage::Changed(one, random.in_range(1..200_000) as usize),
        1 => Damage::Cut(one),
        2 => Damage::Swapped(one, other, random.in_range(1..20)),
        _ => Damage::NoHashes,
    }
}

fn blows(random: &mut Random, size: u64) -> Vec<(Duration, Blow)> {
    let mut blows = Vec::new();
    let number = random.pick(&[0, 0, 1, 2, 4]);
    let spread = random.pick(&[200_000, 3_000_000, 20_000_000]);
    for _ in 0..number {
        let at = Duration::from_micros(random.below(spread));
        let blow = match random.below(9) {
            0 | 1 => Blow::Crash(Crash::PowerLoss),
            2 => Blow::Crash(Crash::Kill),
            3 => Blow::RestartServers { down: random.up_to(Duration::from_secs(5)) },
            4 => Blow::ChangeFile(Edition { size: random.pick(&[size, size, size + 9_000, size / 2]), number: 1 }),
            5 => Blow::Connections(random.in_range(1..6) as u8),
            6 => Blow::DiskFull { after: random.below(20) as u32 },
            _ => {
                blows.push((at + random.up_to(Duration::from_secs(2)), Blow::Resume));
                Blow::Pause
            }
        };
        blows.push((at, blow));
    }
    blows
}

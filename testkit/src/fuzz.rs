//! Fuzzing on a stable compiler, as part of the tests: a target's seeds, and for some seconds mutations of them.
//!
//! `WSTP_FUZZ_SECONDS` sets the duration, `WSTP_FUZZ_SEED` repeats a run.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Random;

/// Default duration of each target.
const SECONDS: u64 = 2;
/// Longest input, somewhat more than the longest frame.
const LONGEST: usize = 300 * 1024;

/// Shows the input that made a target panic.
struct Culprit<'a>(&'a [u8]);

impl Drop for Culprit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was {:02x?}", self.0);
        }
    }
}

/// Feeds a target the seeds in a folder, and then mutations of them.
///
/// # Panics
/// When the target does, or there are no seeds.
pub fn fuzz(folder: &Path, target: fn(&[u8])) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let seed = number("WSTP_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(&name));
    println!("{name}: WSTP_FUZZ_SEED={seed}");
    let seeds = seeds(folder);
    assert!(!seeds.is_empty(), "the seeds are committed");
    seeds.iter().for_each(|input| run(target, input));
    let deadline = Instant::now() + Duration::from_secs(number("WSTP_FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut random = Random::new(seed);
    let mut iterations = 0_u64;
    while Instant::now() < deadline {
        let mut input = seeds[below(&mut random, seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &seeds, &mut random);
        }
        run(target, &input);
        iterations += 1;
    }
    println!("{name}: {iterations} mutations");
}

fn run(target: fn(&[u8]), input: &[u8]) {
    let _shown_on_panic = Culprit(input);
    target(input);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("the variable holds a number"))
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let entries = folder.read_dir().expect("the seeds are committed");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).expect("a seed can be read")).collect()
}

/// An index below `end`, 0 if there is none.
fn below(random: &mut Random, end: usize) -> usize {
    random.below(end as u64) as usize
}

/// Changes an input a little, as damaged frames differ from good ones.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = below(random, input.len() + 1);
    let end = at + below(random, (input.len() - at).min(64) + 1);
    let byte = random.number() as u8;
    match random.below(9) {
        0 => input.truncate(at),
        1 => input.insert(at, byte),
        2 => drop(input.drain(at..end)),
        3 => input.extend_from_within(at..end),
        4 => drop(input.splice(at..end, [0xff, 0xff, 0xff, 0xff, 0x0f])),
        5 => drop(input.splice(at..end, [0xff; 9].into_iter().chain([0x01]))),
        6 => {
            let other = &seeds[below(random, seeds.len())];
            drop(input.splice(at.., other[below(random, other.len())..].iter().copied()));
        }
        7 => input[at..end].fill(byte),
        _ => {
            if let Some(changed) = input.get_mut(at) {
                *changed ^= 1 << (byte % 8);
            }
        }
    }
    input.truncate(LONGEST);
}

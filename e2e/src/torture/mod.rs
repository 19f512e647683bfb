//! Torture: downloads under repeated faults, in an order that follows from a seed, until a number of faults or a time
//! is reached.
//!
//! A real Chromium with the real extension downloads files from the real server over a slow and bad line. Some
//! megabytes pass between two faults. Each complete file is compared with its source, by the hash that the extension
//! shows and by its bytes once saved. Then the next download begins. Some downloads are folders with small files and a
//! large one.
//!
//! In the end everything must be right. No download may have needed a person's help, and nothing may have panicked.
//! Less than [`MOST_AGAIN`] of all bytes may have been fetched again, by the account in testkit's `proxy/account.rs`,
//! which has the formula. The small files of folders are not in the account. Every fault must have hit its target, and
//! the account must include all data that arrived.
//!
//! A seed fixes the order of the faults and their targets. Their times depend on the machine too.

mod blow;
mod downloads;
mod harm;
mod rig;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use blow::Deck;
use rig::Rig;
use wstp_testkit::Sums;

/// The share of all bytes that may be fetched again.
pub const MOST_AGAIN: f64 = 0.01;
/// The bytes that pass between two faults.
const BETWEEN: std::ops::Range<u64> = 1 << 20..10 << 20;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this many faults.
    Blows(u32),
    /// After this time.
    Time(Duration),
}

/// The result.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How many faults occurred.
    pub blows: u32,
    /// How many files and folders arrived whole.
    pub files: u32,
    /// The bytes on the wire.
    pub sums: Sums,
}

impl Outcome {
    /// The share of all bytes that were fetched again.
    pub fn again(&self) -> f64 {
        self.sums.again as f64 / self.sums.fetched.max(1) as f64
    }
}

/// Prints each event and its time.
#[derive(Clone, Copy, Debug)]
struct Log {
    began: Instant,
}

impl Log {
    fn say(self, what: &str) {
        println!("{:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

/// Tortures downloads and prints a line for each fault and each file.
///
/// # Errors
///
/// When a file differs, a download does not resume by itself, or too much was fetched again. The error has the command
/// that repeats the run.
pub async fn torture(seed: u64, limit: Limit) -> Result<Outcome> {
    let amount = match limit {
        Limit::Blows(blows) => format!("--blows {blows}"),
        Limit::Time(time) => format!("--minutes {}", time.as_secs_f64() / 60.0),
    };
    println!("torture with seed {seed}, {amount}");
    let outcome = run(seed, limit).await;
    outcome.with_context(|| format!("cargo xtask torture {amount} --seed {seed} repeats it"))
}

async fn run(seed: u64, limit: Limit) -> Result<Outcome> {
    let log = Log { began: Instant::now() };
    let mut rig = Rig::set_up(seed, log).await?;
    let (mut deck, mut blows) = (Deck::default(), 0);
    let is_over = |blows| match limit {
        Limit::Blows(most) => blows >= most,
        Limit::Time(time) => log.began.elapsed() >= time,
    };
    while !is_over(blows) {
        let bytes = rig.random.in_range(BETWEEN);
        rig.download(bytes).await?;
        let blow = deck.draw(&mut rig.random);
        blows += 1;
        log.say(&format!("{blows:3}  {blow}"));
        rig.strike(blow).await.with_context(|| format!("blow {blows}: {blow}"))?;
    }
    rig.finish().await?;
    let outcome = Outcome { blows, files: rig.whole(), sums: rig.sums() };
    println!("{}", account(&outcome));
    rig.check()?;
    ensure!(outcome.again() < MOST_AGAIN, "too much was fetched again");
    Ok(outcome)
}

fn account(outcome: &Outcome) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let Outcome { blows, files, sums } = outcome;
    format!(
        "{blows} blows; {files} files and folders byte-identical; {:.1} MiB fetched, {:.2} MiB of them again ({:.3} %, allowed {} %), \
        and {:.2} MiB again that could not be helped",
        mib(sums.fetched),
        mib(sums.again),
        outcome.again() * 100.0,
        MOST_AGAIN * 100.0,
        mib(sums.pardoned),
    )
}

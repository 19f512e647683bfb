//! `wstp-wire PROFILE SEED CONGESTION`: lays a wire and forwards. [`wstp_bench::wire::Wire`] starts it.

use std::env;

use anyhow::{Context, Result};
use wstp_bench::wire::{PROFILES, run};

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, seed, congestion] = arguments.as_slice() else {
        anyhow::bail!("wstp-wire PROFILE SEED CONGESTION");
    };
    let profile = PROFILES.into_iter().find(|profile| profile.name == name).context("there is no such profile")?;
    run(profile, seed.parse().context("the seed is no number")?, congestion)
}

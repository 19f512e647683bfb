//! Downloads under constant faults. This builds everything and leaves the rest to `e2e`, whose `torture` module says
//! what happens.

use std::env;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::build::build;
use crate::files::run;
use crate::toolchain::setup;
use crate::{native_target, root};

/// The options that are passed on.
#[derive(Args)]
pub struct Arguments {
    /// Minutes to run; 5 by default.
    #[arg(long, value_name = "N", conflicts_with = "blows")]
    minutes: Option<f64>,
    /// Or the number of faults after which to stop.
    #[arg(long, value_name = "N")]
    blows: Option<u32>,
    /// The seed of all that is left to chance; any by default.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// Builds the programs under torture, unless `WSTP_SERVER` or `WSTP_EXTENSION` name other builds, and tortures them.
pub fn torture(arguments: &Arguments) -> Result<()> {
    if env::var_os("WSTP_EXTENSION").is_none() {
        setup()?;
        build(false)?;
    }
    // With all targets, as the tests are built. Otherwise dependencies would have other features, and all would be
    // compiled again.
    run(Command::new("cargo").current_dir(root()).args(["build", "--quiet", "--workspace", "--all-targets"]))?;
    let built = native_target().join("debug");
    let mut torture = Command::new(built.join("torture"));
    if env::var_os("WSTP_SERVER").is_none() {
        torture.env("WSTP_SERVER", built.join("wstp-server"));
    }
    if env::var_os("WSTP_LOG").is_none() {
        torture.env("WSTP_LOG", "warn");
    }
    let options = [
        ("--minutes", arguments.minutes.map(|minutes| minutes.to_string())),
        ("--blows", arguments.blows.map(|blows| blows.to_string())),
        ("--seed", arguments.seed.map(|seed| seed.to_string())),
    ];
    for (option, value) in options {
        torture.args(value.iter().flat_map(|value| [option, value]));
    }
    run(&mut torture)
}

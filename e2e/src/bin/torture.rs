//! Tortures downloads in a real Chromium: `cargo xtask torture` builds everything and runs this.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wstp_e2e::torture::{Limit, torture};

/// Tortures downloads in a real Chromium.
#[derive(Debug, Parser)]
#[command(name = "torture")]
struct Arguments {
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

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let minutes = arguments.minutes.unwrap_or(5.0).max(0.0);
    let limit = arguments.blows.map_or_else(|| Limit::Time(Duration::from_secs_f64(minutes * 60.0)), Limit::Blows);
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    match torture(seed, limit).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("torture: {error:#}");
            ExitCode::FAILURE
        }
    }
}

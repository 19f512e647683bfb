//! Measures WSTP beside its peers: `cargo xtask bench NAME...`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use wstp_bench::catalogue::{Benchmark, chosen};
use wstp_bench::report::{Outcome, Report};
use wstp_bench::wire::Impossible;
use wstp_bench::{Measured, Plan};

/// Measures WSTP beside its peers, on this machine, in this run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Figures by name, or by how the name begins; `all` are all of them.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Write an object a line to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of each; fewer than five only with --quick.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Fewer rounds and bytes, for a first look. The figures say so.
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match unless_stopped(run(&Arguments::parse())).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Stops on the user's signal, but in good order: started programs end, and made files are removed.
async fn unless_stopped(work: impl Future<Output = Result<bool>>) -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("told to stop"),
    }
}

/// Whether everything could be measured. A missed target is a result, not a failure.
async fn run(arguments: &Arguments) -> Result<bool> {
    let plan = Plan::new(arguments.rounds, arguments.quick);
    let benchmarks = chosen(&arguments.names)?;
    let mut report = Report::start(plan, arguments.json.as_deref())?;
    let mut all = true;
    for benchmark in benchmarks {
        for outcome in measure(benchmark, plan).await {
            all &= !outcome.has_failed();
            report.add(&outcome)?;
        }
    }
    Ok(all)
}

/// One outcome for each figure of the benchmark.
async fn measure(benchmark: &Benchmark, plan: Plan) -> Vec<Outcome> {
    let sum_up = |series: Vec<_>| {
        let figures = benchmark.figures.iter().zip(series);
        figures.map(|(figure, series)| Measured::new(*figure, plan, series)).collect::<Result<Vec<_>>>()
    };
    match benchmark.measure(plan).await.and_then(sum_up) {
        Ok(measured) => measured.into_iter().map(Outcome::Measured).collect(),
        Err(error) => {
            let outcome = if error.is::<Impossible>() { Outcome::Skipped } else { Outcome::Failed };
            benchmark.figures.iter().map(|figure| outcome(*figure, format!("{error:#}"))).collect()
        }
    }
}

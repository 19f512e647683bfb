//! All measured figures, and their targets.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::timeout;

use crate::benchmarks::{
    browser_far, browser_fetch, browser_memory, browser_native, compress, list_open, mirror_two, popup_ready,
    read_back, real, resume, server_idle, server_latency, server_throughput, sparse, tree, wan_ancestor, wan_loss,
    wan_share, wasm_size,
};
use crate::figure::Series;
use crate::{Figure, Plan, Target};
use Target::{AtLeast, AtMost, AtMostTimes};

/// No benchmark takes so long unless a program hangs.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

/// Figures of the same rounds.
#[derive(Debug)]
pub struct Benchmark {
    /// The figures, in the order of the series.
    pub figures: &'static [Figure],
    run: fn(Plan) -> Running,
}

type Running = Pin<Box<dyn Future<Output = Result<Vec<Series>>>>>;

impl Benchmark {
    /// Runs all rounds and gives a series for each figure.
    ///
    /// # Errors
    ///
    /// When a round could not be run, or received wrong data.
    pub async fn measure(&self, plan: Plan) -> Result<Vec<Series>> {
        let series = timeout(LIMIT, (self.run)(plan)).await.context("it does not end")??;
        ensure!(series.len() == self.figures.len(), "{} series for {} figures", series.len(), self.figures.len());
        Ok(series)
    }

    fn has(&self, name: &str) -> bool {
        name == "all" || self.figures.iter().any(|figure| figure.name.starts_with(name))
    }
}

/// Shortens the names below.
const fn figure(name: &'static str, unit: &'static str, target: Target) -> Figure {
    Figure { name, unit, target }
}

/// All benchmarks, the quickest first.
pub static BENCHMARKS: [Benchmark; 28] = [
    Benchmark { figures: &[figure("wasm.gz_kib", "KiB", AtMost(650.0))], run: |plan| Box::pin(wasm_size::run(plan)) },
    Benchmark {
        figures: &[figure("popup.ready_ms", "ms", AtMost(100.0))],
        run: |plan| Box::pin(popup_ready::run(plan)),
    },
    Benchmark {
        figures: &[figure("list.first_ms", "ms", AtMost(100.0)), figure("list.whole_ms", "ms", AtMost(1500.0))],
        run: |plan| Box::pin(list_open::run(plan)),
    },
    Benchmark {
        figures: &[
            figure("server.throughput_vs_dufs", "ratio", AtLeast(1.0)),
            figure("server.cpu_vs_dufs", "ratio", AtMost(1.0)),
            figure("server.cpu_vs_nginx", "ratio", AtMost(2.0)),
        ],
        run: |plan| Box::pin(server_throughput::run(plan)),
    },
    Benchmark {
        figures: &[figure("server.idle_kib", "KiB", AtMost(24.0))],
        run: |plan| Box::pin(server_idle::run(plan)),
    },
    Benchmark {
        figures: &[
            figure("server.tls_throughput_vs_dufs", "ratio", AtLeast(1.0)),
            figure("server.tls_cpu_vs_dufs", "ratio", AtMost(1.0)),
            figure("server.tls_cpu_vs_nginx", "ratio", AtMost(1.3)),
        ],
        run: |plan| Box::pin(server_throughput::run_private(plan)),
    },
    Benchmark {
        figures: &[figure("server.tls_idle_kib", "KiB", AtMost(24.0))],
        run: |plan| Box::pin(server_idle::run_private(plan)),
    },
    Benchmark {
        figures: &[figure("server.block_p99_ms", "ms", AtMostTimes(10.0, "the median"))],
        run: |plan| Box::pin(server_latency::run(plan)),
    },
    Benchmark {
        figures: &[figure("wan.rtt100_link_share", "ratio", AtLeast(0.95))],
        run: |plan| Box::pin(wan_share::run(plan)),
    },
    Benchmark {
        figures: &[figure("wan.rtt100_vs_ancestor", "ratio", AtLeast(50.0))],
        run: |plan| Box::pin(wan_ancestor::run(plan)),
    },
    Benchmark {
        figures: &[figure("wan.loss_vs_fetch1", "ratio", AtLeast(1.5))],
        run: |plan| Box::pin(wan_loss::run(plan)),
    },
    Benchmark {
        figures: &[
            figure("real.far_vs_curl", "ratio", AtLeast(20.0)),
            figure("real.far_vs_aria16", "ratio", AtLeast(1.0)),
        ],
        run: |plan| Box::pin(real::far(plan)),
    },
    Benchmark {
        figures: &[figure("real.browser_far_vs_fetch1", "ratio", AtLeast(20.0))],
        run: |plan| Box::pin(browser_far::run(plan)),
    },
    Benchmark {
        figures: &[
            figure("real.cubic_far_vs_aria16", "ratio", AtLeast(1.0)),
            figure("real.cubic_cable_vs_aria16", "ratio", AtLeast(1.0)),
        ],
        run: |plan| Box::pin(real::cubic(plan)),
    },
    Benchmark {
        figures: &[figure("real.fibre_link_share", "ratio", AtLeast(0.92))],
        run: |plan| Box::pin(real::fibre(plan)),
    },
    Benchmark {
        figures: &[figure("real.bad_link_share", "ratio", AtLeast(0.85))],
        run: |plan| Box::pin(real::bad(plan)),
    },
    Benchmark {
        figures: &[
            figure("real.mobile_link_share", "ratio", AtLeast(0.9)),
            figure("real.mobile_ping_ms", "ms", AtMost(100.0)),
        ],
        run: |plan| Box::pin(real::mobile(plan)),
    },
    Benchmark {
        figures: &[
            figure("compress.text_100mbit_vs_curl", "ratio", AtLeast(3.0)),
            figure("compress.random_100mbit_vs_curl", "ratio", AtLeast(0.98)),
        ],
        run: |plan| Box::pin(compress::run(plan)),
    },
    Benchmark {
        figures: &[figure("mirror.two_share", "ratio", AtLeast(0.95))],
        run: |plan| Box::pin(mirror_two::run(plan)),
    },
    Benchmark {
        figures: &[figure("sparse.time_vs_data", "ratio", AtMost(1.2))],
        run: |plan| Box::pin(sparse::run(plan)),
    },
    Benchmark { figures: &[figure("tree.cli_vs_fetch", "ratio", AtLeast(1.0))], run: |plan| Box::pin(tree::cli(plan)) },
    Benchmark {
        figures: &[figure("tree.cli_rtt30_vs_aria16", "ratio", AtLeast(5.0))],
        run: |plan| Box::pin(tree::far(plan)),
    },
    Benchmark { figures: &[figure("tree.vs_fetch", "ratio", AtLeast(5.0))], run: |plan| Box::pin(tree::browser(plan)) },
    Benchmark {
        figures: &[
            figure("browser.vs_fetch1", "ratio", AtLeast(0.9)),
            figure("browser.vs_fetch4", "ratio", AtLeast(0.85)),
            figure("browser.cpu_vs_fetch4", "ratio", AtMost(1.2)),
        ],
        run: |plan| Box::pin(browser_fetch::run(plan)),
    },
    Benchmark {
        figures: &[figure("browser.vs_native", "ratio", AtLeast(0.5))],
        run: |plan| Box::pin(browser_native::run(plan)),
    },
    Benchmark {
        figures: &[
            figure("browser.memory_mib_1g", "MiB", AtMost(64.0)),
            figure("browser.memory_mib_8g", "MiB", AtMost(64.0)),
            figure("browser.memory_mib_8g_more", "MiB", AtMost(8.0)),
        ],
        run: |plan| Box::pin(browser_memory::run(plan)),
    },
    Benchmark {
        figures: &[figure("resume.read_back_cost", "ratio", AtMost(1.05))],
        run: |plan| Box::pin(read_back::run(plan)),
    },
    Benchmark {
        figures: &[figure("resume.ready_ms", "ms", AtMost(1000.0)), figure("resume.refetched", "ratio", AtMost(0.01))],
        run: |plan| Box::pin(resume::run(plan)),
    },
];

/// The benchmarks that have a figure with one of the names.
///
/// # Errors
///
/// When a name fits no figure.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Benchmark>> {
    if let Some(stranger) = names.iter().find(|name| !BENCHMARKS.iter().any(|benchmark| benchmark.has(name))) {
        let known: Vec<_> =
            BENCHMARKS.iter().flat_map(|benchmark| benchmark.figures).map(|figure| figure.name).collect();
        bail!("there is no {stranger:?}; there are: all, {}", known.join(", "));
    }
    Ok(BENCHMARKS.iter().filter(|benchmark| names.iter().any(|name| benchmark.has(name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(names: &[&str]) -> Result<usize> {
        Ok(chosen(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?.len())
    }

    #[test]
    fn names_beginnings_and_all_choose() {
        assert_eq!(count(&["all"]).unwrap(), BENCHMARKS.len());
        assert_eq!(count(&["wan"]).unwrap(), 3);
        assert_eq!(count(&["server.cpu_vs_nginx", "server.throughput_vs_dufs"]).unwrap(), 1);
        assert!(count(&["wan", "wax"]).unwrap_err().to_string().contains("wan.loss_vs_fetch1"));
    }

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let mut names: Vec<_> = BENCHMARKS.iter().flat_map(|benchmark| benchmark.figures).map(|one| one.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

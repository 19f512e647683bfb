//! The cost of processes: processor time by their purpose, and memory.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use wstp_testkit::Tree;

/// Processor time of a tree of processes since they began, in seconds, with that of their ended children.
///
/// # Errors
///
/// When its root has ended.
pub fn cpu_seconds(tree: Tree) -> Result<f64> {
    Ok(cpu_by_role(tree)?.values().sum())
}

/// The same, separately for the purposes of the processes. Chromium tells the purpose of its own; others go by their
/// program's name.
///
/// # Errors
///
/// When its root has ended.
pub fn cpu_by_role(tree: Tree) -> Result<BTreeMap<String, f64>> {
    let members = tree.members();
    let root = members.first().context("a tree has a root")?;
    let mut seconds = BTreeMap::new();
    for pid in &members {
        let ticks = fs::read_to_string(format!("/proc/{pid}/stat")).ok().as_deref().and_then(cpu_ticks);
        // A process that ends meanwhile is in its parent's account.
        ensure!(ticks.is_some() || pid != root, "process {root} has ended");
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let spent = ticks.unwrap_or_default() as f64 / rustix::param::clock_ticks_per_second() as f64;
        *seconds.entry(role(&String::from_utf8_lossy(&command))).or_default() += spent;
    }
    Ok(seconds)
}

/// The purpose of a process, from its command line.
fn role(command: &str) -> String {
    let command = command.replace('\0', " ");
    let option = |name: &str| Some(command.split_once(name)?.1.split([' ', '.']).next()?.to_owned());
    let program = || command.split(' ').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    option("--utility-sub-type=").or_else(|| option("--type=")).unwrap_or_else(program)
}

/// User time, system time, and both for the ended children: fields 14 to 17. The second field is a name in parentheses
/// that may hold any text.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    let ticks: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    (ticks.len() == 4).then(|| ticks.iter().sum())
}

/// Resident memory of one process, in bytes.
///
/// # Errors
///
/// When it has ended.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        assert_eq!(cpu_ticks("17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0"), Some(127));
        assert_eq!(cpu_ticks("17 (x) S 1"), None);
    }

    #[test]
    fn the_command_line_says_what_a_process_is_for() {
        let network = "/usr/lib/chromium/chromium\0--type=utility\0--utility-sub-type=network.mojom.NetworkService\0";
        assert_eq!(role(network), "network");
        assert_eq!(role("chromium --type=renderer --lang=en"), "renderer");
        assert_eq!(role("/usr/sbin/nginx\0-p\0/x"), "nginx");
        assert_eq!(role(""), "");
    }

    #[test]
    fn what_this_process_takes_is_known() {
        let tree = Tree::new(std::process::id());
        let before = cpu_seconds(tree).unwrap();
        while cpu_seconds(tree).unwrap() < before + 0.02 {
            std::hint::black_box(blake3::hash(&[0; 4096]));
        }
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }
}

//! The memory of the extension's processes.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wstp_testkit::Tree;

/// Between two measurements of a [`MemoryWatch`].
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The memory of the renderer processes of extensions, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Proportional set size: shared pages are counted by the share.
    pub proportional: u64,
    /// The number of processes.
    pub processes: u32,
}

impl Memory {
    /// The current value.
    pub fn of_extension(browser: Tree) -> Self {
        browser.extensions().into_iter().filter_map(proportional_set).fold(Self::default(), |sum, size| Self {
            proportional: sum.proportional + size,
            processes: sum.processes + 1,
        })
    }
}

/// Measures repeatedly, until it is asked for the maximum.
#[derive(Debug)]
pub struct MemoryWatch {
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl MemoryWatch {
    /// Begins to measure.
    pub fn start(browser: Tree) -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (most, done) = (most.clone(), done.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    most.fetch_max(Memory::of_extension(browser).proportional, Ordering::Relaxed);
                    std::thread::sleep(SAMPLE_INTERVAL);
                }
            }
        });
        Self { most, done, thread: Some(thread) }
    }

    /// The maximum, in bytes.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has already been printed.
            let _ = thread.join();
        }
    }
}

fn proportional_set(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_proportional_set() {
        assert!(proportional_set(std::process::id()).unwrap() > 100 * 1024);
    }
}

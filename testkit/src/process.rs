//! Ends processes that we started, and no others.

use std::collections::HashMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process of ours and everything it started.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    root: u32,
}

impl Tree {
    /// The tree under `root`, which must be an unreaped child of ours, so that its number can't have been reused.
    pub fn new(root: u32) -> Self {
        Self { root }
    }

    /// The root and all its current descendants, the root first.
    pub fn members(&self) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, parent) in processes() {
            children.entry(parent).or_default().push(pid);
        }
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(pid) = members.get(next) {
            members.extend(children.remove(pid).unwrap_or_default());
            next += 1;
        }
        members
    }

    /// If the root is a Chromium: the processes of extensions, with all their contexts.
    pub fn extensions(&self) -> Vec<u32> {
        self.members().into_iter().filter(|pid| is_extension(*pid)).collect()
    }

    /// Kills those at once, so that they can record nothing. Returns how many there were.
    pub fn kill_extensions(&self) -> usize {
        let extensions = self.extensions();
        extensions.iter().for_each(|pid| signal(*pid, Signal::KILL));
        extensions.len()
    }

    /// Kills all of them at once, so that they can record nothing.
    pub fn kill(&self) {
        for pid in self.members() {
            signal(pid, Signal::KILL);
        }
    }

    /// Stops all of them, like a computer that goes to sleep.
    pub fn suspend(&self) {
        for pid in self.members() {
            signal(pid, Signal::STOP);
        }
    }

    /// Lets all of them continue.
    pub fn wake(&self) {
        for pid in self.members() {
            signal(pid, Signal::CONT);
        }
    }

    /// Asks the root to end in good order.
    pub fn terminate(&self) {
        signal(self.root, Signal::TERM);
    }
}

fn is_extension(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        let line = String::from_utf8_lossy(&line);
        line.contains("--type=renderer") && line.contains("--extension-process")
    })
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended meanwhile needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// Every process with its parent.
fn processes() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect()
}

/// The fourth field of `/proc/PID/stat`. The second field is a name in parentheses that may hold any text.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent("17 (a) b (c) S 4 17 17 0"), Some(4));
    }

    #[test]
    fn a_tree_holds_the_children_of_children() {
        let mut shell = std::process::Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let tree = Tree::new(shell.id());
        while tree.members().len() < 2 {
            std::thread::yield_now();
        }
        let members = tree.members();
        tree.kill();
        assert!(!shell.wait().unwrap().success());
        assert_eq!(members[0], shell.id());
    }
}

//! Names of one folder in two pieces of memory, and the bound of all such memory.
//!
//! A million small allocations would take twice the memory, and leave it fragmented when they are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of the names of all folders, whoever holds them.
const BUDGET: usize = 256 << 20;
/// Least bytes of an allocation.
const STEP: usize = 64 << 10;
/// Bytes before a name: its group, and its length.
const PREFIX: usize = 3;

/// The kind of an entry, as far as it decides the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Comes first.
    Folder,
    /// Anything else.
    Other,
}

/// The total of all names.
#[derive(Default)]
pub struct Budget(AtomicUsize);

/// Names, each with its group.
pub struct Names {
    /// Each name behind its [`PREFIX`].
    text: Vec<u8>,
    /// The positions of the names in the text.
    starts: Vec<u32>,
    taken: usize,
    budget: Arc<Budget>,
}

impl Names {
    /// No names yet.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { text: Vec::new(), starts: Vec::new(), taken: 0, budget }
    }

    /// Adds a name. `false`: all names have used up the budget, or these have used up half of it.
    #[must_use]
    pub fn push(&mut self, group: Group, name: &str) -> bool {
        let Ok(length) = u16::try_from(name.len()) else { return false };
        if !self.has_room_for(PREFIX + name.len()) {
            return false;
        }
        self.starts.push(u32::try_from(self.text.len()).expect("half of the budget is less"));
        self.text.push(group as u8);
        self.text.extend_from_slice(&length.to_le_bytes());
        self.text.extend_from_slice(name.as_bytes());
        true
    }

    /// Sorts them, once all are there.
    pub fn sort(&mut self) {
        let Self { text, starts, .. } = self;
        starts.sort_unstable_by(|&left, &right| at(text, left).cmp(&at(text, right)));
        text.shrink_to_fit();
        starts.shrink_to_fit();
        let left = self.text.capacity() + self.starts.capacity() * size_of::<u32>();
        self.budget.give_back(self.taken.saturating_sub(left));
        self.taken = self.taken.min(left);
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        self.taken
    }

    /// One name.
    pub fn get(&self, index: usize) -> (Group, &str) {
        let (group, name) = at(&self.text, self.starts[index]);
        (group, std::str::from_utf8(name).expect("it was a text"))
    }

    /// The index of the first name after this place in the order.
    pub fn behind(&self, group: Group, name: &str) -> usize {
        self.starts.partition_point(|&start| at(&self.text, start) <= (group, name.as_bytes()))
    }

    /// Provides memory for one more name. It grows by half each time, and only as far as the budget allows.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        if self.text.len() + bytes > self.text.capacity() {
            let more = (self.text.capacity() / 2).max(STEP).max(bytes);
            if !self.take(more) {
                return false;
            }
            self.text.reserve_exact(self.text.capacity() - self.text.len() + more);
        }
        if self.starts.len() == self.starts.capacity() {
            let more = (self.starts.capacity() / 2).max(STEP / size_of::<u32>());
            if !self.take(more * size_of::<u32>()) {
                return false;
            }
            self.starts.reserve_exact(more);
        }
        true
    }

    fn take(&mut self, more: usize) -> bool {
        let fits = self.taken + more <= BUDGET / 2 && self.budget.take(more);
        if fits {
            self.taken += more;
        }
        fits
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let taken = |used: usize| used.checked_add(bytes).filter(|used| *used <= BUDGET);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The name that begins at `start`.
fn at(text: &[u8], start: u32) -> (Group, &[u8]) {
    let entry = &text[start as usize..];
    let group = if entry[0] == Group::Folder as u8 { Group::Folder } else { Group::Other };
    let length = usize::from(u16::from_le_bytes([entry[1], entry[2]]));
    (group, &entry[PREFIX..PREFIX + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_order_folders_first() {
        let mut names = Names::new(Arc::default());
        for (group, name) in [(Group::Other, "b"), (Group::Folder, "z"), (Group::Other, ""), (Group::Folder, "ä")] {
            assert!(names.push(group, name));
        }
        names.sort();
        let all: Vec<_> = (0..names.len()).map(|index| names.get(index)).collect();
        assert_eq!(all, [(Group::Folder, "z"), (Group::Folder, "ä"), (Group::Other, ""), (Group::Other, "b")]);
        for (index, (group, name)) in all.into_iter().enumerate() {
            assert_eq!(names.behind(group, name), index + 1);
        }
        assert_eq!(names.behind(Group::Folder, "zz"), 1);
    }

    #[test]
    fn all_names_together_stay_within_the_budget() {
        let budget = Arc::<Budget>::default();
        let name = "n".repeat(usize::from(u16::MAX));
        let fill = || {
            let mut names = Names::new(budget.clone());
            while names.push(Group::Other, &name) {}
            names
        };
        let all = [fill(), fill(), fill(), fill()];
        assert!(all.iter().all(|names| names.size() <= BUDGET / 2));
        let held: usize = all.iter().map(|names| names.text.capacity() + 4 * names.starts.capacity()).sum();
        assert!(held > BUDGET / 2 && held <= BUDGET, "{held}");
        assert_eq!(budget.0.load(Ordering::Relaxed), held);
        drop(all);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}

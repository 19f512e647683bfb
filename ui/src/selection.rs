//! The chosen entries of a list. Pure: entries are numbers, and rows say where they stand.

use std::collections::BTreeSet;

/// The chosen entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    chosen: BTreeSet<u32>,
    /// The row from which a range extends.
    anchor: Option<usize>,
}

impl Selection {
    /// Whether an entry is chosen.
    pub fn has(&self, number: u32) -> bool {
        self.chosen.contains(&number)
    }

    /// How many are chosen.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether none is chosen.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// The numbers of the chosen ones.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.chosen.iter().copied()
    }

    /// Chooses none.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Chooses the entry in a row too, or no longer. A range may extend from there.
    pub fn toggle(&mut self, row: usize, number: u32) {
        if !self.chosen.remove(&number) {
            self.chosen.insert(number);
        }
        self.anchor = Some(row);
    }

    /// Chooses the rows from where the last choice was, or from `begin`, to `row`, and no others. `rows` gives the
    /// numbers of rows that can be chosen.
    pub fn extend(&mut self, begin: usize, row: usize, rows: impl Fn(usize) -> Option<u32>) {
        let anchor = *self.anchor.get_or_insert(begin);
        self.chosen = (anchor.min(row)..=anchor.max(row)).filter_map(rows).collect();
    }

    /// Chooses all of these.
    pub fn choose(&mut self, numbers: impl IntoIterator<Item = u32>) {
        self.chosen = numbers.into_iter().collect();
    }

    /// Chooses no others than these any more.
    pub fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        self.chosen.retain(|number| stays(*number));
        self.anchor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(selection: &Selection) -> Vec<u32> {
        selection.numbers().collect()
    }

    /// Row 3 can't be chosen.
    fn rows(row: usize) -> Option<u32> {
        (row != 3).then_some(row as u32 * 10)
    }

    #[test]
    fn a_second_press_takes_an_entry_out_again() {
        let mut selection = Selection::default();
        selection.toggle(2, 20);
        selection.toggle(5, 50);
        assert_eq!(numbers(&selection), [20, 50]);
        selection.toggle(2, 20);
        assert!(selection.has(50) && !selection.has(20) && selection.len() == 1);
    }

    #[test]
    fn a_range_extends_from_the_last_choice_either_way() {
        let mut selection = Selection::default();
        selection.toggle(4, 40);
        selection.extend(0, 6, rows);
        assert_eq!(numbers(&selection), [40, 50, 60]);
        selection.extend(0, 2, rows);
        assert_eq!(numbers(&selection), [20, 40]);
        selection.clear();
        selection.extend(1, 2, rows);
        assert_eq!(numbers(&selection), [10, 20]);
    }

    #[test]
    fn what_is_no_longer_shown_is_no_longer_chosen() {
        let mut selection = Selection::default();
        selection.choose([1, 2, 3]);
        selection.retain(|number| number != 2);
        assert_eq!(numbers(&selection), [1, 3]);
    }
}

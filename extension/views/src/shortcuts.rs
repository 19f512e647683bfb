//! The folders that the user starred, and those visited last. All pages of the browser share them.

use leptos::ev::storage;
use leptos::prelude::*;

use crate::browse::Place;
use crate::memory::{self, Places};

/// Most folders that can be starred; the oldest star goes first.
const MOST_STARRED: usize = 50;
/// Most visited folders that are remembered.
const MOST_RECENT: usize = 12;

/// Both lists; cheap to copy.
#[derive(Clone, Copy)]
pub struct Shortcuts {
    /// Starred, in the order of the stars.
    pub starred: RwSignal<Vec<Place>>,
    /// Visited, the last one first.
    pub recent: RwSignal<Vec<Place>>,
}

impl Shortcuts {
    /// As remembered. Follows other pages.
    pub fn new() -> Self {
        let shortcuts = Self {
            starred: RwSignal::new(memory::places(Places::Starred)),
            recent: RwSignal::new(memory::places(Places::Recent)),
        };
        let changed = window_event_listener(storage, move |_| {
            shortcuts.starred.set(memory::places(Places::Starred));
            shortcuts.recent.set(memory::places(Places::Recent));
        });
        on_cleanup(move || changed.remove());
        shortcuts
    }

    /// Whether a folder is starred.
    pub fn has(self, place: &Place) -> bool {
        self.starred.with(|starred| starred.contains(place))
    }

    /// Stars a folder, or takes its star.
    pub fn star(self, place: Place) {
        self.starred.update(|starred| toggle(starred, place));
        self.starred.with_untracked(|starred| memory::keep_places(Places::Starred, starred));
    }

    /// The user is in this folder.
    pub fn visit(self, place: Place) {
        self.recent.update(|recent| put_first(recent, place));
        self.recent.with_untracked(|recent| memory::keep_places(Places::Recent, recent));
    }
}

fn toggle(starred: &mut Vec<Place>, place: Place) {
    let before = starred.len();
    starred.retain(|other| *other != place);
    if starred.len() == before {
        starred.push(place);
    }
    let surplus = starred.len().saturating_sub(MOST_STARRED);
    starred.drain(..surplus);
}

fn put_first(recent: &mut Vec<Place>, place: Place) {
    recent.retain(|other| *other != place);
    recent.insert(0, place);
    recent.truncate(MOST_RECENT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        Place { address: "ws://a/ws".into(), label: "a".into(), folders: vec![name.into()] }
    }

    #[test]
    fn a_second_star_takes_the_first_one_away_and_stars_are_bounded() {
        let mut starred = Vec::new();
        toggle(&mut starred, place("a"));
        toggle(&mut starred, place("b"));
        toggle(&mut starred, place("a"));
        assert_eq!(starred, [place("b")]);
        (0..MOST_STARRED).for_each(|number| toggle(&mut starred, place(&number.to_string())));
        assert_eq!((starred.len(), &starred[0]), (MOST_STARRED, &place("0")));
    }

    #[test]
    fn the_last_visited_folder_is_first_and_once_and_they_are_bounded() {
        let mut recent = Vec::new();
        ["a", "b", "a"].into_iter().for_each(|name| put_first(&mut recent, place(name)));
        assert_eq!(recent, [place("a"), place("b")]);
        (0..100).for_each(|number| put_first(&mut recent, place(&number.to_string())));
        assert_eq!((recent.len(), &recent[0]), (MOST_RECENT, &place("99")));
    }
}

//! The user's places, order and theme, so that a page opens as before. The catalogue does not need them.

use leptos::prelude::document;
use web_sys::Storage;
use wstp_ui::arrangement::Sort;

use crate::browse::Place;

const PLACE: &str = "place";
const SORT: &str = "sort";
/// `manifest/theme.js` reads it before anything is drawn.
const THEME: &str = "theme";

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Remembers a folder of a server.
pub fn keep_place(address: &str, folders: &[String]) {
    if let Some(storage) = storage() {
        // No name contains a slash, and no address a line break.
        let _ = storage.set_item(PLACE, &format!("{address}\n{}", folders.join("/")));
    }
}

/// The last remembered folder: the server's address and the names on the path.
pub fn last_place() -> Option<(String, Vec<String>)> {
    let text = storage()?.get_item(PLACE).ok()??;
    let (address, path) = text.split_once('\n')?;
    let folders = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some((address.to_owned(), folders))
}

/// A list of folders.
#[derive(Clone, Copy, Debug)]
pub enum Places {
    /// The starred ones.
    Starred,
    /// Those visited last.
    Recent,
}

impl Places {
    const fn key(self) -> &'static str {
        match self {
            Self::Starred => "starred",
            Self::Recent => "recent",
        }
    }
}

/// Remembers a list of folders.
pub fn keep_places(which: Places, places: &[Place]) {
    if let Some(storage) = storage() {
        // A full storage loses the newest star only.
        let _ = storage.set_item(which.key(), &text_of(places));
    }
}

/// The remembered list of folders.
pub fn places(which: Places) -> Vec<Place> {
    let text = storage().and_then(|storage| storage.get_item(which.key()).ok()?);
    text.map(|text| places_of(&text)).unwrap_or_default()
}

/// No name contains a slash or a zero, and no address or label a line break.
fn text_of(places: &[Place]) -> String {
    let text = |place: &Place| format!("{}\n{}\n{}", place.address, place.label, place.folders.join("/"));
    places.iter().map(text).collect::<Vec<_>>().join("\0")
}

fn places_of(text: &str) -> Vec<Place> {
    let place = |text: &str| {
        let mut parts = text.splitn(3, '\n');
        let (address, label, path) = (parts.next()?, parts.next()?, parts.next()?);
        let folders = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Place { address: address.to_owned(), label: label.to_owned(), folders })
    };
    text.split('\0').filter_map(place).collect()
}

/// Remembers the order of entries.
pub fn keep_sort(sort: Sort) {
    if let Some(storage) = storage() {
        // It holds two short texts of ours.
        let _ = storage.set_item(SORT, &sort.to_text());
    }
}

/// The last remembered order of entries.
pub fn sort() -> Sort {
    let text = storage().and_then(|storage| storage.get_item(SORT).ok()?);
    text.map_or_else(Sort::default, |text| Sort::from_text(&text))
}

/// The theme that the user chose; empty for the system's.
pub fn theme() -> String {
    storage().and_then(|storage| storage.get_item(THEME).ok()?).unwrap_or_default()
}

/// Shows this page in a theme, and remembers it. The other pages hear of it from the browser.
pub fn keep_theme(theme: &str) {
    if let Some(storage) = storage() {
        // It is one short word.
        let _ = storage.set_item(THEME, theme);
    }
    if let Some(root) = document().document_element() {
        // The name of the attribute is valid.
        let _ = root.set_attribute("data-theme", theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_back_whatever_their_names_contain() {
        let place = |folders: &[&str]| Place {
            address: "ws://a:1/ws".into(),
            label: "a:1".into(),
            folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        };
        let places = [place(&[]), place(&["two\nlines", "\u{202e}x"])];
        assert_eq!(places_of(&text_of(&places)), places);
        assert_eq!(places_of(""), []);
    }
}

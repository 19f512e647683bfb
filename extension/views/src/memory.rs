//! The user's last place, order and theme, so that a page opens as before. Losing them does no harm.

use leptos::prelude::document;
use web_sys::Storage;
use wstp_ui::arrangement::Sort;

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

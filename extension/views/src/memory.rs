//! The user's last place, so that the popup opens there again. Losing it does no harm.

use web_sys::Storage;

const PLACE: &str = "place";

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

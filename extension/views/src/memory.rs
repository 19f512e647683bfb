//! Where the user was last, so that the popup opens there again. Losing it is no loss.

use web_sys::Storage;

const PLACE: &str = "place";

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Remembers a folder of a server.
pub fn keep_place(address: &str, folders: &[String]) {
    if let Some(storage) = storage() {
        // No name holds a slash, and an address no line break.
        let _ = storage.set_item(PLACE, &format!("{address}\n{}", folders.join("/")));
    }
}

/// The folder remembered last: the server's address and the names on the way.
pub fn last_place() -> Option<(String, Vec<String>)> {
    let text = storage()?.get_item(PLACE).ok()??;
    let (address, path) = text.split_once('\n')?;
    let folders = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some((address.to_owned(), folders))
}

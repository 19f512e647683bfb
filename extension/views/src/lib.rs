//! The views of the extension: the popup, the manager page and the preview of a file.
//!
//! They render the catalogue's state and send it commands; both go over one `BroadcastChannel`. They hold no transfer
//! state and may die at any time. Only `chrome.rs` touches chrome.*.

mod browse;
mod browse_pane;
mod catalogue;
mod chrome;
mod folder_files;
mod history;
mod login;
mod manager;
mod memory;
mod page;
mod panic;
mod picked;
mod popup;
mod presence;
mod preview;
mod settings;
mod sheet;
mod shortcuts;
mod store;
mod trail;
mod transfers_pane;
mod words;

use leptos::mount::mount_to_body;
use wasm_bindgen::prelude::wasm_bindgen;

/// Fills the page behind the toolbar button.
#[wasm_bindgen]
pub fn popup() {
    panic::tell();
    mount_to_body(popup::Popup);
}

/// Fills the page that shows a file while it comes.
#[wasm_bindgen]
pub fn preview() {
    panic::tell();
    mount_to_body(preview::Preview);
}

/// Fills the page in a whole tab.
#[wasm_bindgen]
pub fn manager() {
    panic::tell();
    mount_to_body(manager::Manager);
}

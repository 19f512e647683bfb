//! The administration page of the server: first visit and login, then what happens now, and everything one may change.
//!
//! The server sends the whole state each second over one event stream. The views draw it and hold nothing that the
//! server does not know. Text from strangers becomes text nodes and attributes only.

mod clients;
mod enter;
mod events;
mod files;
mod links;
mod long_table;
mod overview;
mod page;
mod parts;
mod people;
mod server;
mod shares;
mod strip;

use std::panic::set_hook;

use leptos::mount::mount_to_body;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Fills the page.
#[wasm_bindgen]
pub fn start() {
    set_hook(Box::new(|panic| {
        web_sys::console::error_1(&JsValue::from_str(&panic.to_string()));
        let body = web_sys::window().and_then(|window| window.document()).and_then(|document| document.body());
        if let Some(body) = body {
            body.set_text_content(Some("This page broke. Load it again: the server goes on without it."));
        }
    }));
    #[cfg(target_arch = "wasm32")]
    wstp_words::language::use_english();
    mount_to_body(page::Page);
}

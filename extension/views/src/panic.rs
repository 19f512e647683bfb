//! A page that broke shows that, and does not just stop.

use std::panic::set_hook;

use wasm_bindgen::JsValue;
use wstp_words::say;

/// From now on a panic is written to the console and shown on the page.
pub fn tell() {
    set_hook(Box::new(|panic| {
        web_sys::console::error_1(&JsValue::from_str(&panic.to_string()));
        let body = web_sys::window().and_then(|window| window.document()).and_then(|document| document.body());
        if let Some(body) = body {
            body.set_text_content(Some(&say!(page_broke)));
        }
    }));
}

//! Panics: they are logged and reported as an uncaught error. The supervisor of this context then replaces it.

use std::panic;

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = reportError)]
    fn report_error(error: &JsValue);
}

/// Logs and reports every panic from here on.
pub fn report() {
    panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        web_sys::console::error_1(&text.as_str().into());
        report_error(&JsError::new(&text).into());
    }));
}

/// Ends this context for a reason that is no defect. Its supervisor starts another.
pub fn give_up(error: &JsValue) {
    report_error(error);
}

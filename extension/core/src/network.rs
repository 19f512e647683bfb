//! Whether the browser has a network at all, and word of it coming back: a document gets that, a worker can only look.

use js_sys::Reflect;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = addEventListener)]
    fn add_event_listener(event: &str, listener: &Closure<dyn FnMut()>);

    #[wasm_bindgen(js_name = removeEventListener)]
    fn remove_event_listener(event: &str, listener: &Closure<dyn FnMut()>);
}

/// Calls back each time the browser goes online, until it is dropped.
pub struct Online(Closure<dyn FnMut()>);

impl Online {
    /// Listens from now on.
    pub fn listen(on_online: impl FnMut() + 'static) -> Self {
        let listener = Closure::new(on_online);
        add_event_listener("online", &listener);
        Self(listener)
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        remove_event_listener("online", &self.0);
    }
}

/// Whether the browser says that it has no network. Where it says nothing it is taken to have one.
pub fn is_offline() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into());
    let on_line = navigator.and_then(|navigator| Reflect::get(&navigator, &"onLine".into()));
    on_line.is_ok_and(|on_line| on_line.as_bool() == Some(false))
}
